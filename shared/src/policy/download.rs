//! `Downloads`: what a miss of a public module becomes, per pattern (design §6).

use std::{fmt, str::FromStr};

use super::{Pattern, PatternError};
use crate::{
    config::{InvalidValue, PublicUrl},
    module::{ModulePath, Version},
};

/// The download rules; of those that match the first decides, and where none does the
/// default, if there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloads {
    rules: Vec<DownloadRule>,
    default: Option<Download>,
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadEntry {
    /// `pattern=mode[>url]`
    Rule(DownloadRule),
    /// `mode[>url]`, for whatever no pattern matches.
    Default(Download),
}

/// What a miss of the modules that match a pattern becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRule {
    pattern: Pattern,
    download: Download,
}

/// What a miss becomes: a mode and, where it redirects, to which base URL; without one
/// it is the registry's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The client waits until the version is here.
    Wait,
    /// The client is sent elsewhere.
    Redirect(Option<PublicUrl>),
    /// The client is sent elsewhere, and the version is brought here behind the scenes.
    RedirectAndFill(Option<PublicUrl>),
    /// The client hears that there is none, and the version is brought here.
    Fill,
    /// The client hears that there is none: `none`.
    Nothing,
}

/// A text that is no download entry. A URL is never repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// Before the `=`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A `!` would allow nothing that another mode does not say better.
    #[error("! has no meaning here: give the pattern a mode of its own in front of the others")]
    Exception,
    /// Neither a rule nor a default.
    #[error("expected pattern=mode or a mode alone; modes are {MODES}")]
    NoMode,
    /// After the `=`.
    #[error("expected a download mode: {MODES}")]
    Mode,
    /// A mode that sends nobody elsewhere.
    #[error("only redirect and redirect_and_fill have a target: leave out > and what follows")]
    NeedlessTarget,
    /// After the `>`.
    #[error(transparent)]
    Target(#[from] InvalidValue),
    /// More than one default.
    #[error("{0} and {1} are both the default: leave one out, or give it a pattern")]
    TwoDefaults(Box<Download>, Box<Download>),
}

/// How a mode is called, whatever its target.
enum Mode {
    Wait,
    Redirect,
    RedirectAndFill,
    Fill,
    Nothing,
}

const MODES: &str = "wait, redirect, redirect_and_fill, fill or none";

impl Downloads {
    /// The list of these entries, which may hold one default, anywhere.
    pub fn new(entries: impl IntoIterator<Item = DownloadEntry>) -> Result<Self, DownloadError> {
        let mut downloads = Self::default();
        for entry in entries {
            match (entry, downloads.default.take()) {
                (DownloadEntry::Default(second), Some(first)) => {
                    return Err(DownloadError::TwoDefaults(Box::new(first), Box::new(second)));
                }
                (DownloadEntry::Default(default), None) => downloads.default = Some(default),
                (DownloadEntry::Rule(rule), default) => {
                    downloads.rules.push(rule);
                    downloads.default = default;
                }
            }
        }
        Ok(downloads)
    }

    /// What a miss of this version of the module becomes; `None` where only the role
    /// says. Without a version (list, latest, a branch) rules with a range do not hold.
    pub fn find(&self, module: &ModulePath, version: Option<&Version>) -> Option<&Download> {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(module, version));
        rule.map(|rule| &rule.download).or(self.default.as_ref())
    }
}

impl DownloadRule {
    /// A rule of its parts.
    pub fn new(pattern: Pattern, download: Download) -> Result<Self, DownloadError> {
        if pattern.is_exception() {
            return Err(DownloadError::Exception);
        }
        Ok(Self { pattern, download })
    }
}

impl FromStr for DownloadEntry {
    type Err = DownloadError;

    fn from_str(text: &str) -> Result<Self, DownloadError> {
        // No module path starts like a mode, for want of a dot.
        if Mode::named(text.split('>').next().unwrap_or_default()).is_some() {
            return text.parse().map(Self::Default);
        }
        let (pattern, download) = Pattern::split_assignment(text);
        let download = download.ok_or(DownloadError::NoMode)?;
        DownloadRule::new(pattern.parse()?, download.parse()?).map(Self::Rule)
    }
}

impl FromStr for Download {
    type Err = DownloadError;

    fn from_str(text: &str) -> Result<Self, DownloadError> {
        let (mode, target) = match text.split_once('>') {
            Some((mode, target)) => (mode, Some(target)),
            None => (text, None),
        };
        let mode = Mode::named(mode).ok_or(DownloadError::Mode)?;
        let target = target.map(|target| target.trim().parse()).transpose()?;
        match (mode, target) {
            (Mode::Redirect, target) => Ok(Self::Redirect(target)),
            (Mode::RedirectAndFill, target) => Ok(Self::RedirectAndFill(target)),
            (_, Some(_)) => Err(DownloadError::NeedlessTarget),
            (Mode::Wait, None) => Ok(Self::Wait),
            (Mode::Fill, None) => Ok(Self::Fill),
            (Mode::Nothing, None) => Ok(Self::Nothing),
        }
    }
}

impl Mode {
    fn named(text: &str) -> Option<Self> {
        match text.trim() {
            "wait" => Some(Self::Wait),
            "redirect" => Some(Self::Redirect),
            "redirect_and_fill" => Some(Self::RedirectAndFill),
            "fill" => Some(Self::Fill),
            "none" => Some(Self::Nothing),
            _ => None,
        }
    }
}

impl fmt::Display for DownloadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.download)
    }
}

impl fmt::Display for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, target) = match self {
            Self::Wait => ("wait", None),
            Self::Redirect(target) => ("redirect", target.as_ref()),
            Self::RedirectAndFill(target) => ("redirect_and_fill", target.as_ref()),
            Self::Fill => ("fill", None),
            Self::Nothing => ("none", None),
        };
        match target {
            Some(target) => write!(f, "{mode}>{target}"),
            None => f.write_str(mode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloads(entries: &[&str]) -> Result<Downloads, DownloadError> {
        Downloads::new(entries.iter().map(|entry| entry.parse().unwrap()))
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_else_the_default() {
        let rules = [
            "fill",
            "a.b/old@<v1.0.0=none",
            "a.b/old=redirect>https://mirror.example/go/",
            "a.b/*=wait",
        ];
        let downloads = downloads(&rules).unwrap();
        for (module, version, expected) in [
            ("a.b/old", Some("v0.9.0"), "none"),
            ("a.b/old", Some("v1.0.0"), "redirect>https://mirror.example/go"),
            ("a.b/old", None, "redirect>https://mirror.example/go"),
            ("a.b/new", Some("v0.9.0"), "wait"),
            ("x.y/z", None, "fill"),
        ] {
            let version = version.map(|version: &str| version.parse().unwrap());
            let found = downloads.find(&module.parse().unwrap(), version.as_ref()).unwrap();
            assert_eq!(found.to_string(), expected, "{module} {version:?}");
        }
        let module = "a.b/c".parse().unwrap();
        assert_eq!(Downloads::default().find(&module, None), None);
    }

    #[test]
    fn there_is_one_default() {
        let refusal = downloads(&["wait", "a.b=none", "redirect>https://m.example"]).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "wait and redirect>https://m.example are both the default: leave one out, or give it a pattern"
        );
    }

    #[test]
    fn an_entry_is_a_rule_or_a_default() {
        for (text, shown) in [
            ("wait", "default wait"),
            (" redirect > https://m.example/a=b/ ", "default redirect>https://m.example/a=b"),
            ("*=redirect_and_fill", "*=redirect_and_fill"),
            ("a.b/* = fill", "a.b/*=fill"),
            ("a.b@>=v1.0.0 <v2.0.0=none", "a.b@>=v1.0.0 <v2.0.0=none"),
            (
                "a.b=redirect_and_fill>http://127.0.0.1:1/x",
                "a.b=redirect_and_fill>http://127.0.0.1:1/x",
            ),
        ] {
            let entry: DownloadEntry = text.parse().unwrap();
            let display = match entry {
                DownloadEntry::Rule(rule) => rule.to_string(),
                DownloadEntry::Default(download) => format!("default {download}"),
            };
            assert_eq!(display, shown);
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_without_repeating_a_password() {
        for (bad, problem) in [
            ("wiat", "expected pattern=mode or a mode alone"),
            ("a.b", "expected pattern=mode or a mode alone"),
            ("rediret>https://u:hunter2@m.example", "expected pattern=mode or a mode alone"),
            ("a.b=", "expected a download mode"),
            ("a.b=wiat", "expected a download mode"),
            ("a.b=https://u:hunter2@m.example", "expected a download mode"),
            ("=wait", "the pattern is empty"),
            ("!a.b=wait", "! has no meaning here"),
            ("wait>https://m.example", "only redirect and redirect_and_fill"),
            ("a.b=none>https://m.example", "only redirect and redirect_and_fill"),
            ("redirect>", "expected a URL"),
            ("redirect>ftp://m.example", "expected a URL that starts with http, https"),
            ("redirect>https://m.example?a=b", "expected a URL without query"),
            ("a.b=redirect>https://u:hunter2@m.example", "credentials do not belong in a URL"),
        ] {
            let refusal = bad.parse::<DownloadEntry>().unwrap_err().to_string();
            assert!(refusal.starts_with(problem), "{bad}: {refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
