//! `ModuleHash`: the `h1:` sum of go.sum (go-modules §5).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The sum of a module zip or of a go.mod, `h1:` and base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleHash([u8; 32]);

/// A text that is no `h1:` sum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed h1 sum {text:?}")]
pub struct ModuleHashError {
    /// The text.
    pub text: String,
}

/// A file name that would make the summed text ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("file name {name:?} contains a newline")]
pub struct NameWithNewline {
    /// The name.
    pub name: String,
}

/// Sums a set of files. They may come in any order; names and digests are kept.
#[derive(Debug, Default)]
pub struct H1Builder {
    files: Vec<(String, [u8; 32])>,
}

/// The sum of a go.mod: that of a set of one file called `go.mod`.
pub fn hash_go_mod(content: &[u8]) -> ModuleHash {
    sum(&[("go.mod".to_owned(), Sha256::digest(content).into())])
}

impl H1Builder {
    /// A sum of no files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with room for so many.
    pub fn with_capacity(files: usize) -> Self {
        Self { files: Vec::with_capacity(files) }
    }

    /// Adds a file: its full name in the zip, `M@V/path`, and the SHA-256 of its content.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        sha256: [u8; 32],
    ) -> Result<(), NameWithNewline> {
        let name = name.into();
        if name.contains('\n') {
            return Err(NameWithNewline { name });
        }
        self.files.push((name, sha256));
        Ok(())
    }

    /// The sum of all files added.
    pub fn finish(mut self) -> ModuleHash {
        self.files.sort_unstable();
        sum(&self.files)
    }
}

fn sum(sorted: &[(String, [u8; 32])]) -> ModuleHash {
    let mut hasher = Sha256::new();
    let mut line = String::new();
    for (name, digest) in sorted {
        line.clear();
        for byte in digest {
            // Formatting them takes longer than to hash a small file.
            let digits = [byte >> 4, byte & 15];
            line.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)));
        }
        line.push_str("  ");
        line.push_str(name);
        line.push('\n');
        hasher.update(&line);
    }
    ModuleHash(hasher.finalize().into())
}

impl FromStr for ModuleHash {
    type Err = ModuleHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("h1:")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| ModuleHashError { text: text.to_owned() })
    }
}

impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h1:{}", STANDARD.encode(self.0))
    }
}

impl TryFrom<String> for ModuleHash {
    type Error = ModuleHashError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ModuleHash> for String {
    fn from(hash: ModuleHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_mod_vectors() {
        for (content, expected) in [
            ("module example.com/m\n", "h1:flS2VctbRrTv+sBE+VKgxx6hlkMGPVz9MGOmzMYFg3k="),
            ("", "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY="),
        ] {
            assert_eq!(hash_go_mod(content.as_bytes()).to_string(), expected);
        }
    }

    #[test]
    fn zip_vector_in_any_order() {
        let mut builder = H1Builder::new();
        for (name, content) in
            [("go.mod", "module example.com/m\n"), ("a.go", "package m\n"), ("LICENSE", "x\n")]
        {
            let digest = Sha256::digest(content).into();
            builder.add(format!("example.com/m@v1.0.0/{name}"), digest).unwrap();
        }
        let expected = "h1:Q0ZWP80nLkjwA1CgFmINTcC0cp8qsG5eabgezAbGpzY=";
        assert_eq!(builder.finish().to_string(), expected);
    }

    #[test]
    fn a_newline_in_a_name_is_refused() {
        let name = "a\nb".to_owned();
        assert_eq!(H1Builder::new().add(&name, [0; 32]), Err(NameWithNewline { name }));
    }

    #[test]
    fn texts_that_are_no_sum_are_refused() {
        let hash = hash_go_mod(b"");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<ModuleHash>(&json).unwrap(), hash);
        for bad in ["", "h1:", "h2:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=", "h1:AAAA", "h1:?"]
        {
            assert_eq!(bad.parse::<ModuleHash>(), Err(ModuleHashError { text: bad.to_owned() }));
        }
    }
}
