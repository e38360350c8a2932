//! The two deployments that the compose file starts, each a fleet: a proxy before a
//! registry.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use stoa_shared::{
    backends::require_shared,
    config::{Config, QueueLocation, Role, StorageLocation, parse_duration},
    policy::Anonymous,
    probe,
};
use url::Url;

use super::{
    compose_file::{Compose, Service},
    config,
    dockerfile::Dockerfile,
    is_pinned, read,
};

/// A process of a fleet, and what it is told.
struct Member<'a> {
    name: &'a str,
    service: &'a Service,
    config: Config,
}

/// The members of the two fleets, in the order of their names.
fn members(compose: &Compose) -> Vec<Member<'_>> {
    let own = compose.own().into_iter().filter(|(_, service, _)| service.profiles.is_empty());
    own.map(|(name, service, image)| {
        let config = config(&service.environment_over(&image));
        Member { name, service, config }
    })
    .collect()
}

/// The frontends of a deployment.
fn frontends(compose: &Compose, role: Role) -> Member<'_> {
    let mut members = members(compose).into_iter();
    members.find(|member| member.config.role == role && member.target() == "frontend").unwrap()
}

impl Member<'_> {
    /// The image that it runs.
    fn target(&self) -> &str {
        self.service.build.as_ref().unwrap().target.as_deref().unwrap()
    }

    fn public_url(&self) -> &str {
        self.config.public_url.as_ref().unwrap().as_str()
    }
}

/// Where a URL leads: to a service, and to a port of it.
fn destination<'a>(compose: &'a Compose, url: &Url) -> (&'a Service, u16) {
    let host = url.host_str().unwrap();
    (compose.services.get(host).expect(host), url.port().unwrap())
}

/// The text of the file that a service finds at a path.
fn mounted(compose: &Compose, service: &str, path: &str) -> String {
    let mut mounts = compose.services[service].configs.iter();
    let mount = mounts.find(|mount| mount.target == path).expect(path);
    compose.configs[&mount.source].text()
}

/// What nginx is told.
fn nginx(compose: &Compose) -> String {
    mounted(compose, "nginx", "/etc/nginx/nginx.conf")
}

/// What stands behind a directive of nginx's, which is given once.
fn directive<'a>(nginx: &'a str, name: &str) -> &'a str {
    let lines = nginx.lines().filter_map(|line| line.trim().strip_prefix(name));
    let found: Vec<&str> = lines.filter_map(|rest| rest.strip_prefix(' ')).collect();
    let [value] = found[..] else { panic!("{name}: {found:?}") };
    value.trim_end_matches(';')
}

/// What a new broker is given.
#[derive(Deserialize)]
struct Definitions {
    users: Vec<User>,
    vhosts: Vec<VirtualHost>,
    permissions: Vec<Permission>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct VirtualHost {
    name: String,
}

#[derive(Deserialize)]
struct Permission {
    user: String,
    vhost: String,
    configure: String,
    write: String,
    read: String,
}

#[test]
fn each_deployment_is_two_frontends_and_two_workers_of_one_configuration() {
    let compose = Compose::read();
    let members = members(&compose);
    let are = members.iter().map(|member| {
        (member.name, member.target(), member.config.role, member.config.deployment.as_str())
    });
    let expected = [
        ("frontend", "frontend", Role::Registry, "registry"),
        ("proxy-frontend", "frontend", Role::Proxy, "proxy"),
        ("proxy-worker", "worker", Role::Proxy, "proxy"),
        ("worker", "worker", Role::Registry, "registry"),
    ];
    assert_eq!(are.collect::<Vec<_>>(), expected);
    for role in [Role::Registry, Role::Proxy] {
        let of_one = || members.iter().filter(|member| member.config.role == role);
        let told: Vec<_> = of_one().map(|member| &member.service.environment).collect();
        assert_eq!(told[0], told[1], "{role:?}");
    }
    for Member { name, service, config } in &members {
        assert_eq!(service.deploy.as_ref().unwrap().replicas, 2, "{name}");
        assert_eq!(require_shared(config, "one of a fleet").map_err(|e| e.to_string()), Ok(()));
        assert!(config.listeners.admin.ip().is_unspecified(), "{name}");
        assert!(service.read_only, "{name}");
    }
}

#[test]
fn the_deployments_share_neither_bucket_nor_virtual_host() {
    let compose = Compose::read();
    let of = |role| frontends(&compose, role).service.environment.clone();
    let (registry, proxy) = (of(Role::Registry), of(Role::Proxy));
    for own in ["STOA_STORAGE", "STOA_QUEUE", "STOA_DEPLOYMENT", "STOA_PUBLIC_URL"] {
        assert_ne!(registry[own], proxy[own], "{own}");
    }
}

#[test]
fn the_proxy_asks_the_registry_and_sends_clients_there() {
    let compose = Compose::read();
    let (registry, proxy) = (frontends(&compose, Role::Registry), frontends(&compose, Role::Proxy));
    let upstream = &proxy.config.upstream;
    let asked = upstream.chain.first_server().unwrap().url();
    let (service, port) = destination(&compose, asked);
    assert!(std::ptr::eq(service, registry.service), "{asked}");
    assert_eq!(port, registry.config.listeners.public.port());
    assert_eq!(upstream.public.as_ref().unwrap().as_str(), registry.public_url());
    // Private modules are the proxy's, and go to whoever is on this machine.
    assert_eq!(proxy.config.anonymous, Some(Anonymous::Full));

    assert!(registry.config.upstream.chain.first_server().is_none());
    assert_eq!(registry.config.anonymous, None);
}

#[test]
fn every_image_is_pinned_or_built_here() {
    for (name, service) in Compose::read().services {
        match (&service.image, &service.build) {
            (Some(image), None) => assert!(is_pinned(image), "{name}: {image}"),
            (None, Some(build)) => {
                let inline = build.dockerfile_inline.as_deref().map(Dockerfile::parse);
                let dockerfile = inline.unwrap_or_else(Dockerfile::read);
                assert!(dockerfile.base_images().all(is_pinned), "{name}");
            }
            _ => panic!("{name}: an image, or how it is built"),
        }
    }
}

#[test]
fn every_service_is_checked_and_waited_for_and_started_again() {
    let compose = Compose::read();
    for (name, service) in &compose.services {
        let is_started = service.profiles.is_empty();
        assert_eq!(service.healthcheck.test.is_empty(), !is_started, "{name}");
        assert_eq!(service.healthcheck.disable, !is_started, "{name}");
        assert_eq!(service.restart.as_deref() == Some("unless-stopped"), is_started, "{name}");
        for (other, dependency) in &service.depends_on {
            let other = compose.services.get(other).expect(other);
            assert!(!other.healthcheck.test.is_empty(), "{name}");
            assert_eq!(dependency.condition, "service_healthy", "{name}");
        }
    }
    let waits_for =
        |name: &str| compose.services[name].depends_on.keys().cloned().collect::<Vec<_>>();
    for name in ["frontend", "worker"] {
        assert_eq!(waits_for(name), ["minio", "rabbitmq"]);
    }
    for name in ["proxy-frontend", "proxy-worker"] {
        assert_eq!(waits_for(name), ["frontend", "minio", "rabbitmq"]);
    }
    for name in ["nginx", "stoa"] {
        assert_eq!(waits_for(name), ["frontend", "proxy-frontend"]);
    }
}

#[test]
fn the_fleets_are_probed_as_their_images_say() {
    let compose = Compose::read();
    for (name, service, image) in compose.own() {
        if !service.profiles.is_empty() {
            continue;
        }
        let (kind, command) = service.healthcheck.test.split_first().unwrap();
        assert_eq!((kind.as_str(), command), ("CMD", &image.health_check()[..]), "{name}");
        // The program gives up by itself within three seconds, and says why.
        let timeout = parse_duration(service.healthcheck.timeout.as_ref().unwrap()).unwrap();
        assert!(timeout > Duration::from_secs(3), "{name}");
    }
}

#[test]
fn nobody_is_killed_within_the_grace_period() {
    let compose = Compose::read();
    for Member { name, service, config } in members(&compose) {
        let killed_after = parse_duration(service.stop_grace_period.as_ref().unwrap()).unwrap();
        assert!(killed_after > config.shutdown.drain + config.shutdown.grace, "{name}");
    }
}

#[test]
fn every_fleet_finds_its_bucket() {
    let compose = Compose::read();
    let mut directories = BTreeSet::new();
    for Member { name, service, config } in members(&compose) {
        let endpoint = config.bucket.endpoint.as_deref().unwrap().parse().unwrap();
        let (minio, port) = destination(&compose, &endpoint);
        let StorageLocation::Bucket { name: bucket, .. } = &config.storage else {
            panic!("{name}")
        };
        directories.insert(format!("/data/{bucket}"));
        assert!(minio.command[2].ends_with(&format!(" --address :{port} /data")), "{name}");
        let asked = format!("http://127.0.0.1:{port}/minio/health/ready");
        assert_eq!(minio.healthcheck.test.last(), Some(&asked));
        for (own, its) in [
            ("AWS_ACCESS_KEY_ID", "MINIO_ROOT_USER"),
            ("AWS_SECRET_ACCESS_KEY", "MINIO_ROOT_PASSWORD"),
        ] {
            assert_eq!(service.environment[own], minio.environment[its], "{name}: {own}");
        }
    }
    let minio = &compose.services["minio"];
    let [shell, option, command] = &minio.command[..] else { panic!("{:?}", minio.command) };
    assert_eq!((shell.as_str(), option.as_str()), ("sh", "-c"));
    let (made, then) = command.split_once(" && ").unwrap();
    let made = made.strip_prefix("mkdir -p ").unwrap().split(' ').map(str::to_owned);
    assert_eq!(made.collect::<BTreeSet<_>>(), directories);
    assert!(then.starts_with("exec minio server --address "), "{then}");
    assert_eq!(minio.volumes, ["minio:/data"]);
}

#[test]
fn the_bucket_is_the_server_that_the_tests_run_against() {
    let compose = Compose::read();
    let build = compose.services["minio"].build.as_ref().unwrap();
    let services = read(".ci/services");
    let version =
        services.lines().find_map(|line| line.strip_prefix("minio_version=")).expect("a version");
    let module = format!("github.com/minio/minio@{version}");
    assert!(build.dockerfile_inline.as_ref().unwrap().contains(&module), "{module}");
}

#[test]
fn every_fleet_finds_its_virtual_host() {
    let compose = Compose::read();
    let settings = mounted(&compose, "rabbitmq", "/etc/rabbitmq/conf.d/20-definitions.conf");
    let path = settings.trim().strip_prefix("load_definitions = ").unwrap();
    let definitions: Definitions =
        serde_json::from_str(&mounted(&compose, "rabbitmq", path)).unwrap();
    let [user] = &definitions.users[..] else { panic!("one user") };
    let mut used = BTreeSet::new();
    for Member { name, config, .. } in members(&compose) {
        let QueueLocation::Broker { url, .. } = &config.queue else { panic!("{name}") };
        let url: Url = url.expose().parse().unwrap();
        let (broker, port) = destination(&compose, &url);
        assert_eq!(port, 5672, "RabbitMQ's own");
        assert_eq!(broker.volumes, ["rabbitmq:/var/lib/rabbitmq"]);
        assert_eq!((url.username(), url.password()), (&*user.name, Some(&*user.password)));
        let vhost = url.path().strip_prefix('/').unwrap().replace("%2f", "/");
        let may_all = |permission: &Permission| {
            let rights = [&permission.configure, &permission.write, &permission.read];
            permission.user == user.name && rights.iter().all(|right| *right == ".*")
        };
        let mut permissions = definitions.permissions.iter();
        assert!(permissions.any(|given| given.vhost == vhost && may_all(given)), "{name}");
        used.insert(vhost);
    }
    let made: BTreeSet<String> = definitions.vhosts.into_iter().map(|vhost| vhost.name).collect();
    assert_eq!(made, used);
    assert_eq!(definitions.permissions.len(), used.len());
    // Such variables would count for nothing beside definitions.
    assert!(compose.services["rabbitmq"].environment.is_empty());
}

#[test]
fn a_published_port_leads_to_all_frontends_of_a_deployment() {
    let compose = Compose::read();
    let nginx = nginx(&compose);
    let mut parts = nginx.split("server {");
    let common = parts.next().unwrap();
    let patience = parse_duration(directive(common, "proxy_read_timeout")).unwrap();
    let (mut publishes, mut asks) = (Vec::new(), Vec::new());
    for (server, (role, published)) in parts.zip([(Role::Proxy, 3000), (Role::Registry, 3100)]) {
        let frontends = frontends(&compose, role);
        let port = directive(server, "listen");
        publishes.push(format!("127.0.0.1:{published}:{port}"));
        asks.push(format!("http://127.0.0.1:{port}{}", probe::PATH));
        let public_url = format!("http://127.0.0.1:{published}");
        assert_eq!(frontends.public_url().trim_end_matches('/'), public_url);

        let to: Url = directive(server, "set $frontends").parse().unwrap();
        assert_eq!(directive(server, "proxy_pass"), "$frontends");
        assert_eq!(to.host_str(), Some(frontends.name));
        assert_eq!(to.port(), Some(frontends.config.listeners.public.port()));
        let wait = frontends.config.work.wait;
        assert!(patience > wait, "a client hears of its wait from the frontend");
    }
    let published = compose.services.values().flat_map(|service| &service.ports);
    assert_eq!(published.collect::<Vec<_>>(), publishes.iter().collect::<Vec<_>>());
    let test = &compose.services["nginx"].healthcheck.test;
    assert_eq!(test[..2], ["CMD", "wget"]);
    assert!(test.ends_with(&asks), "{test:?}");
}

#[test]
fn users_are_told_the_proxys_address() {
    let compose = Compose::read();
    let proxy = frontends(&compose, Role::Proxy);
    let told = format!("GOPROXY={} go mod download", proxy.public_url().trim_end_matches('/'));
    for file in ["docker-compose.yml", "README.md"] {
        assert!(read(file).contains(&told), "{file}");
    }
}

#[test]
fn the_operators_tool_may_ask_all_frontends() {
    let compose = Compose::read();
    let tools: Vec<_> =
        compose.own().into_iter().filter(|(_, service, _)| !service.profiles.is_empty()).collect();
    let [(name, tool, image)] = &tools[..] else { panic!("one tool") };
    let told = config(&tool.environment_over(image));
    let token =
        |config: &Config| config.listeners.admin_token.as_ref().unwrap().expose().to_owned();
    for role in [Role::Registry, Role::Proxy] {
        let frontends = frontends(&compose, role);
        assert_eq!(token(&told), token(&frontends.config));
        let (host, port) = (frontends.name, frontends.config.listeners.admin.port());
        let command = format!("run --rm {name} dead-letters list --url http://{host}:{port}");
        for file in ["docker-compose.yml", "README.md"] {
            assert!(read(file).contains(&command), "{file}: {command}");
        }
    }
}

#[test]
fn every_volume_is_kept_and_used() {
    let compose = Compose::read();
    let mounts = compose.services.values().flat_map(|service| &service.volumes);
    let used: BTreeSet<String> =
        mounts.map(|mount| mount.split_once(':').unwrap().0.to_owned()).collect();
    assert_eq!(used, compose.volumes.into_keys().collect());
}
