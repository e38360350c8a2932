//! The settings, written out for people: help text, README table, example file.

use std::fmt::Write;

use super::settings::{ALL, Preset, Setting, Shape};

/// What `--help` says about settings: a paragraph each.
pub fn help() -> String {
    let mut help = String::new();
    for setting in ALL {
        let variables = both(Some(setting.variable), setting.file_variable(), "");
        // Writing to a String cannot fail.
        let _ = match setting.key {
            Some(key) => {
                writeln!(help, "{variables} [file: {}]", both(Some(key), setting.file_key(), ""))
            }
            None => writeln!(help, "{variables}"),
        };
        for line in wrap(&format!("{} [default: {}]", description(setting), default(setting)), 74) {
            let _ = writeln!(help, "    {line}");
        }
        help.push('\n');
    }
    help
}

/// The README's table of settings, in markdown.
pub fn readme_table() -> String {
    let mut table =
        "| variable | in the file | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for setting in ALL {
        let variables = both(Some(setting.variable), setting.file_variable(), "`");
        let keys = both(setting.key, setting.file_key(), "`");
        let default = match setting.default {
            Preset::Text(text) => format!("`{text}`"),
            Preset::Computed(words) => words.to_owned(),
            Preset::Unset => String::new(),
        };
        let _ = writeln!(
            table,
            "| {variables} | {keys} | {default} | {} |",
            description(setting).replace('|', "\\|"),
        );
    }
    table
}

/// A configuration file in which every setting is explained and commented out, with
/// its default or, where there is none, an example.
pub fn example_file() -> String {
    let mut file = "# Every setting of Stoa. The environment wins over this file.\n".to_owned();
    for setting in ALL {
        let Some(key) = setting.key else { continue };
        file.push('\n');
        for line in wrap(&description(setting), 78) {
            let _ = writeln!(file, "# {line}");
        }
        let text = match setting.default {
            Preset::Text(text) => text,
            Preset::Computed(_) | Preset::Unset => setting.example,
        };
        let value = match setting.shape {
            Shape::List => format!("{:?}", text.split(',').collect::<Vec<_>>()),
            Shape::Single if text.parse::<u64>().is_ok() => text.to_owned(),
            Shape::Single | Shape::Secret => format!("{text:?}"),
        };
        let _ = writeln!(file, "#{key} = {value}");
    }
    file
}

/// A setting's name and that of its twin, each between `quotes`.
fn both(name: Option<&str>, twin: Option<String>, quotes: &str) -> String {
    let names = name.map(str::to_owned).into_iter().chain(twin);
    names.map(|name| format!("{quotes}{name}{quotes}")).collect::<Vec<_>>().join(", ")
}

/// The doc comment as one paragraph.
fn description(setting: &Setting) -> String {
    setting.description.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn default(setting: &Setting) -> &str {
    match setting.default {
        Preset::Text(text) | Preset::Computed(text) => text,
        Preset::Unset => "none",
    }
}

/// Lines of at most `width` bytes, broken at spaces; a longer word has its own line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_setting_is_in_every_text() {
        for setting in ALL {
            assert!(help().contains(setting.variable), "{}", setting.variable);
            assert!(
                readme_table().contains(&format!("| `{}`", setting.variable)),
                "{}",
                setting.variable
            );
            if let Some(key) = setting.key {
                assert!(example_file().contains(&format!("\n#{key} = ")), "{key}");
            }
        }
        assert!(help().lines().all(|line| line.len() <= 80), "{}", help());
    }

    #[test]
    fn the_example_file_is_a_configuration_also_when_uncommented() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stoa.toml");
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, "").unwrap();
        let home = [("HOME".to_owned(), "/home/user".to_owned())];

        std::fs::write(&path, example_file()).unwrap();
        Config::load(Some(&path), home.clone().into_iter()).unwrap();

        let uncommented: String = example_file()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let uncommented = uncommented.replace("/etc/ssl/company.pem", ca_file.to_str().unwrap());
        std::fs::write(&path, uncommented).unwrap();
        let config = Config::load(Some(&path), home.into_iter()).unwrap();
        assert!(
            config
                .effective_values()
                .iter()
                .all(|value| value.setting.key.is_none() || value.text.is_some())
        );
    }
}
