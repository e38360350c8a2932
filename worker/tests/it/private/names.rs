//! Whom a private module is named to: its own host, and nobody else.

use stoa_shared::{
    answer::Meaning,
    config::AddressRanges,
    testing::git_server::{Options, Page},
};

use super::{HOST, MODULE, Scene, fill, list, private, run};

fn meta(prefix: &str, vcs: &str, url: &str) -> Page {
    Page::html(&format!(r#"<meta name="go-import" content="{prefix} {vcs} {url}">"#))
}

#[tokio::test]
async fn discovery_asks_the_modules_own_host_and_shows_it_its_secret() {
    let scene = Scene::new(None).await;
    let page = meta("git.corp.example/vanity", "git", "https://git.corp.example/team/secret.git");
    let token = "Basic b2F1dGgyOmh1bnRlcjI=".to_owned();
    let options = Options { authorization: Some(token), ..Options::default() };
    scene.server.set_options(options.with_page("/vanity", page));
    let workers = scene.workers(&format!(
        r#"[{{"host": "{HOST}", "kind": "token", "secret": "env:CORP_TOKEN"}}]"#
    ));
    run(&workers, &private(), &list("git.corp.example/vanity")).await.unwrap();
    assert_eq!(scene.server.hosts().into_iter().collect::<Vec<_>>(), [HOST]);

    let workers = scene.workers("[]");
    let failure = run(&workers, &private(), &list("git.corp.example/vanity")).await.unwrap_err();
    assert_eq!(
        failure.client_message(),
        "https://git.corp.example/vanity: no go-import tag for this path (HTTP status 401); check STOA_VCS_CREDENTIALS"
    );
    assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
}

#[tokio::test]
async fn a_host_that_nobody_has_named_hears_nothing() {
    let scene = Scene::new(None).await;
    let workers = scene.workers("[]");
    // A public address, so that no name server has to be asked.
    let failure = run(&workers, &private(), &list("1.1.1.1/secret")).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
    assert!(!failure.is_worth_a_retry());
    let message = failure.client_message();
    assert!(
        message.starts_with("https://1.1.1.1/secret: not asked")
            && message.ends_with("or its address in STOA_ALLOW_ADDRESSES"),
        "{message}"
    );
    assert!(scene.server.hosts().is_empty(), "{:?}", scene.server.hosts());
}

#[tokio::test]
async fn an_address_that_the_operator_allows_may_be_asked() {
    let scene = Scene::new(None).await;
    let workers = scene.workers_with("[]", "https://a.example/=https://b.example/", |settings| {
        let allowed = ["1.1.1.1".parse().unwrap()];
        settings.egress.allow = allowed.into_iter().collect::<AddressRanges>().into();
    });
    run(&workers, &private(), &list("1.1.1.1/secret")).await.unwrap_err();
    assert_eq!(scene.server.hosts().into_iter().collect::<Vec<_>>(), ["1.1.1.1:443"]);
}

#[tokio::test]
async fn neither_a_redirect_nor_a_page_leads_a_private_module_to_another_host() {
    let scene = Scene::new(None).await;
    let elsewhere = "https://1.1.1.1/team/secret/info/refs?service=git-upload-pack";
    let options = Options::default()
        .with_page("/team/secret/info/refs", Page::redirect(302, elsewhere))
        .with_page("/moved", Page::redirect(302, "https://1.1.1.1/moved?go-get=1"))
        .with_page("/proxied", meta("git.corp.example/proxied", "mod", "https://1.1.1.1/"));
    scene.server.set_options(options);
    let workers = scene.workers("[]");
    for task in
        [fill(MODULE, "v1.0.0"), list("git.corp.example/moved"), list("git.corp.example/proxied")]
    {
        let failure = run(&workers, &private(), &task).await.unwrap_err();
        assert_eq!(failure.meaning(), Meaning::OriginUnavailable, "{failure}");
    }
    assert_eq!(scene.server.hosts().into_iter().collect::<Vec<_>>(), [HOST]);
}
