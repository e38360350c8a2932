//! `PseudoVersion`: a version that names a commit (go-modules §3.5, §3.7).

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{PathMajor, Version, semver};

const INCOMPATIBLE: &str = "+incompatible";
const TIME_FORMAT: &str = "%Y%m%d%H%M%S";

/// What a pseudo-version says of its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PseudoVersion {
    base: Option<String>,
    time: Timestamp,
    revision: String,
}

/// A pseudo-version that cannot be one, whatever the repository holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PseudoVersionError {
    /// The text has not the shape of one.
    #[error("{text:?} is not a pseudo-version")]
    Shape {
        /// The text.
        text: String,
    },
    /// Its 14 digits are no time.
    #[error("pseudo-version {version} invalid: malformed time {time:?}")]
    Time {
        /// The pseudo-version.
        version: String,
        /// The digits.
        time: String,
    },
    /// `vX.Y.0-0.*` would follow a version with a negative patch number.
    #[error(
        "pseudo-version {version} invalid: version before {next} would have negative patch number"
    )]
    NegativePatch {
        /// The pseudo-version.
        version: String,
        /// The version whose predecessor is sought.
        next: String,
    },
    /// Metadata belongs to the base, and there is none.
    #[error(
        "pseudo-version {version} invalid: lacks base version, but has build metadata {build:?}"
    )]
    MetadataWithoutBase {
        /// The pseudo-version.
        version: String,
        /// The metadata with its `+`.
        build: String,
    },
    /// Not a short commit id.
    #[error("revision {revision:?} is not one or more letters and digits")]
    Revision {
        /// The text.
        revision: String,
    },
}

impl PseudoVersion {
    /// The version that names the commit `revision` (12 hex digits) of `time`, placed
    /// just above `base`. Without a base, `major` says which major version it gets.
    pub fn name(
        major: &PathMajor,
        base: Option<&Version>,
        time: Timestamp,
        revision: &str,
    ) -> Result<Version, PseudoVersionError> {
        if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(PseudoVersionError::Revision { revision: revision.to_owned() });
        }
        let commit = format!("{}-{revision}", time.strftime(TIME_FORMAT));
        let text = match base {
            None => format!("{}.0.0-{commit}", major.default_major()),
            Some(base) => {
                let build = semver::build(base.as_str());
                let base = base.without_incompatible();
                if base.is_prerelease() {
                    format!("{base}.0.{commit}{build}")
                } else {
                    let (minor, patch) = split_patch(base.as_str());
                    format!("{minor}.{}-0.{commit}{build}", increment(patch))
                }
            }
        };
        Ok(text.parse().expect("a canonical base with identifiers added stays canonical"))
    }

    /// Takes a pseudo-version apart. `+incompatible` is left aside: it says something of
    /// the module, not of the commit.
    pub fn parse(text: &str) -> Result<Self, PseudoVersionError> {
        let Some(Shape { before_time, time, revision }) =
            Shape::of(text).filter(|_| semver::is_valid(text))
        else {
            return Err(PseudoVersionError::Shape { text: text.to_owned() });
        };
        let version = || text.to_owned();
        let build = match semver::build(text) {
            INCOMPATIBLE => "",
            build => build,
        };
        let timestamp = parse_time(time).ok_or_else(|| PseudoVersionError::Time {
            version: version(),
            time: time.to_owned(),
        })?;
        let base = match before_time {
            BeforeTime::Major if build.is_empty() => None,
            BeforeTime::Major => {
                let build = build.to_owned();
                return Err(PseudoVersionError::MetadataWithoutBase { version: version(), build });
            }
            BeforeTime::NextPatch(next) => {
                let (minor, patch) = split_patch(next);
                let patch = decrement(patch).ok_or_else(|| PseudoVersionError::NegativePatch {
                    version: version(),
                    next: next.to_owned(),
                })?;
                Some(format!("{minor}.{patch}{build}"))
            }
            BeforeTime::Prerelease(base) => Some(format!("{base}{build}")),
        };
        Ok(Self { base, time: timestamp, revision: revision.to_owned() })
    }

    /// The version that this one is placed above, if it is: canonical, but with the
    /// build metadata of the pseudo-version, other than `+incompatible`.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// The commit's time, in whole seconds.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The abbreviated commit id, as written.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

/// Whether a text has the shape of a pseudo-version. Its time and base may still be
/// impossible, and its revision of any length.
pub fn is_pseudo_version(text: &str) -> bool {
    semver::is_valid(text) && Shape::of(text).is_some()
}

struct Shape<'a> {
    before_time: BeforeTime<'a>,
    time: &'a str,
    revision: &'a str,
}

enum BeforeTime<'a> {
    /// `vX.0.0-`
    Major,
    /// `vX.Y.Z-0.`, without the `-0.`
    NextPatch(&'a str),
    /// `vX.Y.Z-PRERELEASE.0.`, without the `.0.`
    Prerelease(&'a str),
}

impl<'a> Shape<'a> {
    /// Expects a valid semantic version.
    fn of(text: &'a str) -> Option<Self> {
        let (text, _) = text.split_at(text.find('+').unwrap_or(text.len()));
        let (rest, revision) = text.rsplit_once('-')?;
        let (before_time, time) = rest.split_at_checked(rest.len().checked_sub(14)?)?;
        if revision.is_empty()
            || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric())
            || !time.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let before_time = match before_time.strip_suffix("0.") {
            Some(head) => match head.strip_suffix('-') {
                Some(next) if !next.contains('-') => BeforeTime::NextPatch(next),
                _ => BeforeTime::Prerelease(
                    head.strip_suffix('.').filter(|base| base.contains('-'))?,
                ),
            },
            None => {
                let (_major, zeros) = before_time.split_once('.')?;
                (zeros == "0.0-").then_some(BeforeTime::Major)?
            }
        };
        Some(Self { before_time, time, revision })
    }
}

/// Expects 14 digits.
fn parse_time(digits: &str) -> Option<Timestamp> {
    let number = |start: usize, end: usize| digits.get(start..end)?.parse::<i8>().ok();
    let time = DateTime::new(
        digits.get(..4)?.parse().ok()?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    Offset::UTC.to_timestamp(time.ok()?).ok()
}

/// `vX.Y` and `Z` of a release `vX.Y.Z`.
fn split_patch(release: &str) -> (&str, &str) {
    release.rsplit_once('.').expect("a canonical release has a patch number")
}

fn increment(number: &str) -> String {
    let kept = number.trim_end_matches('9');
    let nines = number.len() - kept.len();
    let (head, last) = kept.split_at(kept.len().saturating_sub(1));
    let last = last.bytes().next().map_or(1, |digit| digit - b'0' + 1);
    format!("{head}{last}{}", "0".repeat(nines))
}

/// `None` for zero.
fn decrement(number: &str) -> Option<String> {
    let kept = number.trim_end_matches('0');
    let zeros = number.len() - kept.len();
    let (head, last) = kept.split_at(kept.len().checked_sub(1)?);
    let last = last.bytes().next()? - b'0' - 1;
    let nines = "9".repeat(zeros);
    Some(if head.is_empty() && last == 0 && zeros > 0 {
        nines
    } else {
        format!("{head}{last}{nines}")
    })
}

#[cfg(test)]
mod tests;
