//! The fleet that the compose file starts.

use std::{collections::BTreeSet, time::Duration};

use stoa_shared::{
    backends::require_shared,
    config::{Config, QueueLocation, StorageLocation, parse_duration},
    probe,
};
use url::Url;

use super::{
    compose_file::{Compose, Service},
    config,
    dockerfile::Dockerfile,
    is_pinned, read,
};

/// The services of the fleet itself, each with what it is told.
fn fleet(compose: &Compose) -> Vec<(&str, &Service, Config)> {
    let own = compose.own().into_iter().filter(|(_, service, _)| service.profiles.is_empty());
    own.map(|(name, service, image)| (name, service, config(&service.environment_over(&image))))
        .collect()
}

/// Where a URL leads: to a service, and to a port of it.
fn destination<'a>(compose: &'a Compose, url: &Url) -> (&'a Service, u16) {
    let host = url.host_str().unwrap();
    (compose.services.get(host).expect(host), url.port().unwrap())
}

/// What nginx is told.
fn nginx(compose: &Compose) -> String {
    let [mount] = &compose.services["nginx"].configs[..] else { panic!("one file") };
    assert_eq!(mount.target, "/etc/nginx/nginx.conf");
    compose.configs[&mount.source].text()
}

/// What stands behind a directive of nginx's.
fn directive<'a>(nginx: &'a str, name: &str) -> &'a str {
    let mut lines = nginx.lines().filter_map(|line| line.trim().strip_prefix(name));
    lines.find_map(|rest| rest.strip_prefix(' ')).expect(name).trim_end_matches(';')
}

#[test]
fn the_fleet_is_two_frontends_and_two_workers_of_one_configuration() {
    let compose = Compose::read();
    let fleet = fleet(&compose);
    let names: Vec<&str> = fleet.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["frontend", "worker"]);
    let told = |service: &Service| service.environment.clone();
    assert_eq!(told(fleet[0].1), told(fleet[1].1));
    for (name, service, config) in &fleet {
        assert_eq!(service.deploy.as_ref().unwrap().replicas, 2, "{name}");
        assert_eq!(require_shared(config, "one of a fleet").map_err(|e| e.to_string()), Ok(()));
        assert!(config.listeners.admin.ip().is_unspecified(), "{name}");
        assert!(service.read_only, "{name}");
    }
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
    assert_eq!(waits_for("frontend"), ["minio", "rabbitmq"]);
    assert_eq!(waits_for("worker"), ["minio", "rabbitmq"]);
    assert_eq!(waits_for("nginx"), ["frontend"]);
}

#[test]
fn the_fleet_is_probed_as_its_images_say() {
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
    for (name, service, config) in fleet(&compose) {
        let killed_after = parse_duration(service.stop_grace_period.as_ref().unwrap()).unwrap();
        assert!(killed_after > config.shutdown.drain + config.shutdown.grace, "{name}");
    }
}

#[test]
fn the_fleet_finds_its_bucket() {
    let compose = Compose::read();
    for (name, service, config) in fleet(&compose) {
        let endpoint = config.bucket.endpoint.as_deref().unwrap().parse().unwrap();
        let (minio, port) = destination(&compose, &endpoint);
        let [shell, option, command] = &minio.command[..] else { panic!("{:?}", minio.command) };
        assert_eq!((shell.as_str(), option.as_str()), ("sh", "-c"));
        let StorageLocation::Bucket { name: bucket, .. } = &config.storage else {
            panic!("{name}")
        };
        let start = format!("mkdir -p /data/{bucket} && exec minio server --address :{port} /data");
        assert_eq!(*command, start);
        assert_eq!(minio.volumes, ["minio:/data"]);
        let asked = format!("http://127.0.0.1:{port}/minio/health/ready");
        assert_eq!(minio.healthcheck.test.last(), Some(&asked));
        for (own, its) in [
            ("AWS_ACCESS_KEY_ID", "MINIO_ROOT_USER"),
            ("AWS_SECRET_ACCESS_KEY", "MINIO_ROOT_PASSWORD"),
        ] {
            assert_eq!(service.environment[own], minio.environment[its], "{name}: {own}");
        }
    }
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
fn the_fleet_finds_its_broker() {
    let compose = Compose::read();
    for (name, _, config) in fleet(&compose) {
        let QueueLocation::Broker { url, .. } = &config.queue else { panic!("{name}") };
        let url: Url = url.expose().parse().unwrap();
        let (broker, port) = destination(&compose, &url);
        assert_eq!(port, 5672, "RabbitMQ's own");
        // The virtual host that a new broker has.
        assert_eq!(url.path(), "/%2f");
        assert_eq!(broker.environment["RABBITMQ_DEFAULT_USER"], url.username());
        assert_eq!(Some(broker.environment["RABBITMQ_DEFAULT_PASS"].as_str()), url.password());
        assert_eq!(broker.volumes, ["rabbitmq:/var/lib/rabbitmq"]);
    }
}

#[test]
fn one_published_port_leads_to_all_frontends() {
    let compose = Compose::read();
    let (_, _, frontend) = fleet(&compose).remove(0);
    let published: Vec<&String> = compose.services.values().flat_map(|s| &s.ports).collect();
    let nginx = nginx(&compose);
    let port = directive(&nginx, "listen");
    assert_eq!(published, [&format!("127.0.0.1:3000:{port}")]);
    let public_url = frontend.public_url.as_ref().unwrap().as_str();
    assert_eq!(public_url.trim_end_matches('/'), "http://127.0.0.1:3000");

    let to: Url = directive(&nginx, "set $frontends").parse().unwrap();
    assert_eq!(directive(&nginx, "proxy_pass"), "$frontends");
    assert_eq!(to.host_str(), Some("frontend"));
    assert_eq!(to.port(), Some(frontend.listeners.public.port()));
    let patience = parse_duration(directive(&nginx, "proxy_read_timeout")).unwrap();
    assert!(patience > frontend.work.wait, "a client hears of its wait from the frontend");
    let asked = format!("http://127.0.0.1:{port}{}", probe::PATH);
    assert_eq!(compose.services["nginx"].healthcheck.test.last(), Some(&asked));
}

#[test]
fn the_operators_tool_may_ask_the_frontends() {
    let compose = Compose::read();
    let (_, _, frontend) = fleet(&compose).remove(0);
    let tools: Vec<_> =
        compose.own().into_iter().filter(|(_, service, _)| !service.profiles.is_empty()).collect();
    let [(name, tool, image)] = &tools[..] else { panic!("one tool") };
    let told = config(&tool.environment_over(image));
    let token =
        |config: &Config| config.listeners.admin_token.as_ref().unwrap().expose().to_owned();
    assert_eq!(token(&told), token(&frontend));
    let port = frontend.listeners.admin.port();
    let command = format!("run --rm {name} dead-letters list --url http://frontend:{port}");
    for file in ["docker-compose.yml", "README.md"] {
        assert!(read(file).contains(&command), "{file}");
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
