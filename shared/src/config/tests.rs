//! Whole configurations: layers, mistakes, descriptions.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::policy::Exclusion;

/// The environment of a user who set nothing of ours, and `more`.
fn environment<'a>(more: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (String, String)> + 'a {
    let own = [("HOME", "/home/user"), ("PATH", "/bin"), ("STOA_DEPLOYMENT", "om")];
    own.into_iter()
        .chain(more.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn load(more: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(None, environment(more))
}

/// The mistakes in a configuration, one a line.
fn mistakes(more: &[(&str, &str)]) -> String {
    load(more).unwrap_err().to_string()
}

/// A configuration file in a directory that vanishes.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stoa.toml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// The mistakes in a configuration file, its path cut to `stoa.toml`.
fn file_mistakes(text: &str) -> String {
    let (directory, path) = file(text);
    let errors = Config::load(Some(&path), environment(&[])).unwrap_err().to_string();
    errors.replace(&format!("{}/", directory.path().display()), "")
}

/// Who set the setting.
fn layer_of(config: &Config, key: &str) -> Layer {
    let mut values = config.effective_values().iter();
    values.find(|value| value.setting.key == Some(key)).unwrap().layer.clone()
}

#[test]
fn nothing_needs_to_be_set() {
    let config = load(&[]).unwrap();
    insta::assert_snapshot!(config.describe(), @r#"
    # STOA_CONFIG is not set
    listen = "127.0.0.1:3000" # default
    admin.listen = "127.0.0.1:3001" # default
    # admin.token is not set
    role = "registry" # default
    deployment = "om" # environment
    # public_url is not set
    storage = "file:///home/user/.local/share/stoa" # default
    # s3.endpoint is not set
    # s3.region is not set
    s3.path_style = "false" # default
    s3.timeout = "10s" # default
    s3.stall_timeout = "20s" # default
    s3.attempts = "5" # default
    s3.backoff = "100ms" # default
    queue = "embedded" # default
    upstream = "direct" # default
    # upstream_public is not set
    upstream_delay = "2s" # default
    network = "online" # default
    wait = "120s" # default
    slots = "4" # default
    zip_delivery = "stream" # default
    # cdn_url is not set
    # private is not set
    # exclude is not set
    # download is not set
    # anonymous is not set
    # vcs.rewrite is not set
    # vcs.credentials is not set
    vcs.timeout = "5m" # default
    vcs.max_pack_bytes = "2GiB" # default
    vcs.max_files = "200000" # default
    # allow_addresses is not set
    # ca_file is not set
    freshness.list = "60s" # default
    freshness.refs = "10s" # default
    freshness.negative = "10s" # default
    memory_cache = "32MiB" # default
    drain = "0s" # default
    shutdown_grace = "30s" # default
    log.level = "info" # default
    log.format = "text" # default
    "#);
    assert_eq!(config.storage, StorageLocation::Directory("/home/user/.local/share/stoa".into()));
    assert_eq!(config.work, WorkSettings { wait: Duration::from_secs(120), slots: 4 });
    assert_eq!(config.shutdown.drain, Duration::ZERO);
    assert!(config.listeners.admin_token.is_none() && config.vcs.rewrites.is_empty());
}

#[test]
fn the_data_directory_follows_the_users_wish() {
    let config = load(&[("XDG_DATA_HOME", "/data dir")]).unwrap();
    assert_eq!(config.storage, StorageLocation::Directory("/data dir/stoa".into()));
    let config = load(&[("XDG_DATA_HOME", "relative")]).unwrap();
    assert_eq!(config.storage, StorageLocation::Directory("/home/user/.local/share/stoa".into()));
}

#[test]
fn without_a_home_the_storage_must_be_named() {
    let errors = Config::load(None, std::iter::empty()).unwrap_err();
    assert_eq!(errors.to_string(), "STOA_STORAGE: is not set, and there is no default");
}

#[test]
fn the_deployment_is_named_after_its_storage() {
    let named = |more: &[(&str, &str)]| {
        let own = environment(more).filter(|(name, _)| name != "STOA_DEPLOYMENT");
        let config = Config::load(None, own).unwrap();
        assert_eq!(layer_of(&config, "deployment"), Layer::Default);
        config.deployment.to_string()
    };
    assert_ne!(named(&[]), named(&[("STOA_STORAGE", "file:///srv/other")]));
    let bucket = named(&[("STOA_STORAGE", "s3://modules"), ("STOA_QUEUE", "amqp://b/")]);
    assert!(bucket.starts_with("modules-"), "{bucket}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let (_directory, path) = file(
        "wait = '30s'\nslots = 2\nlog.format = 'json'\n[vcs]\nrewrite = ['https://a/=http://b/', 'https://c/=file:///d/']\n",
    );
    let config = Config::load(Some(&path), environment(&[("STOA_SLOTS", "8")])).unwrap();
    assert_eq!(config.work, WorkSettings { wait: Duration::from_secs(30), slots: 8 });
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.vcs.rewrites.len(), 2);

    assert_eq!(layer_of(&config, "slots"), Layer::Environment);
    assert_eq!(layer_of(&config, "wait"), Layer::File(path));
    assert_eq!(layer_of(&config, "drain"), Layer::Default);
}

#[test]
fn the_environment_may_name_the_file_and_an_argument_wins() {
    let (_first, named) = file("slots = 1");
    let (_second, given) = file("slots = 2");
    let variable = [("STOA_CONFIG", named.to_str().unwrap())];
    assert_eq!(load(&variable).unwrap().work.slots, 1);
    assert_eq!(Config::load(Some(&given), environment(&variable)).unwrap().work.slots, 2);
}

#[test]
fn lists_are_separated_by_commas() {
    let config = load(&[
        ("STOA_VCS_REWRITE", "https://a/=http://b/, https://c/=http://d/,"),
        ("STOA_ALLOW_ADDRESSES", "10.0.0.0/8,::1"),
    ])
    .unwrap();
    assert_eq!(config.vcs.rewrites[1].from(), "https://c/");
    assert!(config.network.allow_addresses.contains("10.1.2.3".parse().unwrap()));
    assert!(!config.network.allow_addresses.contains("192.168.0.1".parse().unwrap()));
}

#[test]
fn an_empty_value_is_no_value() {
    let config = load(&[("STOA_WAIT", ""), ("STOA_PUBLIC_URL", ""), ("STOA_UNKNOWN", "")]).unwrap();
    assert_eq!(config.work.wait, Duration::from_secs(120));
    let (_directory, path) = file("public_url = ''");
    assert!(Config::load(Some(&path), environment(&[])).unwrap().public_url.is_none());
}

#[test]
fn all_mistakes_of_the_environment_are_told_at_once() {
    insta::assert_snapshot!(
        mistakes(&[
            ("STOA_LISTEN", "3000"),
            ("STOA_ROLE", "mirror"),
            ("STOA_DEPLOYMENT", "Om"),
            ("STOA_PUBLIC_URL", "go.example.org"),
            ("STOA_STORAGE", "s3://Bucket"),
            ("STOA_S3_PATH_STYLE", "yes"),
            ("STOA_ZIP_DELIVERY", "post"),
            ("STOA_PRIVATE", "corp.example/*@<v1.0.0,!a.b,https://corp.example"),
            ("STOA_EXCLUDE", "a.b=,!a.b=SEC-1,a.b@<v1"),
            ("STOA_DOWNLOAD", "wiat,a.b=fill>https://m.example,a.b=redirect>https://u:hunter2@m.example"),
            ("STOA_ANONYMOUS", "some"),
            ("STOA_QUEUE", "http://user:hunter2@broker"),
            ("STOA_UPSTREAM", "https://user:hunter2@go.example.org,drect"),
            ("STOA_UPSTREAM_DELAY", "2"),
            ("STOA_NETWORK", "down"),
            ("STOA_WAIT", "120"),
            ("STOA_SLOTS", "0"),
            ("STOA_DRAIN", "soon"),
            ("STOA_VCS_REWRITE", "https://a/=b,https://c/"),
            ("STOA_VCS_TIMEOUT", "0s"),
            ("STOA_VCS_MAX_PACK_BYTES", "2GB"),
            ("STOA_VCS_MAX_FILES", "-1"),
            ("STOA_ALLOW_ADDRESSES", "10.0.0.1/8"),
            ("STOA_CA_FILE", "/no/such/file"),
            ("STOA_LOG", "loud"),
            ("STOA_LOG_FORMAT", "yaml"),
            ("STOA_LISTN", "hunter2"),
            ("STOA_TELEPORT", "hunter2"),
        ]),
        @r#"
        STOA_LISTN: no such setting (did you mean STOA_LISTEN?)
        STOA_TELEPORT: no such setting
        STOA_ROLE: "mirror" is not a role: expected registry or proxy
        STOA_DEPLOYMENT: "Om" is not a deployment id: at most 63 of a-z, 0-9, '-', '.', '_', a letter or digit first
        STOA_PUBLIC_URL: expected a URL: relative URL without a base
        STOA_LISTEN: "3000" is not an address and port such as 127.0.0.1:3000 or [::1]:3000
        STOA_STORAGE: expected file:///directory or s3://bucket/prefix
        STOA_S3_PATH_STYLE: "yes" is not true or false
        STOA_ZIP_DELIVERY: "post" is not stream or redirect
        STOA_PRIVATE: entry 1: whether a module is private cannot depend on its version: leave out @ and what follows
        STOA_PRIVATE: entry 3: character ':' cannot be in a module path
        STOA_EXCLUDE: entry 1: a reason is expected after =
        STOA_EXCLUDE: entry 2: an entry with ! allows again and has no reason: leave out = and what follows
        STOA_EXCLUDE: entry 3: version "v1" is not canonical, should be v1.0.0
        STOA_DOWNLOAD: entry 1: expected pattern=mode or a mode alone; modes are wait, redirect, redirect_and_fill, fill or none
        STOA_DOWNLOAD: entry 2: only redirect and redirect_and_fill have a target: leave out > and what follows
        STOA_DOWNLOAD: entry 3: credentials do not belong in a URL
        STOA_ANONYMOUS: "some" is not full, public or none
        STOA_QUEUE: expected embedded, amqp://… or amqps://…
        STOA_UPSTREAM: entry 2: expected an http or https URL, direct or off
        STOA_UPSTREAM_DELAY: "2" is not a time such as 1500ms, 30s, 2m or 1h
        STOA_WAIT: "120" is not a time such as 1500ms, 30s, 2m or 1h
        STOA_SLOTS: "0" is not a whole number of at least 1
        STOA_VCS_REWRITE: entry 1: expected a URL: relative URL without a base
        STOA_VCS_REWRITE: entry 2: expected from=to, both URL prefixes
        STOA_VCS_TIMEOUT: "0s" is not longer than 0s
        STOA_VCS_MAX_PACK_BYTES: "2GB" is not a size such as 512KiB, 64MiB or 2GiB
        STOA_VCS_MAX_FILES: "-1" is not a whole number of at least 1
        STOA_NETWORK: "down" is not online or offline
        STOA_ALLOW_ADDRESSES: entry 1: "10.0.0.1/8" has bits set after the first 8: name the range's first address
        STOA_CA_FILE: /no/such/file: No such file or directory (os error 2)
        STOA_DRAIN: "soon" is not a time such as 1500ms, 30s, 2m or 1h
        STOA_LOG: "loud" is not a log level or target=level
        STOA_LOG_FORMAT: "yaml" is not a log format: expected text or json
        "#
    );
}

#[test]
fn all_mistakes_of_the_file_are_told_at_once() {
    insta::assert_snapshot!(
        file_mistakes(
            "wait = 120\nslots = ['1', '2']\nqueue = true\nlisten = { port = 3000 }\nconfig = 'x'\n\
             allow_addresses = [['10.0.0.0/8']]\n\"log.level\" = 'info'\n[vcs]\nrewrites = []\n[log]\nlevel = 'info'\n"
        ),
        @r#"
        stoa.toml: allow_addresses: expected a list of texts or numbers
        stoa.toml: log.level: is set twice
        stoa.toml: config: no such setting
        stoa.toml: listen.port: no such setting
        stoa.toml: vcs.rewrites: no such setting (did you mean vcs.rewrite?)
        stoa.toml: queue: expected embedded, amqp://… or amqps://…
        stoa.toml: wait: "120" is not a time such as 1500ms, 30s, 2m or 1h
        stoa.toml: slots: expected one value, not a list
        "#
    );
}

#[test]
fn mistakes_of_file_and_environment_are_told_together() {
    let (_directory, path) = file("wait = 120");
    let errors = Config::load(Some(&path), environment(&[("STOA_SLOTS", "many")])).unwrap_err();
    assert_eq!(errors.mistakes().len(), 2, "{errors}");
    // What the environment overrides is not wrong any more.
    let settings = [("STOA_WAIT", "120s")];
    assert!(Config::load(Some(&path), environment(&settings)).is_ok());
}

#[test]
fn a_slip_of_syntax_is_located_without_repeating_the_line() {
    let mistake = file_mistakes("slots = 4\nadmin.token = \"hunter2\nwait = '1s'\n");
    assert!(mistake.starts_with("stoa.toml: line 2: "), "{mistake}");
    assert!(!mistake.contains("hunter2") && mistake.lines().count() == 1, "{mistake}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let mistake = mistakes(&[("STOA_CONFIG", "/no/such/stoa.toml")]);
    assert_eq!(
        mistake,
        "/no/such/stoa.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn variables_of_kubernetes_services_are_not_ours() {
    load(&[
        ("STOA_SERVICE_HOST", "10.0.0.1"),
        ("STOA_SERVICE_PORT_HTTP", "3000"),
        ("STOA_PORT", "tcp://10.0.0.1:3000"),
        ("STOA_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("STOA_FRONTEND_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
    ])
    .unwrap();
}

#[test]
fn variables_of_our_tests_and_services_are_no_settings() {
    for name in layers::NO_SETTINGS {
        load(&[(name, "1")]).unwrap();
        let is_setting = settings::ALL.iter().any(|setting| setting.variable == name);
        assert!(!is_setting, "{name} would never be read");
    }
}

#[test]
fn a_port_that_is_no_service_is_a_mistake() {
    assert_eq!(mistakes(&[("STOA_LISTEN_PORT", "3000")]), "STOA_LISTEN_PORT: no such setting");
}

#[test]
fn a_value_that_was_no_text_is_a_mistake() {
    let garbled = String::from_utf8_lossy(b"/data/\xff").into_owned();
    let mistake = mistakes(&[("STOA_STORAGE", &format!("file://{garbled}"))]);
    assert_eq!(mistake, "STOA_STORAGE: is not valid UTF-8");
    assert_eq!(
        mistakes(&[("STOA_ADMIN_TOKEN_FILE", &garbled)]),
        "STOA_ADMIN_TOKEN_FILE: is not valid UTF-8"
    );
}

#[test]
fn an_open_admin_listener_needs_a_token() {
    let open = ("STOA_ADMIN_LISTEN", "0.0.0.0:3001");
    assert_eq!(
        mistakes(&[open]),
        "STOA_ADMIN_LISTEN: 0.0.0.0:3001 is not loopback: set STOA_ADMIN_TOKEN as well"
    );
    let config = load(&[open, ("STOA_ADMIN_TOKEN", "hunter2")]).unwrap();
    assert!(config.listeners.admin_token.as_ref().unwrap().matches("hunter2"));
    assert!(load(&[("STOA_ADMIN_LISTEN", "[::1]:3001")]).is_ok());
}

#[test]
fn a_secret_is_never_shown() {
    let config = load(&[("STOA_ADMIN_TOKEN", "hunter2")]).unwrap();
    assert!(config.describe().contains("admin.token = \"[redacted]\" # environment"));
    assert!(!format!("{config:?} {}", config.describe()).contains("hunter2"));
    assert!(!mistakes(&[("STOA_ADMIN_TOKEN", "hunter2\u{7}")]).contains("hunter2"));
    assert!(!file_mistakes("admin.token = ['hunter2']").contains("hunter2"));
    assert!(!file_mistakes("admin.tokn = 'hunter2'").contains("hunter2"));
}

#[test]
fn clients_reach_the_upstream_where_we_do_unless_told_otherwise() {
    let config = load(&[]).unwrap();
    assert_eq!(config.upstream.chain, UpstreamChain::direct());
    assert_eq!((config.upstream.public, config.network.mode), (None, NetworkMode::Online));
    let inner = ("STOA_UPSTREAM", "http://user:hunter2@registry:3000/go/|direct");
    let config = load(&[inner, ("STOA_UPSTREAM_DELAY", "0s")]).unwrap();
    assert_eq!(config.upstream.public.unwrap().as_str(), "http://registry:3000/go");
    assert_eq!(config.upstream.delay, Duration::ZERO);
    let public = ("STOA_UPSTREAM_PUBLIC", "https://go.example.org");
    let config = load(&[inner, public]).unwrap();
    assert!(!format!("{config:?} {}", config.describe()).contains("hunter2"));
    assert_eq!(config.upstream.public.unwrap().as_str(), "https://go.example.org");
    assert_eq!(load(&[public]).unwrap().upstream.public, None);
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let (_directory, path) = file("hunter2\n");
    let path = path.to_str().unwrap();
    let from_variable = load(&[("STOA_ADMIN_TOKEN_FILE", path)]).unwrap();
    let (_other, config) = file(&format!("admin.token_file = {path:?}"));
    let from_file = Config::load(Some(&config), environment(&[])).unwrap();
    for config in [from_variable, from_file] {
        assert!(config.listeners.admin_token.unwrap().matches("hunter2"));
    }
}

#[test]
fn the_brokers_url_can_be_read_again_where_it_lies_in_a_file() {
    let (_directory, path) = file("amqp://user:hunter2@broker\n");
    let queue = |settings: &[(&str, &str)]| load(settings).unwrap().queue;
    let named = queue(&[("STOA_QUEUE_FILE", path.to_str().unwrap())]);
    let QueueLocation::Broker { url, file } = named else { panic!("{named:?}") };
    assert_eq!((url.expose(), file), ("amqp://user:hunter2@broker", Some(path)));
    let given = queue(&[("STOA_QUEUE", "amqp://broker")]);
    assert!(matches!(given, QueueLocation::Broker { file: None, .. }), "{given:?}");
}

#[test]
fn a_secrets_file_must_hold_one() {
    let (_directory, empty) = file("\n");
    let (_other, large) = file(&"a".repeat(100_000));
    for (settings, expected) in [
        (vec![("STOA_ADMIN_TOKEN_FILE", empty.to_str().unwrap())], "is empty"),
        (vec![("STOA_ADMIN_TOKEN_FILE", "/no/such/token")], "No such file"),
        (vec![("STOA_ADMIN_TOKEN_FILE", "/dev")], "irectory"),
        (vec![("STOA_ADMIN_TOKEN_FILE", large.to_str().unwrap())], "too large"),
        (
            vec![("STOA_ADMIN_TOKEN_FILE", "/a"), ("STOA_ADMIN_TOKEN", "b")],
            "STOA_ADMIN_TOKEN is set as well",
        ),
    ] {
        let mistake = mistakes(&settings);
        assert!(mistake.starts_with("STOA_ADMIN_TOKEN_FILE: "), "{mistake}");
        assert!(mistake.contains(expected), "{mistake}");
        assert_eq!(mistake.lines().count(), 1, "{mistake}");
    }
}

#[test]
fn the_policy_is_three_lists() {
    let config = load(&[
        ("STOA_ROLE", "proxy"),
        ("STOA_PRIVATE", "!corp.example/open, corp.example/*"),
        ("STOA_EXCLUDE", "github.com/evil/*=SEC-123,github.com/old/*@>=v1.2.0 <v1.4.0=absent:old"),
        ("STOA_DOWNLOAD", "redirect>https://mirror.example, corp.example/*=none"),
        ("STOA_ANONYMOUS", "none"),
    ])
    .unwrap();
    let module = |path: &str| path.parse().unwrap();
    let policy = &config.policy;
    assert!(policy.private.contains(&module("corp.example/a")));
    assert!(!policy.private.contains(&module("corp.example/open")));
    let old = policy.exclude.find(&module("github.com/old/a"), Some(&"v1.3.0".parse().unwrap()));
    assert_eq!(old.unwrap().to_string(), "absent:old");
    let mode = |path| policy.download.find(&module(path), None).unwrap().to_string();
    assert_eq!(mode("corp.example/a"), "none");
    assert_eq!(mode("github.com/a/b"), "redirect>https://mirror.example");
    assert_eq!((config.role, config.anonymous), (Role::Proxy, Some(Anonymous::Nothing)));
}

#[test]
fn without_a_policy_the_role_decides() {
    let config = load(&[]).unwrap();
    assert_eq!((config.policy, config.anonymous), (Policy::default(), None));
    assert!(config.listeners.public_is_loopback());
    let open = load(&[("STOA_LISTEN", "0.0.0.0:3000")]).unwrap();
    assert!(!open.listeners.public_is_loopback());
}

#[test]
fn two_default_modes_are_a_mistake() {
    assert_eq!(
        mistakes(&[("STOA_DOWNLOAD", "wait,a.b=fill,none")]),
        "STOA_DOWNLOAD: wait and none are both the default: leave one out, or give it a pattern"
    );
}

#[test]
fn a_deployment_is_not_its_own_registry() {
    let own = ("STOA_PUBLIC_URL", "https://go.example.org");
    assert_eq!(
        mistakes(&[own, ("STOA_UPSTREAM", "https://go.example.org/,direct")]),
        "STOA_UPSTREAM: is STOA_PUBLIC_URL, this deployment itself: name the registry behind it"
    );
    Config::load(None, environment(&[own, ("STOA_UPSTREAM", "https://other.example")])).unwrap();
}

#[test]
fn a_list_in_the_file_may_hold_commas() {
    let (_directory, path) = file("exclude = ['a.b=gone, ask us', 'c.d@>v1.0.0']");
    let config = Config::load(Some(&path), environment(&[])).unwrap();
    let (_directory, described) = file(&config.describe());
    let again = Config::load(Some(&described), environment(&[])).unwrap();
    for config in [config, again] {
        let excluded = config.policy.exclude.find(&"a.b/m".parse().unwrap(), None);
        assert_eq!(excluded.and_then(Exclusion::reason), Some("gone, ask us"));
    }
}

#[test]
fn the_description_is_a_configuration_file() {
    let described = load(&[("STOA_SLOTS", "8"), ("STOA_VCS_REWRITE", "https://a/=http://b/")])
        .unwrap()
        .describe();
    let (_directory, path) = file(&described);
    let again = Config::load(Some(&path), environment(&[])).unwrap();
    assert_eq!((again.work.slots, again.vcs.rewrites.len()), (8, 1));
}
