//! The configuration file: TOML, sections and dotted keys alike.

use std::{collections::BTreeMap, fs, path::Path};

use toml::{Table, Value};

use super::{
    Mistake,
    layers::{Layer, Text},
};

/// Reads the file into dotted keys. What cannot be read is reported, and nothing of
/// the file's text is repeated: a line with a slip in it may be a token's.
pub(super) fn read(path: &Path, mistakes: &mut Vec<Mistake>) -> BTreeMap<String, Text> {
    let mut keys = BTreeMap::new();
    let mut report = |place: &str, problem: String| {
        mistakes.push(Mistake::new(&Layer::File(path.to_path_buf()), place, problem));
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            report("cannot be read", error.to_string());
            return keys;
        }
    };
    match text.parse::<Table>() {
        Ok(table) => flatten("", table, &mut keys, &mut report),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
            report(&format!("line {line}"), error.message().to_owned());
        }
    }
    keys
}

fn flatten(
    section: &str,
    table: Table,
    keys: &mut BTreeMap<String, Text>,
    report: &mut impl FnMut(&str, String),
) {
    for (name, value) in table {
        let key = if section.is_empty() { name } else { format!("{section}.{name}") };
        let text = match value {
            Value::Table(table) => {
                flatten(&key, table, keys, report);
                continue;
            }
            Value::Array(values) => {
                values.into_iter().map(scalar).collect::<Option<Vec<_>>>().map(Text::Many)
            }
            // As in the environment, empty is unset.
            Value::String(text) if text.is_empty() => continue,
            value => scalar(value).map(Text::One),
        };
        let Some(text) = text else {
            report(&key, "expected a list of texts or numbers".to_owned());
            continue;
        };
        if keys.insert(key.clone(), text).is_some() {
            report(&key, "is set twice".to_owned());
        }
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Datetime(time) => Some(time.to_string()),
        Value::Array(_) | Value::Table(_) => None,
    }
}
