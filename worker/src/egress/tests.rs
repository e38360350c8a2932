use std::io::{Read, Write};
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stoa_shared::testing::git_server::{Counts, GitServer, Options, Page as FixedPage};

use super::*;

const AUTHORITY: &[u8] = include_bytes!("testdata/ca.pem");

fn egress() -> Egress {
    Egress::new(EgressConfig::default()).unwrap()
}

async fn server(options: Options) -> GitServer {
    GitServer::start(PathBuf::from("/nonexistent"), options).await.unwrap()
}

fn request(url: &str, trust: Trust) -> Request {
    Request {
        url: url.parse().unwrap(),
        trust,
        headers: HeaderMap::new(),
        body_limit: 1000,
        deadline: Deadline::after(Duration::from_secs(30)),
    }
}

async fn refusal(url: &str, trust: Trust) -> String {
    match egress().get(request(url, trust)).await {
        Err(EgressError::Refused { reason, .. }) => reason,
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn foreign_urls_are_https_to_public_hosts_on_web_ports() {
    let cases = [
        ("http://m.example/", "only https"),
        ("git://m.example/", "scheme"),
        ("file:///etc/passwd", "names no host"),
        ("https://user@m.example/", "credentials"),
        ("https://:secret@m.example/", "credentials"),
        ("https://m.example:22/", "port"),
        ("https://127.0.0.1/", "not public"),
        ("https://2130706433/", "not public"),
        ("https://0x7f.1/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:10.0.0.1]/", "not public"),
        ("https://169.254.169.254/latest/meta-data", "not public"),
        ("https://localhost/", "not public"),
    ];
    for (url, expected) in cases {
        let reason = refusal(url, Trust::Foreign).await;
        assert!(reason.contains(expected), "{url}: {reason}");
    }
    assert!(refusal("http://user:pass@127.0.0.1/", Trust::Named).await.contains("credentials"));
    assert!(refusal("file:///srv/git", Trust::Named).await.contains("no host"));
}

#[tokio::test]
async fn redirects_are_followed_nine_times() {
    let mut options = Options::default().with_page("/0", FixedPage::html("here"));
    for hop in 1..=10 {
        let page =
            FixedPage::redirect([301, 302, 303, 307, 308][hop % 5], &format!("/{}", hop - 1));
        options = options.with_page(&format!("/{hop}"), page);
    }
    let server = server(options).await;
    let nine = format!("{}/9?go-get=1", server.url()).parse().unwrap();
    let page = egress()
        .fetch_page(&nine, Trust::Named, HeaderMap::new(), Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!((page.status, page.final_url.path(), &page.body[..]), (200, "/0", &b"here"[..]));
    let ten = refusal(&format!("{}/10", server.url()), Trust::Named).await;
    assert_eq!(ten, "more than 9 redirects");
}

#[tokio::test]
async fn a_redirect_from_a_named_host_to_another_origin_is_foreign() {
    let other = server(Options::default().with_page("/", FixedPage::html("internal"))).await;
    let options = Options::default()
        .with_page("/plain", FixedPage::redirect(302, &other.url()))
        .with_page("/private", FixedPage::redirect(302, "https://127.0.0.1/"))
        .with_page("/file", FixedPage::redirect(302, "file:///etc/passwd"));
    let named = server(options).await;
    for (path, expected) in
        [("/plain", "only https"), ("/private", "not public"), ("/file", "no host")]
    {
        let reason = refusal(&format!("{}{path}", named.url()), Trust::Named).await;
        assert!(reason.contains(expected), "{path}: {reason}");
    }
    assert_eq!(other.counts(), Counts::default());
}

#[tokio::test]
async fn an_internal_upstream_may_redirect_to_internal_hosts() {
    let store = server(Options::default().with_page("/zip", FixedPage::html("bytes"))).await;
    let options = Options::default()
        .with_page("/signed", FixedPage::redirect(307, &format!("{}/zip?signature=x", store.url())))
        .with_page("/file", FixedPage::redirect(302, "file:///etc/passwd"))
        .with_page("/named", FixedPage::redirect(302, "http://user:hunter2@127.0.0.1/"));
    let upstream = server(options).await;
    let mut asked = request(&format!("{}/signed", upstream.url()), Trust::Upstream);
    asked.headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic aHVudGVyMg=="));
    let mut response = egress().get(asked).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "bytes");
    assert_eq!(response.trust(), Trust::Upstream);
    assert_eq!(store.counts().pages, 1);
    for (path, expected) in [("/file", "no host"), ("/named", "credentials")] {
        let reason = refusal(&format!("{}{path}", upstream.url()), Trust::Upstream).await;
        assert!(reason.contains(expected), "{path}: {reason}");
    }
    for host in ["127.0.0.1", "localhost", "10.1.2.3", "[::1]"] {
        let url = format!("http://{host}/").parse().unwrap();
        assert!(egress().is_internal(&url).await, "{host}");
    }
    for public in ["http://1.1.1.1/", "https://[2606:4700::1111]/", "https://absent.invalid/"] {
        assert!(!egress().is_internal(&public.parse().unwrap()).await, "{public}");
    }
}

#[tokio::test]
async fn no_upstream_leads_to_a_machines_own_addresses() {
    let inner = server(
        Options::default()
            .with_page("/metadata", FixedPage::redirect(302, "http://169.254.169.254/latest"))
            .with_page("/end", FixedPage::html("done")),
    )
    .await;
    let elsewhere = inner.url().replace("127.0.0.1", "localhost");
    let mut options = Options::default()
        .with_page("/further", FixedPage::redirect(302, &format!("{elsewhere}/metadata")))
        .with_page("/inner", FixedPage::redirect(302, &format!("{elsewhere}/end")));
    let addresses = [
        "169.254.169.254",
        "169.254.1.2:8080",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ];
    for (number, address) in addresses.iter().enumerate() {
        let page = FixedPage::redirect(302, &format!("http://{address}/latest"));
        options = options.with_page(&format!("/{number}"), page);
    }
    let upstream = server(options).await;
    let everything = ["0.0.0.0/0", "::/0"].map(|range| range.parse().unwrap());
    let everything: stoa_shared::config::AddressRanges = everything.into_iter().collect();
    // What module paths may lead to is another matter.
    for allow in [AllowList::default(), everything.into()] {
        let egress = Egress::new(EgressConfig { allow, ..EgressConfig::default() }).unwrap();
        let paths = (0..addresses.len()).map(|number| number.to_string());
        for path in paths.chain(["further".to_owned()]) {
            let asked = request(&format!("{}/{path}", upstream.url()), Trust::Upstream);
            let refused = egress.get(asked).await;
            let Err(EgressError::Refused { reason, .. }) = refused else {
                panic!("{path}: {refused:?}")
            };
            assert!(reason.contains("metadata"), "{path}: {reason}");
        }
        let asked = request(&format!("{}/inner", upstream.url()), Trust::Upstream);
        let response = egress.get(asked).await.unwrap();
        assert_eq!((response.status().as_u16(), response.trust()), (200, Trust::Internal));
    }
}

#[tokio::test]
async fn an_upstream_at_such_an_address_is_the_operators_choice() {
    let egress = egress();
    let url = |text: &str| text.parse::<Url>().unwrap();
    for address in ["http://169.254.7.7:3000/", "http://[fe80::1]/"] {
        egress.check(&url(address), Trust::Upstream).unwrap();
        assert!(egress.is_internal(&url(address)).await, "{address}");
        assert!(egress.check(&url(address), Trust::Internal).is_err(), "{address}");
    }
    egress.check(&url("http://10.0.0.1/"), Trust::Internal).unwrap();
}

#[tokio::test]
async fn a_post_is_redirected_with_its_body_but_not_by_303() {
    let options = Options::default()
        .with_page("/kept", FixedPage::redirect(301, "/end"))
        .with_page("/other", FixedPage::redirect(303, "/end"))
        .with_page("/end", FixedPage::html("done"));
    let server = server(options).await;
    for (path, status) in [("/kept", 200), ("/other", 303)] {
        let request = request(&format!("{}{path}", server.url()), Trust::Named);
        let response = egress().post(request, Bytes::from_static(b"body")).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
}

#[tokio::test]
async fn pages_of_any_status_come_back_and_long_ones_are_cut() {
    let mut page = FixedPage::html(&"x".repeat(5000));
    page.status = 404;
    let server = server(Options::default().with_page("/m", page)).await;
    let config = EgressConfig { page_limit: 4096, ..EgressConfig::default() };
    let url = format!("{}/m", server.url()).parse().unwrap();
    for (egress, length, is_complete) in
        [(Egress::new(config).unwrap(), 4096, false), (egress(), 5000, true)]
    {
        let page = egress
            .fetch_page(&url, Trust::Named, HeaderMap::new(), Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(page.status, 404);
        assert_eq!((page.body.len(), page.is_complete), (length, is_complete));
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_name_the_url_without_its_query() {
    let server =
        server(Options::default().with_page("/m", FixedPage::html(&"x".repeat(1001)))).await;
    let url = format!("{}/m?token=secret", server.url());
    let mut response = egress().get(request(&url, Trust::Named)).await.unwrap();
    let error = response.chunk().await.unwrap_err();
    assert!(matches!(error, EgressError::TooLarge { limit: 1000, .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");

    server.set_options(Options { delay: Duration::from_secs(600), ..Options::default() });
    let mut late = request(&url, Trust::Named);
    late.deadline = Deadline::after(Duration::from_millis(50));
    let error = egress().get(late).await.unwrap_err();
    assert!(matches!(error, EgressError::Timeout { .. }), "{error}");
    let impatient =
        EgressConfig { idle_timeout: Duration::from_millis(50), ..EgressConfig::default() };
    let error = Egress::new(impatient).unwrap().get(request(&url, Trust::Named)).await;
    assert!(matches!(error, Err(EgressError::Timeout { .. })));

    drop(server);
    let error = egress().get(request(&url, Trust::Named)).await.unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    let error = egress().get(request("https://absent.invalid/", Trust::Foreign)).await;
    assert!(matches!(
        error,
        Err(EgressError::UnknownHost { .. } | EgressError::Unreachable { .. })
    ));
}

/// Answers one HTTPS request per connection with `secure`; returns the port.
fn https_server() -> u16 {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("testdata/server.pem"));
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // Fails where the client turns away, which is half of the test.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure");
        }
    });
    port
}

#[tokio::test]
async fn a_private_authority_is_trusted_once_it_is_configured() {
    let url = format!("https://127.0.0.1:{}/", https_server());
    let error = egress().get(request(&url, Trust::Named)).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    let config =
        EgressConfig { extra_roots_pem: Some(AUTHORITY.to_vec()), ..EgressConfig::default() };
    let mut response = Egress::new(config).unwrap().get(request(&url, Trust::Named)).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "secure");
    for broken in [&b"no pem"[..], b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let config =
            EgressConfig { extra_roots_pem: Some(broken.to_vec()), ..EgressConfig::default() };
        let error = Egress::new(config).unwrap_err();
        assert!(matches!(error, SetupError::Roots { .. }), "{error}");
    }
}

#[tokio::test]
async fn requests_go_through_the_operators_proxy_but_never_to_it() {
    let proxy = server(Options::default().failing(403)).await;
    let port = proxy.url().rsplit(':').next().unwrap().to_owned();
    let proxied = ("HTTPS_PROXY".to_owned(), format!("http://localhost:{port}"));
    let config =
        EgressConfig { proxy: ProxySettings::from_variables([proxied]), ..EgressConfig::default() };
    let egress = Egress::new(config).unwrap();
    // The name does not exist: only the proxy could know it.
    let error = egress.get(request("https://m.invalid/x", Trust::Foreign)).await.unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    assert_eq!(proxy.counts().other, 1);
    let error = egress.get(request("https://localhost/x", Trust::Foreign)).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }), "{error}");
    assert_eq!(proxy.counts().other, 1);
    let absent = "https://m.invalid/".parse().unwrap();
    let pinned = egress.checked_addresses(&absent, Trust::Foreign).await;
    assert!(pinned.is_ok_and(|addresses| addresses.is_empty()));
}

#[tokio::test]
async fn credentials_stay_with_their_origin_whatever_a_redirect_says() {
    let secret = Options { authorization: Some("Basic x".to_owned()), ..Options::default() };
    let other = server(secret.clone().with_page("/", FixedPage::html("internal"))).await;
    let options = secret
        .with_page("/here", FixedPage::redirect(302, "/end"))
        .with_page("/away", FixedPage::redirect(302, &other.url()))
        .with_page("/end", FixedPage::html("done"));
    let named = server(options).await;
    // Trusted, but not with the other's secret.
    let trusted = format!("{0}/={0}/", other.url()).parse().unwrap();
    let rewrites = [trusted].into_iter().collect();
    let egress = Egress::new(EgressConfig { rewrites, ..EgressConfig::default() }).unwrap();
    for (path, status) in [("/here", 200), ("/away", 401)] {
        let mut request = request(&format!("{}{path}", named.url()), Trust::Named);
        request.headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic x"));
        let response = egress.get(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    assert_eq!(other.counts().pages, 1);
}

#[tokio::test]
async fn who_may_not_hear_of_a_module_is_not_connected_to() {
    let local = ["127.0.0.0/8", "::1"].map(|range| range.parse().unwrap());
    let local: stoa_shared::config::AddressRanges = local.into_iter().collect();
    let egress = |allow: AllowList, reach| {
        Egress::new(EgressConfig { allow, reach, ..EgressConfig::default() }).unwrap()
    };
    let nobody = egress(AllowList::default(), Reach::NamedHosts);
    let some = egress(local.clone().into(), Reach::NamedHosts);
    for url in ["https://localhost/", "https://127.0.0.1/", "https://1.1.1.1/"] {
        let error = nobody.get(request(url, Trust::Foreign)).await.unwrap_err();
        assert!(matches!(error, EgressError::NotNamed { .. }), "{error}");
    }
    // Nobody listens there, which somebody had to be asked to find out.
    for url in ["https://localhost/", "https://127.0.0.1/"] {
        let error = some.get(request(url, Trust::Foreign)).await.unwrap_err();
        assert!(!matches!(error, EgressError::NotNamed { .. }), "{error}");
    }
    let error = some.get(request("https://1.1.1.1/", Trust::Foreign)).await.unwrap_err();
    assert!(matches!(error, EgressError::NotNamed { .. }), "{error}");

    let other = server(Options::default()).await;
    let elsewhere = other.url().replace("127.0.0.1", "localhost");
    let options = Options::default()
        .with_page("/away", FixedPage::redirect(302, &elsewhere))
        .with_page("/here", FixedPage::redirect(302, "/end"))
        .with_page("/end", FixedPage::html("done"));
    let named = server(options).await;
    let own = egress(local.into(), Reach::OwnHost);
    let url = |path: &str| format!("{}{path}", named.url());
    let error = own.get(request(&url("/away"), Trust::Named)).await.unwrap_err();
    assert!(matches!(error, EgressError::NotNamed { .. }), "{error}");
    assert_eq!(own.get(request(&url("/here"), Trust::Named)).await.unwrap().status(), 200);
    assert_eq!(other.counts(), Counts::default());
}

#[tokio::test]
async fn answers_that_drip_do_not_hold_all_slots() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let dripping = tokio::spawn(async move {
        let mut drips = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            drips.spawn(async move {
                let _ = stream.read(&mut [0; 2048]).await;
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n";
                let _ = stream.write_all(head).await;
                while stream.write_all(b".").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
    });
    let config = EgressConfig { patient_jobs: 1, ..EgressConfig::default() };
    let egress = Egress::new(config).unwrap();
    let read = async || {
        let mut response = egress.get(request(&url, Trust::Named)).await.unwrap();
        loop {
            if let Err(error) = response.chunk().await {
                return error;
            }
        }
    };
    let first_given_up = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            error = read() => error,
            error = read() => error,
        }
    });
    let error = first_given_up.await.unwrap();
    assert!(matches!(error, EgressError::Busy { .. }), "{error}");
    dripping.abort();
}
