//! What came of a question, whoever was asked, and how two answers are compared.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::module_zip::ModuleZip;

/// The answer to one question.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// With the reason.
    Refused(String),
    /// Sorted bytewise.
    Listed(Vec<String>),
    Latest {
        version: String,
        time: String,
    },
    Resolved(Box<Resolved>),
}

/// A version with all it consists of.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) version: String,
    pub(crate) time: String,
    pub(crate) module_file: Vec<u8>,
    pub(crate) module_sum: String,
    /// The zip, or why there is none.
    pub(crate) zip: Result<ModuleZip, String>,
    /// `Origin` as printed; never compared.
    pub(crate) origin: Value,
}

impl Outcome {
    /// How this answer differs from the oracle's, if it does: versions, times, module file,
    /// both sums, and whether it fails, but not with which words.
    pub(crate) fn difference(&self, oracle: &Self) -> Option<String> {
        let same = match (self, oracle) {
            (Self::Refused(_), Self::Refused(_)) => true,
            (Self::Listed(ours), Self::Listed(theirs)) => ours == theirs,
            (
                Self::Latest { version, time },
                Self::Latest { version: other_version, time: other_time },
            ) => version == other_version && time == other_time,
            (Self::Resolved(ours), Self::Resolved(theirs)) => {
                ours.version == theirs.version
                    && ours.time == theirs.time
                    && ours.module_file == theirs.module_file
                    && ours.module_sum == theirs.module_sum
                    && match (&ours.zip, &theirs.zip) {
                        (Ok(ours), Ok(theirs)) => ours.sum == theirs.sum,
                        (Err(_), Err(_)) => true,
                        _ => false,
                    }
            }
            _ => false,
        };
        if same {
            return None;
        }
        if let (Self::Resolved(ours), Self::Resolved(theirs)) = (self, oracle)
            && let (Ok(ours), Ok(theirs)) = (&ours.zip, &theirs.zip)
            && ours.files != theirs.files
        {
            return Some(format!("zip {}", differing_files(&ours.files, &theirs.files)));
        }
        Some(format!("{self}\n      go says: {oracle}"))
    }
}

/// Each file that is not the same on both sides, with its size there.
fn differing_files(ours: &[(String, Vec<u8>)], theirs: &[(String, Vec<u8>)]) -> String {
    let of = |files: &[(String, Vec<u8>)], name: &str| -> Option<Vec<u8>> {
        files.iter().find(|(file, _)| file == name).map(|(_, content)| content.clone())
    };
    let names: BTreeSet<&String> = ours.iter().chain(theirs).map(|(name, _)| name).collect();
    let mut lines = String::from("differs in");
    for name in names {
        let (our, their) = (of(ours, name), of(theirs, name));
        if our != their {
            let size = |content: Option<Vec<u8>>| {
                content.map_or("missing".to_owned(), |content| content.len().to_string())
            };
            lines.push_str(&format!(" {name} ({}, go {})", size(our), size(their)));
        }
    }
    lines
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {}", why.replace('\n', " | ")),
            Self::Listed(versions) => write!(f, "lists {versions:?}"),
            Self::Latest { version, time } => write!(f, "{version} of {time}"),
            Self::Resolved(resolved) => {
                let Resolved { version, time, module_sum, .. } = &**resolved;
                write!(f, "{version} of {time}, go.mod {module_sum}, ")?;
                match &resolved.zip {
                    Err(why) => write!(f, "no zip: {}", why.replace('\n', " | ")),
                    Ok(zip) => {
                        let names: Vec<String> = zip
                            .files
                            .iter()
                            .map(|(name, content)| format!("{name}:{}", content.len()))
                            .collect();
                        write!(f, "zip {} {names:?}", zip.sum)
                    }
                }
            }
        }
    }
}
