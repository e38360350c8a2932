//! Hosts that ask for a name and a secret.

use stoa_shared::{answer::Meaning, space::Space, testing::git_server::Options};

use super::{HOST, MODULE, Scene, fill, list, private, run};

/// `oauth2:hunter2`, `ci:hunter2` and `ci:hunter3` as headers have them.
const TOKEN: &str = "Basic b2F1dGgyOmh1bnRlcjI=";
const CI: &str = "Basic Y2k6aHVudGVyMg==";
const CI_ROTATED: &str = "Basic Y2k6aHVudGVyMw==";

fn with_token() -> String {
    format!(r#"[{{"host": "{HOST}", "kind": "token", "secret": "env:CORP_TOKEN"}}]"#)
}

#[tokio::test]
async fn a_private_module_is_filled_with_the_hosts_secret_and_stored_in_its_space_alone() {
    let kinds = [
        (TOKEN, with_token()),
        (
            CI,
            format!(
                r#"[{{"host": "{HOST}", "kind": "basic", "user": "ci", "secret": "env:CORP_TOKEN"}}]"#
            ),
        ),
        (CI, r#"[{"host": "*", "kind": "netrc", "secret": "file:DIR/netrc"}]"#.to_owned()),
    ];
    for (authorization, credentials) in kinds {
        let scene = Scene::new(Some(authorization)).await;
        scene.write("netrc", &format!("machine {HOST} login ci password hunter2\n"));
        let workers = scene.workers(&credentials);
        run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
        run(&workers, &private(), &list(MODULE)).await.unwrap();

        let stored = scene.stored().await;
        for file in [
            format!("{MODULE}/@v/v1.0.0.info"),
            format!("{MODULE}/@v/v1.0.0.mod"),
            format!("{MODULE}/@v/v1.0.0.zip"),
            format!("_stoa/catalog/{MODULE}/@v/v1.0.0.json"),
            format!("_stoa/answers/{MODULE}/@v/list.json"),
        ] {
            let key = format!("_stoa/private/default/{file}");
            assert!(stored.contains(&key), "{key} is not among {stored:#?}");
        }
        let beside: Vec<_> =
            stored.iter().filter(|key| !key.starts_with("_stoa/private/default/")).collect();
        assert!(beside.is_empty(), "{beside:?}");
        assert!(!scene.is_stored("hunter2") && !scene.is_stored("aHVudGVyM"));
        assert!(scene.is_stored(&format!("https://{HOST}/team/secret")), "the origin is recorded");
        assert_eq!(scene.server.hosts().into_iter().collect::<Vec<_>>(), [HOST]);
    }
}

#[tokio::test]
async fn a_server_of_plain_files_is_shown_the_secret_too() {
    let scene = Scene::new(Some(TOKEN)).await;
    let dumb =
        Options { authorization: Some(TOKEN.to_owned()), is_dumb: true, ..Options::default() };
    scene.server.set_options(dumb);
    scene.publish_files();
    let workers = scene.workers(&with_token());
    run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
    assert!(!scene.is_stored("hunter2") && !scene.is_stored("aHVudGVyM"));
    assert_eq!(scene.server.hosts().into_iter().collect::<Vec<_>>(), [HOST]);
}

#[tokio::test]
async fn a_public_job_of_the_same_repository_is_shown_nothing_and_stores_nothing() {
    let scene = Scene::new(Some(TOKEN)).await;
    let workers = scene.workers(&with_token());
    run(&workers, &Space::Public, &fill(MODULE, "v1.0.0")).await.unwrap_err();
    let stored = scene.stored().await;
    assert!(
        stored
            .iter()
            .all(|key| key.starts_with("_stoa/answers/") || key.starts_with("_stoa/claims/")),
        "{stored:?}"
    );
    // What the private worker learns meanwhile is no help.
    run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
    run(&workers, &Space::Public, &fill(MODULE, "v1.0.0")).await.unwrap_err();
}

#[tokio::test]
async fn a_secret_that_is_refused_is_no_absence_and_a_new_one_holds_at_once() {
    let scene = Scene::new(Some(CI)).await;
    scene.write("password", "hunter1");
    let credentials = format!(
        r#"[{{"host": "{HOST}", "kind": "basic", "user": "ci", "secret": "file:DIR/password"}}]"#
    );
    let workers = scene.workers(&credentials);
    let failure = run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap_err();
    assert_eq!(
        failure.client_message(),
        "https://git.corp.example/team/secret: the host refuses the credentials (HTTP status 401); check STOA_VCS_CREDENTIALS"
    );
    assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
    assert!(failure.is_worth_a_retry());
    assert!(!scene.is_stored("hunter1"));

    scene.write("password", "hunter2");
    run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
    let rotated = Options { authorization: Some(CI_ROTATED.to_owned()), ..Options::default() };
    scene.server.set_options(rotated);
    scene.write("password", "hunter3");
    let task = fill(MODULE, "v1.9.9");
    let failure = run(&workers, &private(), &task).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::Absent, "{failure}");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_absent_once_the_host_knows_us() {
    let missing = fill("git.corp.example/team/missing.git", "v1.0.0");
    let scene = Scene::new(Some(TOKEN)).await;
    let workers = scene.workers(&with_token());
    let failure = run(&workers, &private(), &missing).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::Absent, "{failure}");
    assert_eq!(
        failure.client_message(),
        "https://git.corp.example/team/missing: repository not found, or hidden from the credentials that STOA_VCS_CREDENTIALS has for its host"
    );

    let workers = scene.workers("[]");
    let failure = run(&workers, &private(), &missing).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
    assert!(failure.to_string().contains("STOA_VCS_CREDENTIALS has none for it"), "{failure}");
}

#[tokio::test]
async fn a_host_that_hides_what_it_has_from_strangers_has_not_said_that_there_is_nothing() {
    let missing = fill("git.corp.example/team/missing.git", "v1.0.0");
    // 404, as hosts of private repositories say instead of 401.
    let scene = Scene::new(None).await;
    let workers = scene.workers("[]");
    let failure = run(&workers, &private(), &missing).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::OriginUnavailable, "{failure}");
    assert_eq!(
        failure.client_message(),
        "https://git.corp.example/team/missing: repository not found, or hidden: STOA_VCS_CREDENTIALS has nothing to show to its host"
    );
    run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
    // A directory hides nothing.
    let repositories = scene.path("repositories");
    let rewrite = format!("https://{HOST}/=file://{}/", repositories.display());
    let workers = scene.workers_with("[]", &rewrite, |_| {});
    let failure = run(&workers, &private(), &missing).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::Absent, "{failure}");
}
