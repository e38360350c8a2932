//! A Dockerfile as stages and instructions; as much of its grammar as ours use.

use std::collections::{BTreeMap, BTreeSet};

use super::read;

/// All stages, in order.
pub(super) struct Dockerfile(Vec<Stage>);

struct Stage {
    /// An image, or the name of an earlier stage.
    base: String,
    name: String,
    instructions: Vec<Instruction>,
}

#[derive(Clone)]
struct Instruction {
    word: String,
    rest: String,
}

/// A stage as it is run: its own instructions behind those of the stages that it stands on.
pub(super) struct Image(Vec<Instruction>);

impl Dockerfile {
    pub(super) fn read() -> Self {
        Self::parse(&read("Dockerfile"))
    }

    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let mut stages: Vec<Stage> = Vec::new();
        for line in joined.lines().filter(|line| !line.trim().is_empty()) {
            let (word, rest) = line.trim().split_once(' ').unwrap();
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            if word == "FROM" {
                let (base, name) = rest.split_once(" AS ").unwrap_or((&rest, ""));
                let (base, name) = (base.to_owned(), name.to_owned());
                stages.push(Stage { base, name, instructions: Vec::new() });
            } else {
                let stage = stages.last_mut().expect("FROM comes first");
                stage.instructions.push(Instruction { word: word.to_owned(), rest });
            }
        }
        Self(stages)
    }

    /// The images that are fetched to build on.
    pub(super) fn base_images(&self) -> impl Iterator<Item = &str> {
        let bases = self.0.iter().map(|stage| stage.base.as_str());
        bases.filter(|base| *base != "scratch" && self.stage(base).is_none())
    }

    /// What a target stands on at last.
    pub(super) fn base_image_of(&self, target: &str) -> &str {
        let stage = self.stage(target).unwrap();
        if self.stage(&stage.base).is_some() {
            self.base_image_of(&stage.base)
        } else {
            &stage.base
        }
    }

    /// What comes out of a target, if there is one of that name.
    pub(super) fn image(&self, target: &str) -> Option<Image> {
        let stage = self.stage(target)?;
        let mut instructions = self.image(&stage.base).map(|image| image.0).unwrap_or_default();
        instructions.extend(stage.instructions.iter().cloned());
        Some(Image(instructions))
    }

    fn stage(&self, name: &str) -> Option<&Stage> {
        self.0.iter().find(|stage| stage.name == name)
    }
}

impl Image {
    /// What stands behind each of these words.
    pub(super) fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |instruction| instruction.word == word);
        found.map(|instruction| instruction.rest.as_str())
    }

    /// What stands behind the last of these words, which wins.
    pub(super) fn last<'a>(&'a self, word: &'a str) -> Option<&'a str> {
        self.all(word).last()
    }

    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let pairs = self.all("ENV").map(|pair| pair.split_once('=').expect("one pair per ENV"));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(super) fn entrypoint(&self) -> Vec<String> {
        serde_json::from_str(self.last("ENTRYPOINT").unwrap()).unwrap()
    }

    pub(super) fn health_check(&self) -> Vec<String> {
        let (_, command) = self.last("HEALTHCHECK").unwrap().split_once("CMD ").unwrap();
        serde_json::from_str(command).unwrap()
    }

    pub(super) fn exposed_ports(&self) -> BTreeSet<u16> {
        let ports = self.all("EXPOSE").flat_map(|ports| ports.split(' '));
        ports.map(|port| port.parse().unwrap()).collect()
    }

    /// Whether a Debian package is installed.
    pub(super) fn has_package(&self, package: &str) -> bool {
        let installs = self.all("RUN").filter_map(|run| run.split_once("apt-get install "));
        installs
            .map(|(_, packages)| packages.split(" &&").next().unwrap_or_default())
            .any(|packages| packages.split(' ').any(|word| word == package))
    }
}
