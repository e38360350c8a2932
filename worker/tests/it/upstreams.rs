//! Upstreams that have it, that lie, that are in trouble, and that come back.

use stoa_shared::{
    answer::{Meaning, Question, Value},
    queue::{Job, Lane, Queue},
};

use crate::{
    scene::{Scene, module, until},
    upstream_server::{GO_MOD, Says, UpstreamServer, honest_zip, zip_of},
};

const WHOLE: [&str; 4] = [
    "_stoa/catalog/example.com/m/@v/v1.0.0.json",
    "example.com/m/@v/v1.0.0.info",
    "example.com/m/@v/v1.0.0.mod",
    "example.com/m/@v/v1.0.0.zip",
];

#[tokio::test]
async fn what_an_upstream_has_is_stored_as_it_is() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let scene = Scene::asking(&upstream.url()).await;
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, WHOLE);
    assert_eq!(
        scene.read(WHOLE[1]).await,
        br#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#
    );
    assert_eq!(scene.read(WHOLE[2]).await, GO_MOD.as_bytes());
    assert_eq!(scene.read(WHOLE[3]).await, honest_zip("v1.0.0"));
    let entry = scene.entry("v1.0.0").await;
    assert_eq!(
        entry.zip.unwrap().sum.to_string(),
        "h1:Q0ZWP80nLkjwA1CgFmINTcC0cp8qsG5eabgezAbGpzY="
    );
    let sum = "h1:flS2VctbRrTv+sBE+VKgxx6hlkMGPVz9MGOmzMYFg3k=";
    assert_eq!(entry.go_mod.sum.to_string(), sum);
    // Each file once, in our name.
    let asked = upstream.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.headers["via"] == "1.1 om"), "{asked:?}");
    // What is there is not asked for.
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(upstream.asked().len(), 3);
}

#[tokio::test]
async fn credentials_are_for_the_upstream_alone() {
    let store = UpstreamServer::with_version("v1.0.0");
    let upstream = UpstreamServer::with_version("v1.0.0");
    let zip = "@v/v1.0.0.zip";
    upstream.say(zip, Says::Redirect(format!("{}/example.com/m/{zip}", store.url())));
    let chain = format!("http://user:hunter2@{}", upstream.authority());
    let scene = Scene::asking(&chain).await;
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, WHOLE);
    let basic = "Basic dXNlcjpodW50ZXIy";
    assert!(upstream.asked().iter().all(|asked| asked.headers["authorization"] == basic));
    let elsewhere = store.asked();
    assert_eq!((elsewhere.len(), elsewhere[0].headers.get("authorization")), (1, None));
    assert_eq!(elsewhere[0].path, format!("/example.com/m/{zip}"));
}

#[tokio::test]
async fn nothing_of_a_lie_is_stored() {
    let zip = |files: &[(&str, &str)]| Says::Body(zip_of("v1.0.0", files));
    let go_mod = ("go.mod", GO_MOD);
    let mut bomb = zip_of("v1.0.0", &[go_mod, ("zeros", &"\0".repeat(1 << 20))]);
    // The size that its directory declares, before the name's last appearance.
    let name = b"example.com/m@v1.0.0/zeros";
    let declared = bomb.windows(name.len()).rposition(|window| window == name).unwrap() - 22;
    bomb[declared..declared + 4].copy_from_slice(&(501_u32 << 20).to_le_bytes());
    let whole = honest_zip("v1.0.0");
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    let text = |text: &str| Says::Body(text.into());
    let table = [
        ("no zip at all", "zip", text("<html>"), "zip: not a zip file"),
        ("an empty zip file", "zip", text(""), "zip: not a zip file"),
        ("a truncated zip", "zip", Says::Short(whole.clone()), "HOST"),
        (
            "the same without a length",
            "zip",
            Says::ShortWithoutLength(whole.clone()),
            "zip: not a zip file",
        ),
        ("a damaged zip", "zip", Says::Body(damaged), "zip: "),
        (
            "a zip of another version",
            "zip",
            Says::Body(honest_zip("v1.0.1")),
            "does not begin with",
        ),
        ("a nested module", "zip", zip(&[go_mod, ("sub/go.mod", GO_MOD)]), "root directory"),
        ("a name with two cases", "zip", zip(&[go_mod, ("a", ""), ("A", "")]), "collision"),
        ("a name of a device", "zip", zip(&[go_mod, ("aux.go", "")]), "device name"),
        ("a bomb", "zip", Says::Body(bomb), "too large"),
        ("a zip of another go.mod", "zip", zip(&[("go.mod", "module other\n")]), "is not the one"),
        (
            ".mod of another version",
            "mod",
            text("module example.com/m\n\nrequire x.example/y v1.0.0\n"),
            "is not the one",
        ),
        ("a truncated .mod", "mod", Says::Short(GO_MOD.into()), "HOST"),
        (
            "another version in .info",
            "info",
            text(r#"{"Version":"v1.0.1"}"#),
            "version v1.0.1 when v1.0.0",
        ),
        ("nonsense in .info", "info", text("{}"), "is no version info"),
        (
            "an impossible time",
            "info",
            text(r#"{"Version":"v1.0.0","Time":"now"}"#),
            "is no version info",
        ),
        ("a page to log in, for .mod", "mod", text("<html>login</html>"), "is a page for people"),
        ("no go.mod", "mod", text("v1.0.0"), "is no go.mod of it"),
        (".mod of another major", "mod", text("module example.com/m/v2\n"), "is no go.mod of it"),
        ("500", "mod", Says::Status(500, ""), "HTTP status 500"),
        (
            "503 for the zip",
            "zip",
            Says::Status(503, "storage unavailable: x"),
            "HTTP status 503: storage unavailable: x",
        ),
        ("500 for .info", "info", Says::Status(500, ""), "HTTP status 500"),
        (
            "a loop",
            "zip",
            Says::Redirect("/example.com/m/@v/v1.0.0.zip".into()),
            "more than 9 redirects",
        ),
        (
            "a redirect to a file",
            "zip",
            Says::Redirect("file:///etc/passwd".into()),
            "names no host",
        ),
        ("a loop of upstreams", "mod", Says::Status(508, "loop"), "the upstreams form a loop"),
    ];
    for (what, file, says, expected) in table {
        let upstream = UpstreamServer::with_version("v1.0.0");
        let scene = Scene::asking(&format!("http://user:hunter2@{}", upstream.authority())).await;
        upstream.say(&format!("@v/v1.0.0.{file}"), says);
        let failure = scene.fill("v1.0.0").await.unwrap_or_else(|| panic!("{what} was stored"));
        let expected = expected.replace("HOST", upstream.authority());
        assert_eq!(failure.meaning, Meaning::OriginUnavailable, "{what}: {}", failure.message);
        assert!(failure.message.contains(&expected), "{what}: {}", failure.message);
        assert!(failure.message.starts_with(upstream.authority()), "{what}: {}", failure.message);
        assert!(!failure.message.contains("hunter2"), "{what}: {}", failure.message);
        assert_eq!(scene.stored().await, [""; 0], "{what}");
        // It heals when the upstream does.
        upstream.publish("v1.0.0");
        assert_eq!(scene.fill("v1.0.0").await, None, "{what}");
        assert_eq!(scene.stored().await, WHOLE, "{what}");
    }
}

#[tokio::test]
async fn a_silent_upstream_is_given_up() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let scene = Scene::asking(&upstream.url()).await;
    upstream.say("@v/v1.0.0.zip", Says::Nothing);
    let failure = scene.fill("v1.0.0").await.unwrap();
    assert_eq!(failure.meaning, Meaning::OriginTimeout);
    let expected = format!("{}: no answer within 1 s; ask again in a while", upstream.authority());
    assert_eq!(failure.message, expected);
    assert_eq!(scene.stored().await, [""; 0]);
}

#[tokio::test]
async fn absence_and_refusal_are_handed_on_with_their_reasons() {
    for (status, says, meaning, message) in [
        (
            404,
            "not found: example.com/m@v1.0.0: unknown revision",
            Meaning::Absent,
            "example.com/m@v1.0.0: unknown revision",
        ),
        (410, "withdrawn", Meaning::Absent, "withdrawn"),
        (403, "refused: example.com/m: excluded", Meaning::Refused, "example.com/m: excluded"),
    ] {
        let upstream = UpstreamServer::start();
        upstream.say("@v/v1.0.0.mod", Says::Status(status, says));
        let scene = Scene::asking(&upstream.url()).await;
        let failure = scene.fill("v1.0.0").await.unwrap();
        let message = format!("{message} (says {})", upstream.authority());
        assert_eq!((failure.meaning, failure.message), (meaning, message));
        assert_eq!(upstream.asked().len(), 1, "definite is not asked twice");
        assert_eq!(scene.stored().await, [""; 0]);
        assert_eq!(scene.queue.depth().await.unwrap().dead, 0);
    }
}

#[tokio::test]
async fn where_nobody_waits_an_upstream_has_time_to_fill_its_own_storage() {
    let upstream = UpstreamServer::start();
    let scene = Scene::asking(&upstream.url()).await;
    let question = Question::Fill("v1.0.0".parse().unwrap());
    let job = Job::new(question.task(&module()));
    scene.queue.publish(&job, Lane::Background).await.unwrap();
    until("the job waits for its second attempt", async || {
        scene.queue.depth().await.unwrap().delayed == 1
    })
    .await;
    assert_eq!(scene.answer(&question).await.failure, None, "it is not known yet");
    upstream.publish("v1.0.0");
    until("the version is there", async || scene.stored().await == WHOLE).await;
}

#[tokio::test]
async fn the_next_in_the_chain_is_asked_as_its_separator_says() {
    let absent = Says::Status(404, "");
    let trouble = Says::Status(500, "");
    let refused = Says::Status(403, "");
    for (says, separator, is_asked) in [
        (absent.clone(), ",", true),
        (trouble.clone(), ",", false),
        (refused.clone(), ",", false),
        (absent, "|", true),
        (trouble, "|", true),
        (refused, "|", true),
        (Says::Body(b"not a go.mod\n".into()), "|", true),
    ] {
        let (first, second) =
            (UpstreamServer::with_version("v1.0.0"), UpstreamServer::with_version("v1.0.0"));
        first.say("@v/v1.0.0.mod", says.clone());
        let scene = Scene::asking(&format!("{}{separator}{},off", first.url(), second.url())).await;
        assert_eq!(scene.fill("v1.0.0").await.is_none(), is_asked, "{says:?} {separator}");
        assert_eq!(second.asked().len(), if is_asked { 3 } else { 0 }, "{says:?} {separator}");
        let stored = scene.stored().await;
        assert_eq!(stored, if is_asked { &WHOLE[..] } else { &[] }, "{says:?} {separator}");
    }
    let scene = Scene::asking("off").await;
    let failure = scene.fill("v1.0.0").await.unwrap();
    assert_eq!(failure.message, "example.com/m: STOA_UPSTREAM says off");
    assert_eq!(failure.meaning, Meaning::Absent);
}

#[tokio::test]
async fn a_zip_that_is_missing_keeps_nobody_from_the_rest_and_is_asked_for_again() {
    let upstream = UpstreamServer::start();
    upstream.say("@v/v1.0.0.mod", Says::Body(GO_MOD.into()));
    let scene = Scene::asking(&upstream.url()).await;
    let failure = scene.fill("v1.0.0").await.unwrap();
    assert_eq!(failure.meaning, Meaning::Absent);
    assert_eq!(failure.message, format!("no such file (says {})", upstream.authority()));
    let aside = [
        "_stoa/catalog/example.com/m/@v/v1.0.0.json",
        "_stoa/modonly/example.com/m/@v/v1.0.0.info",
        "_stoa/modonly/example.com/m/@v/v1.0.0.mod",
    ];
    assert_eq!(scene.stored().await, aside);
    assert_eq!(scene.read(aside[1]).await, br#"{"Version":"v1.0.0"}"#);
    let entry = scene.entry("v1.0.0").await;
    assert_eq!((entry.zip, entry.zip_refusal), (None, None));
    upstream.publish("v1.0.0");
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, [&aside[..], &WHOLE[1..]].concat());
    assert!(scene.entry("v1.0.0").await.zip.is_some());
}

#[tokio::test]
async fn a_go_mod_that_no_zip_has_vouched_for_gives_way_to_one_that_does() {
    let upstream = UpstreamServer::start();
    let lie = "module example.com/m\n\nrequire x.example/y v1.0.0\n";
    upstream.say("@v/v1.0.0.mod", Says::Body(lie.into()));
    let scene = Scene::asking(&upstream.url()).await;
    assert_eq!(scene.fill("v1.0.0").await.unwrap().meaning, Meaning::Absent);
    upstream.publish("v1.0.0");
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.read(WHOLE[2]).await, GO_MOD.as_bytes());
    assert!(scene.entry("v1.0.0").await.zip.is_some());
}

#[tokio::test]
async fn what_became_private_is_not_asked_for_as_public() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let url = upstream.url();
    let scene = Scene::with(&[("STOA_UPSTREAM", &url), ("STOA_PRIVATE", "example.com/*")]).await;
    let failure = scene.fill("v1.0.0").await.unwrap();
    assert_eq!(failure.meaning, Meaning::Refused);
    assert_eq!(scene.ask(&Question::List).await.failure.unwrap().meaning, Meaning::Refused);
    assert!(upstream.asked().is_empty());
    assert_eq!(scene.stored().await, [""; 0]);
}

#[tokio::test]
async fn a_tag_that_the_path_cannot_have_is_what_is_incompatible() {
    let upstream = UpstreamServer::start();
    let incompatible = r#"{"Version":"v2.0.0+incompatible"}"#;
    upstream.say("@v/v2.0.0.info", Says::Body(incompatible.into()));
    upstream.say("@v/v3.0.0.info", Says::Body(incompatible.into()));
    let scene = Scene::asking(&upstream.url()).await;
    let query = |query: &str| Question::Query(query.parse().unwrap());
    let answer = scene.ask(&query("v2.0.0")).await.good.unwrap();
    assert_eq!(answer.value, version_info(incompatible));
    let lie = scene.ask(&query("v3.0.0")).await.failure.unwrap();
    assert_eq!(lie.meaning, Meaning::OriginUnavailable);
}

#[tokio::test]
async fn a_copied_in_part_is_completed_by_what_fits() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let scene = Scene::asking(&upstream.url()).await;
    let directory = scene.storage_directory().join("example.com/m/@v");
    std::fs::create_dir_all(&directory).unwrap();
    let info = r#"{"Version":"v1.0.0","Time":"2021-01-02T03:04:05Z"}"#;
    std::fs::write(directory.join("v1.0.0.info"), info).unwrap();
    assert_eq!(scene.fill("v1.0.0").await.unwrap().meaning, Meaning::Internal);
    let info = r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z","Origin":{"Hash":"0123"}}"#;
    std::fs::write(directory.join("v1.0.0.info"), info).unwrap();
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, WHOLE);
    assert_eq!(scene.read(WHOLE[1]).await, info.as_bytes());
}

#[tokio::test]
async fn lists_latest_and_branches_come_from_the_upstream() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let list =
        "v1.1.0\nv1.0.0\nv2.0.0\nv1.2.0-rc.1\nnonsense\nv0.0.0-20200102030405-0123456789ab\n";
    upstream.say("@v/list", Says::Body(list.into()));
    let scene = Scene::asking(&upstream.url()).await;
    assert_eq!(scene.list().await, ["v1.0.0", "v1.1.0", "v1.2.0-rc.1"]);

    // A static tree has no @latest, and .info not for all.
    let latest = scene.ask(&Question::Latest).await.good.unwrap().value;
    assert_eq!(latest, version_info(r#"{"Version":"v1.1.0"}"#));
    upstream.say("@latest", Says::Body(r#"{"Version":"v1.0.0"}"#.into()));
    let latest = scene.ask(&Question::Latest).await.good.unwrap().value;
    assert_eq!(latest, version_info(r#"{"Version":"v1.0.0"}"#));

    let info = r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#;
    upstream.say("@v/main.info", Says::Body(info.into()));
    assert_eq!(scene.stored().await, [""; 0]);
    let branch = scene.ask(&Question::Query("main".parse().unwrap())).await;
    assert_eq!(branch.good.unwrap().value, version_info(info));
    assert_eq!(scene.stored().await, [""; 0], "its zip may take long, and is not waited for");
    // Where nothing is tagged, its list names commits.
    let untagged = UpstreamServer::start();
    let commit = "v0.0.0-20210102030405-0123456789ab";
    let list = format!("v0.0.0-20200102030405-0123456789ab\n{commit}\n");
    untagged.say("@v/list", Says::Body(list.into()));
    let other = Scene::asking(&untagged.url()).await;
    let latest = other.ask(&Question::Latest).await.good.unwrap().value;
    assert_eq!(latest, version_info(&format!(r#"{{"Version":"{commit}"}}"#)));

    let unknown = scene.ask(&Question::Query("gone".parse().unwrap())).await;
    assert_eq!(unknown.failure.unwrap().meaning, Meaning::Absent);
    upstream.say("@v/bad.info", Says::Body(r#"{"Version":"main"}"#.into()));
    let bad = scene.ask(&Question::Query("bad".parse().unwrap())).await;
    assert_eq!(bad.failure.unwrap().meaning, Meaning::OriginUnavailable);
}

#[tokio::test]
async fn builds_go_on_while_the_upstream_is_down() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let scene = Scene::asking(&upstream.url()).await;
    upstream.say_always(Some(Says::Status(503, "")));
    let nothing = scene.ask(&Question::List).await;
    assert_eq!(nothing.failure.unwrap().meaning, Meaning::OriginUnavailable);
    upstream.say_always(None);
    upstream.say("@v/list", Says::Body(b"v0.9.0\n".into()));
    upstream.say("@latest", Says::Body(r#"{"Version":"v0.9.0"}"#.into()));
    assert_eq!(scene.list().await, ["v0.9.0"]);
    scene.ask(&Question::Latest).await;
    assert_eq!(scene.fill("v1.0.0").await, None);

    upstream.say_always(Some(Says::Status(503, "")));
    assert_eq!(scene.list().await, ["v0.9.0", "v1.0.0"]);
    let list = scene.answer(&Question::List).await;
    assert_eq!(list.failure.unwrap().meaning, Meaning::OriginUnavailable, "the trouble is told");
    let latest = scene.ask(&Question::Latest).await;
    assert_eq!(latest.good.unwrap().value, version_info(r#"{"Version":"v0.9.0"}"#));
    assert_eq!(scene.fill("v1.0.0").await, None, "what is here is here");

    upstream.say_always(None);
    assert_eq!(scene.list().await, ["v0.9.0"]);
    assert_eq!(scene.answer(&Question::List).await.failure, None);
    // Gone for good: what is stored here is all there is.
    upstream.say_always(Some(Says::Status(404, "")));
    assert_eq!(scene.list().await, ["v1.0.0"]);
    let latest = scene.ask(&Question::Latest).await.good.unwrap().value;
    let info = r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#;
    assert_eq!(latest, version_info(info));
}

#[tokio::test]
async fn a_page_may_name_a_module_proxy() {
    let server = UpstreamServer::with_version("v1.0.0");
    let page = r#"<meta name="go-import" content="example.com/m mod https://proxy.example.com/">"#;
    server.say_of_page(page);
    let rewrite = format!(
        "https://example.com/={0}/example.com/,https://proxy.example.com/={0}/",
        server.url()
    );
    let scene = Scene::with(&[("STOA_VCS_REWRITE", &rewrite)]).await;
    let failure = scene.fill("v1.1.0").await.unwrap();
    let expected = "no such file (says the module proxy of example.com/m)";
    assert_eq!((failure.meaning, &*failure.message), (Meaning::Absent, expected));
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, WHOLE);
    // A stranger's page leads to no private address.
    let rewrite = format!("https://example.com/={}/example.com/", server.url());
    let scene = Scene::with(&[("STOA_VCS_REWRITE", &rewrite)]).await;
    let private = r#"<meta name="go-import" content="example.com/m mod https://127.0.0.1/">"#;
    server.say_of_page(private);
    let failure = scene.fill("v1.0.0").await.unwrap();
    assert_eq!(failure.meaning, Meaning::Absent);
    assert!(failure.message.contains("not public"), "{}", failure.message);
}

#[tokio::test]
async fn nothing_is_fetched_offline() {
    let upstream = UpstreamServer::with_version("v1.0.0");
    let chain = format!("{}|direct", upstream.url());
    let scene = Scene::with(&[("STOA_UPSTREAM", &chain), ("STOA_NETWORK", "offline")]).await;
    let failure = scene.fill("v1.0.0").await.unwrap();
    let expected = "example.com/m@v1.0.0: not stored here, and STOA_NETWORK is offline";
    assert_eq!((failure.meaning, &*failure.message), (Meaning::Absent, expected));
    assert_eq!(scene.ask(&Question::List).await.failure.unwrap().meaning, Meaning::Absent);
    // What was copied in is taken over.
    let directory = scene.storage_directory().join("example.com/m/@v");
    std::fs::create_dir_all(&directory).unwrap();
    let info = r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#;
    std::fs::write(directory.join("v1.0.0.info"), info).unwrap();
    std::fs::write(directory.join("v1.0.0.mod"), GO_MOD).unwrap();
    std::fs::write(directory.join("v1.0.0.zip"), honest_zip("v1.0.0")).unwrap();
    assert_eq!(scene.fill("v1.0.0").await, None);
    assert_eq!(scene.stored().await, WHOLE);
    assert_eq!(scene.list().await, ["v1.0.0"]);
    let latest = scene.ask(&Question::Latest).await.good.unwrap().value;
    assert_eq!(latest, version_info(info));
    assert!(upstream.asked().is_empty(), "{:?}", upstream.asked());
}

fn version_info(text: &str) -> Value {
    Value::Version(serde_json::from_str(text).unwrap())
}
