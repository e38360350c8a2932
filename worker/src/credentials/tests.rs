#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tempfile::TempDir;

use super::*;

/// A directory with a file of credentials and what it refers to.
struct Scene(TempDir);

impl Scene {
    fn new(credentials: &str) -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        scene.write("token", "hunter2\n");
        scene.write("key", "-----BEGIN hunter2-----\nhunter2\n");
        scene.write("known", "git.corp.example ssh-ed25519 AAAA\n");
        scene.write("netrc", "machine a.example login me password hunter2\nmachine b.example:8443 login you password hunter2 machine a.example login late password late\nmachine c.example login late password late\n");
        scene.set(credentials);
        scene
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// `DIR` in the text is the directory.
    fn set(&self, credentials: &str) {
        self.write(
            "credentials.json",
            &credentials.replace("DIR", self.0.path().to_str().unwrap()),
        );
    }

    fn open(&self) -> Result<Credentials, CredentialErrors> {
        let environment = [("CORP_TOKEN", "hunter2"), ("EMPTY", ""), ("LINES", "hunter2\nhunter2")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Credentials::open(self.path("credentials.json").into(), environment)
    }

    fn mistakes(&self) -> String {
        let mistakes = self.open().unwrap_err().to_string();
        assert!(!mistakes.contains("hunter"), "{mistakes}");
        mistakes.replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// User and password that a request carries.
fn shown_at(credentials: &Credentials, text: &str) -> Option<String> {
    let header = credentials.authorization(&url(text))?;
    assert!(!format!("{header:?}").contains("Basic"));
    let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    Some(String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
}

#[test]
fn every_host_is_shown_its_own_secret_and_no_other_host_any() {
    let scene = Scene::new(
        r#"[{"host": "git.corp.example", "kind": "token", "secret": "file:DIR/token"},
            {"host": "Other.example:8443", "kind": "basic", "user": "ci", "secret": "env:CORP_TOKEN"},
            {"host": "bot.example", "kind": "token", "user": "bot", "secret": "env:CORP_TOKEN"},
            {"host": "c.example", "kind": "token", "secret": "env:CORP_TOKEN"},
            {"host": "*", "kind": "netrc", "secret": "file:DIR/netrc"},
            {"host": "ssh.example:2222", "kind": "ssh", "secret": "file:DIR/key", "knownHosts": "file:DIR/known"}]"#,
    );
    let credentials = scene.open().unwrap();
    for (address, shown) in [
        ("https://git.corp.example/team/x.git", Some("oauth2:hunter2")),
        ("https://GIT.corp.example:443/", Some("oauth2:hunter2")),
        ("https://other.example:8443/x", Some("ci:hunter2")),
        ("https://bot.example/x", Some("bot:hunter2")),
        ("https://a.example/x", Some("me:hunter2")),
        ("https://b.example:8443/x", Some("you:hunter2")),
        ("https://c.example/x", Some("oauth2:hunter2")),
        ("http://git.corp.example/x", Some("oauth2:hunter2")),
        ("http://git.corp.example:8080/x", None),
        ("https://git.corp.example:8443/x", None),
        ("https://other.example/x", None),
        ("https://sub.git.corp.example/x", None),
        ("https://git.corp.example.evil.example/x", None),
        ("https://ssh.example/x", None),
        ("ssh://git.corp.example/x", None),
        ("file:///git.corp.example/x", None),
    ] {
        assert_eq!(shown_at(&credentials, address).as_deref(), shown, "{address}");
    }
    for (address, is_named) in [
        ("https://git.corp.example/x", true),
        ("http://git.corp.example/x", false),
        ("https://ssh.example/x", true),
        ("ssh://git@ssh.example:2222/x", true),
        ("ssh://git@ssh.example/x", false),
        ("ssh://git@git.corp.example/x", false),
        ("https://ssh.example:2222/x", false),
        ("https://elsewhere.example/x", false),
    ] {
        assert_eq!(credentials.name(&url(address)), is_named, "{address}");
    }
    let access = credentials.ssh(&url("https://ssh.example/x")).unwrap();
    assert_eq!(
        (access.host.as_str(), access.port, access.user.as_str()),
        ("ssh.example", 2222, "git")
    );
    assert!(!format!("{credentials:?} {access:?}").contains("hunter2"));
    assert!(!Credentials::default().name(&url("https://git.corp.example/x")));
}

#[test]
fn a_host_with_secret_and_key_is_asked_by_the_urls_own_protocol() {
    let scene = Scene::new(
        r#"[{"host": "h.example", "kind": "token", "secret": "file:DIR/token"},
            {"host": "h.example", "kind": "ssh", "user": "me", "secret": "file:DIR/key", "knownHosts": "file:DIR/known"}]"#,
    );
    let credentials = scene.open().unwrap();
    assert!(credentials.ssh(&url("https://h.example/x")).is_none());
    assert_eq!(credentials.ssh(&url("ssh://git@h.example/x")).unwrap().user, "me");
    assert!(shown_at(&credentials, "https://h.example/x").is_some());
}

#[test]
fn every_mistake_is_told_by_entry_and_field_and_without_a_value() {
    let scene = Scene::new(
        r#"[{"host": "a.example", "kind": "token", "secret": "hunter2"},
            {"host": "b.example", "kind": "password", "secret": "env:CORP_TOKEN"},
            {"host": "https://c.example", "kind": "token", "secret": "env:CORP_TOKEN"},
            {"kind": "basic", "secret": "env:MISSING", "token": "hunter2"},
            {"host": "e.example", "kind": "token", "secret": "env:LINES", "user": "a:hunter2"},
            {"host": "f.example", "kind": "ssh", "secret": "file:DIR/none", "knownHosts": "env:CORP_TOKEN"},
            {"host": "g.example", "kind": "netrc", "secret": "file:DIR/netrc"},
            {"host": "*", "kind": "token", "secret": "env:EMPTY"},
            {"host": 1, "kind": "token", "secret": "env:CORP_TOKEN"},
            "hunter2",
            {"host": "z.example", "kind": "token", "secret": "env:CORP_TOKEN"},
            {"host": "Z.example", "kind": "basic", "user": "x", "secret": "env:CORP_TOKEN"}]"#,
    );
    insta::assert_snapshot!(scene.mistakes(), @r#"
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 1 (a.example): secret: expected env:NAME or file:/absolute/path, never the secret itself
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 2 (b.example): kind: expected token, basic, ssh or netrc
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 3: host: expected a host name, with :port where it is not the usual one
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 4: host: is missing
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 4: "token": no such field here, expected host, kind, user, secret
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 4: user: is missing
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 4: secret: env:MISSING is not set
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 5 (e.example): user: expected a name without colons and spaces
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 5 (e.example): secret: is more than one line
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 6 (f.example): secret: file:DIR/none: No such file or directory (os error 2)
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 6 (f.example): knownHosts: expected file:/absolute/path
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 7 (g.example): secret: the file has no login and password for this host
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 8 (*): host: * is for netrc alone
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 8 (*): secret: env:EMPTY is empty
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 9: host: expected a text
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 10: expected an object
    STOA_VCS_CREDENTIALS: DIR/credentials.json: entry 12 (Z.example): host: another entry has a secret for it
    "#);
    scene.set("[{\"host\": \"a.example\", \"secret\": hunter2}]");
    insta::assert_snapshot!(scene.mistakes(), @"STOA_VCS_CREDENTIALS: DIR/credentials.json: line 1, column 34: is not valid JSON");
    scene.set("{}");
    insta::assert_snapshot!(scene.mistakes(), @"STOA_VCS_CREDENTIALS: DIR/credentials.json: expected a list of entries");
    fs::remove_file(scene.path("credentials.json")).unwrap();
    insta::assert_snapshot!(scene.mistakes(), @"STOA_VCS_CREDENTIALS: DIR/credentials.json: cannot be read: No such file or directory (os error 2)");
}

#[test]
fn what_changes_is_read_again_and_what_breaks_leaves_all_as_it_was() {
    let entry = |user: &str| {
        format!(
            r#"[{{"host": "h.example", "kind": "basic", "user": "{user}", "secret": "file:DIR/token"}}]"#
        )
    };
    let scene = Scene::new(&entry("one"));
    let credentials = scene.open().unwrap();
    let shown = || shown_at(&credentials, "https://h.example/").unwrap();
    assert_eq!(shown(), "one:hunter2");
    scene.set(&entry("two"));
    assert_eq!(shown(), "two:hunter2");
    scene.write("token", "hunter3");
    assert_eq!(shown(), "two:hunter3");
    // A secret that is replaced as Kubernetes does it, by another file under its name.
    scene.write("new", "hunter4");
    fs::rename(scene.path("new"), scene.path("token")).unwrap();
    assert_eq!(shown(), "two:hunter4");
    scene.set("[{");
    assert_eq!(shown(), "two:hunter4");
    fs::remove_file(scene.path("token")).unwrap();
    scene.set(&entry("three"));
    assert_eq!(shown(), "two:hunter4");
    scene.write("token", "hunter5");
    assert_eq!(shown(), "three:hunter5");
}
