//! The layers: defaults, then the file, then the environment, the nearest winning.
//!
//! This is the only file that reads the process's environment.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    DeploymentId, Mistake, file, secret,
    settings::{self, Preset, Setting, Shape},
    suggestion::did_you_mean,
};

/// Variables that start like ours but are no settings: a server that is started beside our
/// tests and services inherits them.
pub(super) const NO_SETTINGS: [&str; 3] =
    ["STOA_SOAK", "STOA_TEST_RABBITMQ_MANAGEMENT", "STOA_REDIS"];

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Nobody.
    Default,
    /// This configuration file.
    File(PathBuf),
    /// The environment.
    Environment,
}

/// One setting's value as it holds, for people: a secret is redacted. Displays as a
/// line of TOML.
#[derive(Debug, Clone)]
pub struct EffectiveValue {
    /// Which setting.
    pub setting: &'static Setting,
    /// Its value in TOML; `None` if it is not set.
    pub text: Option<String>,
    /// Who set it.
    pub layer: Layer,
}

/// All settings that have a value. It holds secrets, so it cannot be printed.
#[derive(Default)]
pub(super) struct Values(BTreeMap<&'static str, Value>);

/// One setting's value, unparsed.
pub(super) struct Value {
    pub(super) text: Text,
    pub(super) layer: Layer,
    /// The name under which the layer knows it.
    pub(super) name: String,
    /// The file that a secret was read from.
    pub(super) file: Option<PathBuf>,
}

/// A value as it was written.
#[derive(Clone)]
pub(super) enum Text {
    One(String),
    Many(Vec<String>),
    /// It was set, but could not be read; the mistake is recorded already.
    Unreadable,
}

/// The arguments that the process was started with, its own name first.
pub fn arguments() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os()
}

/// The process's environment. A variable that is no valid Unicode is left out,
/// unless its name is ours: then U+FFFD in its value makes it a mistake.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        match value.into_string() {
            Ok(value) => Some((name, value)),
            Err(value) if name.starts_with("STOA_") => {
                Some((name, value.to_string_lossy().into_owned()))
            }
            Err(_) => None,
        }
    })
}

/// The one place where layers meet.
pub(super) fn merge(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    mistakes: &mut Vec<Mistake>,
) -> Values {
    // An empty variable counts as unset: templates cannot always leave one out.
    let environment: BTreeMap<String, String> =
        environment.filter(|(_, value)| !value.is_empty()).collect();
    let mut values = Values::default();

    let config_variable = environment.get(settings::CONFIG.variable).map(PathBuf::from);
    if let Some(path) = path.map(Path::to_path_buf).or(config_variable) {
        let named = file::read(&path, mistakes);
        let layer = Layer::File(path);
        values.lay(&layer, named, file_names(), mistakes);
    }
    let mut ours = BTreeMap::new();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("STOA_")) {
        if NO_SETTINGS.contains(&name.as_str()) || is_service_link(name, value) {
            continue;
        }
        let text = if value.contains(char::REPLACEMENT_CHARACTER) {
            mistakes.push(Mistake::new(&Layer::Environment, name, "is not valid UTF-8"));
            Text::Unreadable
        } else {
            Text::One(value.clone())
        };
        ours.insert(name.clone(), text);
    }
    values.lay(&Layer::Environment, ours, variable_names(), mistakes);
    values.fill_in_defaults(&environment);
    values
}

impl Values {
    pub(super) fn get(&self, setting: &Setting) -> Option<&Value> {
        self.0.get(setting.variable)
    }

    /// What holds for every setting, in the order of the table.
    pub(super) fn effective(&self) -> Vec<EffectiveValue> {
        settings::ALL
            .iter()
            .map(|&setting| {
                let value = self.get(setting);
                let text = value.map(|value| match (&value.text, setting.shape) {
                    // A default is in the documentation.
                    (_, Shape::Secret) if value.layer != Layer::Default => {
                        format!("{:?}", secret::REDACTED)
                    }
                    (Text::One(text), _) => format!("{text:?}"),
                    (Text::Many(parts), _) => format!("{parts:?}"),
                    (Text::Unreadable, _) => "\"\"".to_owned(),
                });
                let layer = value.map_or(Layer::Default, |value| value.layer.clone());
                EffectiveValue { setting, text, layer }
            })
            .collect()
    }

    /// Lays one layer's values over what lies there; `names` are those it may use.
    fn lay(
        &mut self,
        layer: &Layer,
        named: BTreeMap<String, Text>,
        names: BTreeMap<String, Name>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let mut set_here: BTreeMap<&'static str, String> = BTreeMap::new();
        for (name, text) in named {
            let Some(Name { setting, is_path }) = names.get(&name) else {
                let hint = did_you_mean(&name, names.keys().map(String::as_str));
                mistakes.push(Mistake::new(layer, &name, format!("no such setting{hint}")));
                continue;
            };
            if let Some(other) = set_here.insert(setting.variable, name.clone()) {
                mistakes.push(Mistake::new(
                    layer,
                    &name,
                    format!("{other} is set as well: choose one"),
                ));
                continue;
            }
            let file = match &text {
                Text::One(path) if *is_path => Some(PathBuf::from(path)),
                _ => None,
            };
            let text = if *is_path { read_file(layer, &name, &text, mistakes) } else { text };
            self.0.insert(setting.variable, Value { text, layer: layer.clone(), name, file });
        }
    }

    fn fill_in_defaults(&mut self, environment: &BTreeMap<String, String>) {
        for setting in settings::ALL {
            let default = match setting.default {
                Preset::Text(text) => Some(text.to_owned()),
                Preset::Computed(_) => compute(setting, environment),
                Preset::Unset => None,
            };
            if let Some(text) = default {
                self.0.entry(setting.variable).or_insert_with(|| Value {
                    text: Text::One(text),
                    layer: Layer::Default,
                    name: setting.variable.to_owned(),
                    file: None,
                });
            }
        }
        self.name_the_deployment();
    }

    /// The deployment's id by default: it hangs on where the modules lie, which all
    /// processes of a deployment have in common, and no two deployments.
    fn name_the_deployment(&mut self) {
        let text = |setting: &Setting| match self.0.get(setting.variable).map(|it| &it.text) {
            Some(Text::One(text)) => text.clone(),
            _ => String::new(),
        };
        let (storage, endpoint) = (text(&settings::STORAGE), text(&settings::S3_ENDPOINT));
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        self.0.entry(settings::DEPLOYMENT.variable).or_insert_with(|| Value {
            text: Text::One(DeploymentId::of_storage(&storage, &endpoint, &host).to_string()),
            layer: Layer::Default,
            file: None,
            name: settings::DEPLOYMENT.variable.to_owned(),
        });
    }
}

/// What a layer means by a name: the setting, or the path of a file that holds it.
struct Name {
    setting: &'static Setting,
    is_path: bool,
}

fn variable_names() -> BTreeMap<String, Name> {
    names(|setting| Some(setting.variable), Setting::file_variable)
}

fn file_names() -> BTreeMap<String, Name> {
    names(|setting| setting.key, Setting::file_key)
}

fn names(
    own: impl Fn(&'static Setting) -> Option<&'static str>,
    twin: impl Fn(&'static Setting) -> Option<String>,
) -> BTreeMap<String, Name> {
    let mut names = BTreeMap::new();
    for &setting in settings::ALL {
        if let Some(name) = own(setting) {
            names.insert(name.to_owned(), Name { setting, is_path: false });
        }
        if let Some(name) = twin(setting) {
            names.insert(name, Name { setting, is_path: true });
        }
    }
    names
}

/// The secret in the file that `path` names.
fn read_file(layer: &Layer, name: &str, path: &Text, mistakes: &mut Vec<Mistake>) -> Text {
    let path = match path {
        Text::One(path) => path,
        Text::Many(_) => {
            mistakes.push(Mistake::new(layer, name, "expected one path"));
            return Text::Unreadable;
        }
        Text::Unreadable => return Text::Unreadable,
    };
    secret::read_secret(Path::new(path)).map(Text::One).unwrap_or_else(|error| {
        mistakes.push(Mistake::new(layer, name, format!("{path}: {error}")));
        Text::Unreadable
    })
}

/// Defaults that depend on where we run. Others depend on more than a process knows of
/// itself at its start, and stay unset until then.
fn compute(setting: &Setting, environment: &BTreeMap<String, String>) -> Option<String> {
    if setting.variable != settings::STORAGE.variable {
        return None;
    }
    let absolute =
        |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data =
        absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Url::from_file_path(data.join("stoa")).ok().map(String::from)
}

/// Kubernetes tells every pod of the services beside it: one called `stoa` or
/// `stoa-frontend` becomes variables that start like ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let starts_with_digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split("_PORT_").skip(1).any(starts_with_digit)
        || name.ends_with("_PORT") && value.contains("://")
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
        }
    }
}

impl fmt::Display for EffectiveValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting.key, &self.text) {
            (Some(key), Some(text)) => write!(f, "{key} = {text} # {}", self.layer),
            (Some(key), None) => write!(f, "# {key} is not set"),
            (None, Some(text)) => write!(f, "# {} is {text}", self.setting.variable),
            (None, None) => write!(f, "# {} is not set", self.setting.variable),
        }
    }
}
