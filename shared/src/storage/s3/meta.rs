//! What an answer's headers tell of an object.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_sdk_s3::{
    operation::{get_object::GetObjectOutput, head_object::HeadObjectOutput},
    primitives::DateTime,
};

use super::{
    super::{ETag, ObjectMeta},
    lineage::Lineage,
    trouble::{Kind, Trouble},
};

/// Under which name of an object's metadata its time stands, in milliseconds since 1970.
/// A store tells its own time of a write only to a second one, so writers set it.
pub(super) const MODIFIED: &str = "stoa-modified";

/// What is known of an object that is there.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) meta: ObjectMeta,
    pub(super) lineage: Lineage,
}

impl Known {
    pub(super) fn from_head(answer: &HeadObjectOutput) -> Result<Self, Trouble> {
        known(
            length(answer.content_length())?,
            answer.e_tag(),
            answer.last_modified(),
            answer.metadata(),
        )
    }

    /// `size` is the whole object's, also where the answer is a part of it.
    pub(super) fn from_get(answer: &GetObjectOutput, size: u64) -> Result<Self, Trouble> {
        known(size, answer.e_tag(), answer.last_modified(), answer.metadata())
    }
}

/// The length that an answer must tell.
pub(super) fn length(told: Option<i64>) -> Result<u64, Trouble> {
    told.and_then(|length| u64::try_from(length).ok()).ok_or_else(|| nonsense("no length"))
}

/// An entity tag without the quotes around it.
pub(super) fn etag(told: Option<&str>) -> Result<ETag, Trouble> {
    let tag = told.map(|quoted| quoted.trim_matches('"')).filter(|tag| !tag.is_empty());
    tag.map(|tag| ETag(tag.to_owned())).ok_or_else(|| nonsense("no entity tag"))
}

/// An entity tag as headers carry it.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}

/// An answer that no store would give.
pub(super) fn nonsense(what: &str) -> Trouble {
    Trouble::new(Kind::Refused, format!("the answer makes no sense: {what}"))
}

/// Now, as precisely as metadata keeps it.
pub(super) fn now() -> SystemTime {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    from_milliseconds(u64::try_from(elapsed.as_millis()).unwrap_or_default())
}

/// A time as it stands in metadata.
pub(super) fn milliseconds(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

fn known(
    size: u64,
    tag: Option<&str>,
    last_modified: Option<&DateTime>,
    metadata: Option<&HashMap<String, String>>,
) -> Result<Known, Trouble> {
    let written = metadata.and_then(|metadata| metadata.get(MODIFIED)?.parse().ok());
    let stored = last_modified.and_then(|time| time.to_millis().ok()?.try_into().ok());
    let modified = from_milliseconds(written.or(stored).unwrap_or_default());
    let meta = ObjectMeta { size, etag: etag(tag)?, modified };
    Ok(Known { meta, lineage: Lineage::of(metadata) })
}

fn from_milliseconds(milliseconds: u64) -> SystemTime {
    // A time beyond what the system can tell is as good as none.
    let elapsed = Duration::from_millis(milliseconds);
    SystemTime::UNIX_EPOCH.checked_add(elapsed).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_metadata() {
        let time = now();
        assert_eq!(from_milliseconds(milliseconds(time).parse().unwrap()), time);
        assert_eq!(milliseconds(SystemTime::UNIX_EPOCH), "0");
    }

    #[test]
    fn an_entity_tag_has_no_quotes_inside_the_program_and_always_some_outside() {
        let tag = etag(Some("\"abc-2\"")).unwrap();
        assert_eq!(tag, ETag("abc-2".to_owned()));
        assert_eq!(etag(Some("abc-2")).unwrap(), tag);
        assert_eq!(quoted(&tag), "\"abc-2\"");
        assert!(etag(None).is_err() && etag(Some("\"\"")).is_err());
    }

    #[test]
    fn an_object_of_another_program_has_the_stores_own_time() {
        let stored = DateTime::from_secs(1_700_000_000);
        let foreign = known(1, Some("x"), Some(&stored), None).unwrap();
        assert_eq!(milliseconds(foreign.meta.modified), "1700000000000");
        let metadata = HashMap::from([(MODIFIED.to_owned(), "1700000000123".to_owned())]);
        let ours = known(1, Some("x"), Some(&stored), Some(&metadata)).unwrap();
        assert_eq!(milliseconds(ours.meta.modified), "1700000000123");
    }
}
