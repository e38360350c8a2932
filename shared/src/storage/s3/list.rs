//! Listing, in the byte order that S3 promises for keys.
//!
//! MinIO leaves keys out if it is asked for what comes after a place in a directory: to
//! find what comes after `a/x` it walks through `a-b/…` too, which comes before, and what
//! it lets itself read at once may be used up by that. It is right about whole
//! directories, about places that no slash follows, and about its own continuations. So
//! those are all that is asked for: the continuation where we have just been told it, and
//! else the steps of [`beyond`].

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use aws_sdk_s3::types::EncodingType;
use moka::sync::Cache;
use percent_encoding::percent_decode_str;

use super::{
    super::{KeyPrefix, Page, StorageError},
    bucket::Bucket,
    meta::nonsense,
    trouble::{Kind, Trouble},
};

/// The most keys that a store tells in one answer.
const MOST: usize = 1000;

/// How many continuations are remembered: one for each listing that is under way.
const REMEMBERED: u64 = 1024;

/// For how long. A continuation may show the bucket as it was when the listing began.
const FRESH: Duration = Duration::from_secs(60);

/// The store's continuations of listings, by prefix and last key.
#[derive(Debug)]
pub(super) struct Continuations(Cache<(String, String), String>);

impl Default for Continuations {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build())
    }
}

/// A part of what a page may hold.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// All that starts with the prefix.
    All { prefix: String },
    /// What starts with the prefix and comes after a place in that directory itself.
    After { prefix: String, place: String },
    /// This key, if it is there.
    Key(String),
    /// What the store continues with.
    Continued { prefix: String, token: String },
}

/// What a store tells at once.
struct Answer {
    keys: Vec<String>,
    /// Where it would go on.
    token: Option<String>,
}

impl Bucket {
    pub(super) async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let prefix = prefix.as_str();
        // A place before the prefix is no place, and nothing comes after one beyond it;
        // not every store knows either.
        let after = after.filter(|after| *after > prefix);
        let steps = match after {
            Some(after) if !after.starts_with(prefix) => Vec::new(),
            None => vec![Step::All { prefix: prefix.to_owned() }],
            Some(after) => {
                // Used once, so that whoever asks again sees what is new.
                let told = self.continuations.0.remove(&(prefix.to_owned(), after.to_owned()));
                match told {
                    None => beyond(prefix, after),
                    Some(token) => vec![Step::Continued { prefix: prefix.to_owned(), token }],
                }
            }
        };
        let listed = match (self.take_steps(prefix, steps, limit).await, after) {
            // A store may forget what it told.
            (Err(trouble), Some(after)) if trouble.kind == Kind::Refused => {
                self.take_steps(prefix, beyond(prefix, after), limit).await
            }
            (listed, _) => listed,
        };
        listed.map_err(|trouble| StorageError::Unavailable {
            key: prefix.to_owned(),
            source: Box::new(trouble),
        })
    }

    async fn take_steps(
        &self,
        prefix: &str,
        steps: Vec<Step>,
        limit: usize,
    ) -> Result<Page, Trouble> {
        let mut page = Page { keys: Vec::new(), next: None };
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            if page.keys.len() >= limit {
                page.next = page.keys.last().cloned();
                break;
            }
            let Answer { keys, token } = self.ask(&step, limit - page.keys.len()).await?;
            page.keys.extend(keys);
            let (Some(token), Some(prefix_of_step)) = (token, step.prefix()) else { continue };
            let is_whole = prefix_of_step == prefix && steps.is_empty();
            if let (true, Some(last)) = (is_whole && page.keys.len() >= limit, page.keys.last()) {
                self.continuations.0.insert((prefix.to_owned(), last.clone()), token.clone());
            }
            steps.push_front(Step::Continued { prefix: prefix_of_step.to_owned(), token });
        }
        Ok(page)
    }

    async fn ask(&self, step: &Step, wanted: usize) -> Result<Answer, Trouble> {
        let (prefix, place, token) = match step {
            Step::All { prefix } | Step::Key(prefix) => (prefix, None, None),
            Step::After { prefix, place } => (prefix, Some(self.object_name(place)), None),
            Step::Continued { prefix, token } => (prefix, None, Some(token.clone())),
        };
        let wanted = if matches!(step, Step::Key(_)) { 1 } else { wanted.min(MOST) };
        let asked = || async {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(self.object_name(prefix))
                .set_start_after(place.clone())
                .set_continuation_token(token.clone())
                .max_keys(i32::try_from(wanted).unwrap_or(i32::MAX))
                // Without it a name that XML cannot hold breaks the whole answer.
                .encoding_type(EncodingType::Url);
            self.patience.attempt(0, Box::pin(request.send())).await
        };
        let answer = self.patience.repeat(asked).await?;
        let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let names = answer.contents().iter().filter_map(|object| object.key());
        let keys = names.map(|name| self.key(name, is_encoded)).collect::<Result<Vec<_>, _>>()?;
        if let Step::Key(key) = step {
            let keys = keys.into_iter().filter(|found| found == key).collect();
            return Ok(Answer { keys, token: None });
        }
        let token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        Ok(Answer { keys, token })
    }

    /// The key of an object's name in an answer.
    fn key(&self, name: &str, is_encoded: bool) -> Result<String, Trouble> {
        let name = if is_encoded { decode(name)? } else { Cow::Borrowed(name) };
        let key =
            name.strip_prefix(&self.prefix).ok_or_else(|| nonsense("a name not asked for"))?;
        Ok(key.to_owned())
    }
}

impl Step {
    /// The prefix that a continuation of this step has.
    fn prefix(&self) -> Option<&str> {
        match self {
            Self::All { prefix } | Self::After { prefix, .. } | Self::Continued { prefix, .. } => {
                Some(prefix)
            }
            Self::Key(_) => None,
        }
    }
}

/// All that starts with `prefix` and comes after `place`, from the innermost directory
/// outwards. What comes after a directory `d/` is the key `d0`, because `0` follows the
/// slash in ASCII, and what comes after that.
fn beyond(prefix: &str, place: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut place = place.to_owned();
    while let Some(slash) = place[prefix.len()..].rfind('/') {
        let directory = place[..prefix.len() + slash].to_owned();
        let next = format!("{directory}0");
        steps.push(Step::After { prefix: format!("{directory}/"), place });
        steps.push(Step::Key(next.clone()));
        place = next;
    }
    steps.push(Step::After { prefix: prefix.to_owned(), place });
    steps
}

/// Undoes the encoding of forms, in which a space is a plus sign.
fn decode(name: &str) -> Result<Cow<'_, str>, Trouble> {
    let spaced = name.replace('+', "%20");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| nonsense("a name that is not UTF-8"))?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        let name = "example.com/m/%40v/v1.0.0%2Bincompatible.mod";
        assert_eq!(decode(name).unwrap(), "example.com/m/@v/v1.0.0+incompatible.mod");
        assert_eq!(decode("a+b%20c%21").unwrap(), "a b c!");
        assert!(decode("%ff").is_err());
    }

    #[test]
    fn the_steps_beyond_a_place_cover_all_that_follows_and_nothing_twice() {
        let mut keys = vec!["p/a", "p/a-b/c", "p/a/b", "p/a/b-c/d", "p/a/b/c", "p/a/b0", "p/a/b0x"];
        keys.extend(["p/a/c", "p/a0", "p/a0/b", "p/b", "p/a.b", "p/a/b/d/e", "p/a/b/c/d", "q"]);
        keys.sort_unstable();
        let below = |prefix: &str| -> Vec<&str> {
            keys.iter().copied().filter(|key| key.starts_with(prefix)).collect()
        };
        for prefix in ["", "p/", "p/a", "p/a/"] {
            for place in below(prefix) {
                let found: Vec<&str> = beyond(prefix, place)
                    .iter()
                    .flat_map(|step| match step {
                        Step::Key(key) => {
                            below(key).into_iter().filter(|found| found == key).collect()
                        }
                        Step::After { prefix, place } => {
                            assert!(!place[prefix.len()..].contains('/'), "{step:?}");
                            let after = |key: &&str| *key > place.as_str();
                            below(prefix).into_iter().filter(after).collect::<Vec<_>>()
                        }
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let expected: Vec<&str> =
                    below(prefix).into_iter().filter(|key| *key > place).collect();
                assert_eq!(found, expected, "{prefix:?} {place:?}");
            }
        }
    }
}
