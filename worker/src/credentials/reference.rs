//! Reference: where a secret is, never the secret itself.

use std::{fs::File, io::Read, path::PathBuf};

use super::Reading;

/// Keys and tokens are small; whatever is larger is not the file that was meant.
const MAX_BYTES: u64 = 64 << 10;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// A variable of the process's environment.
    Environment(String),
    /// The content of a file.
    File(PathBuf),
}

impl Reference {
    /// Reads `env:NAME` or `file:/path`. The error does not repeat the text: it may be
    /// the secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match text.split_once(':') {
            Some(("env", name)) if is_name(name) => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.into())),
            _ => {
                Err("expected env:NAME or file:/absolute/path, never the secret itself".to_owned())
            }
        }
    }

    /// What is there now, or one line that says why not.
    pub(super) fn resolve(&self, reading: &mut Reading<'_>) -> Result<Vec<u8>, String> {
        let (name, bytes) = match self {
            Self::Environment(name) => {
                let value = reading.environment.get(name).cloned();
                (format!("env:{name}"), value.ok_or(format!("env:{name} is not set"))?.into_bytes())
            }
            Self::File(path) => {
                reading.note(path);
                let name = format!("file:{}", path.display());
                let mut bytes = Vec::new();
                let read =
                    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
                read.map_err(|error| format!("{name}: {error}"))?;
                (name, bytes)
            }
        };
        if bytes.len() as u64 >= MAX_BYTES {
            return Err(format!("{name} is too large for a secret"));
        }
        if bytes.trim_ascii().is_empty() {
            return Err(format!("{name} is empty"));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_taken_and_what_is_not_one_is_not_repeated() {
        let environment = Reference::Environment("CORP_TOKEN".to_owned());
        assert_eq!(Reference::parse("env:CORP_TOKEN"), Ok(environment));
        assert_eq!(Reference::parse("file:/run/token"), Ok(Reference::File("/run/token".into())));
        for bad in ["hunter2", "env:", "env:hunter 2", "file:hunter2", "ENV:hunter2", "hunter:2"] {
            let problem = Reference::parse(bad).unwrap_err();
            assert!(!problem.contains("hunter"), "{problem}");
        }
    }
}
