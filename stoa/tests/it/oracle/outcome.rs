//! What came of a question, whoever was asked, and how two answers are compared.

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
        (!same).then(|| format!("{self}\n      go says: {oracle}"))
    }
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
