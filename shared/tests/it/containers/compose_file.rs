//! The compose file: of its grammar what ours uses, written in one way.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    dockerfile::{Dockerfile, Image},
    read,
};

#[derive(Deserialize)]
pub(super) struct Compose {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) configs: BTreeMap<String, Content>,
    pub(super) volumes: BTreeMap<String, Option<()>>,
}

#[derive(Deserialize)]
pub(super) struct Service {
    pub(super) image: Option<String>,
    pub(super) build: Option<Build>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) ports: Vec<String>,
    #[serde(default)]
    pub(super) volumes: Vec<String>,
    #[serde(default)]
    pub(super) configs: Vec<Mount>,
    pub(super) healthcheck: HealthCheck,
    #[serde(default)]
    pub(super) depends_on: BTreeMap<String, Dependency>,
    pub(super) restart: Option<String>,
    pub(super) stop_grace_period: Option<String>,
    #[serde(default)]
    pub(super) read_only: bool,
    /// One that has a profile is started by whoever asks for it.
    #[serde(default)]
    pub(super) profiles: Vec<String>,
    pub(super) deploy: Option<Deploy>,
}

#[derive(Deserialize)]
pub(super) struct Build {
    pub(super) target: Option<String>,
    pub(super) dockerfile_inline: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct HealthCheck {
    #[serde(default)]
    pub(super) test: Vec<String>,
    pub(super) timeout: Option<String>,
    #[serde(default)]
    pub(super) disable: bool,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) condition: String,
}

#[derive(Deserialize)]
pub(super) struct Deploy {
    pub(super) replicas: u32,
}

#[derive(Deserialize)]
pub(super) struct Mount {
    pub(super) source: String,
    pub(super) target: String,
}

#[derive(Deserialize)]
pub(super) struct Content {
    content: String,
}

impl Compose {
    pub(super) fn read() -> Self {
        let mut file: yaml_serde::Value =
            yaml_serde::from_str(&read("docker-compose.yml")).unwrap();
        file.apply_merge().unwrap();
        yaml_serde::from_value(file).unwrap()
    }

    /// The services that run a program of ours, and the image of each.
    pub(super) fn own(&self) -> Vec<(&str, &Service, Image)> {
        let dockerfile = Dockerfile::read();
        let mut found = Vec::new();
        for (name, service) in &self.services {
            if let Some(target) = service.build.as_ref().and_then(|build| build.target.as_ref()) {
                let image = dockerfile.image(target).expect(target);
                found.push((name.as_str(), service, image));
            }
        }
        found
    }
}

impl Service {
    /// What its process is told: the image's variables under its own.
    pub(super) fn environment_over(&self, image: &Image) -> BTreeMap<String, String> {
        let mut environment = image.environment();
        environment.extend(self.environment.clone());
        environment
    }
}

impl Content {
    /// As the container gets it.
    pub(super) fn text(&self) -> String {
        assert!(!self.content.replace("$$", "").contains('$'), "a single dollar sign");
        self.content.replace("$$", "$")
    }
}
