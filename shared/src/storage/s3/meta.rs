//! What an answer's headers tell of an object.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use hyper::{
    HeaderMap,
    header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED},
};

use super::{
    super::{ETag, ObjectMeta},
    lineage::{self, Lineage},
    trouble::{Kind, Trouble},
};

/// What stands before the name of an object's metadata in a header's name.
const METADATA: &str = "x-amz-meta-";

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
    /// `size` is the whole object's, also where the answer is a part of it.
    pub(super) fn of(headers: &HeaderMap, size: u64) -> Result<Self, Trouble> {
        let metadata = |name: &str| text(headers, &format!("{METADATA}{name}"));
        let written = || metadata(MODIFIED)?.parse().ok();
        let stored = || {
            let told = text(headers, LAST_MODIFIED.as_str())?;
            let time = DateTime::from_str(told, DateTimeFormat::HttpDate).ok()?;
            time.to_millis().ok()?.try_into().ok()
        };
        let modified = from_milliseconds(written().or_else(stored).unwrap_or_default());
        let etag = etag(text(headers, ETAG.as_str()))?;
        let lineage = Lineage::of(metadata(lineage::FIELD).unwrap_or_default());
        Ok(Self { meta: ObjectMeta { size, etag, modified }, lineage })
    }
}

/// The length that an answer must tell.
pub(super) fn length(headers: &HeaderMap) -> Result<u64, Trouble> {
    let told = text(headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
    told.ok_or_else(|| nonsense("no length"))
}

/// A header that holds what it should.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
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
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, "\"x\"".parse().unwrap());
        headers.insert(LAST_MODIFIED, "Tue, 14 Nov 2023 22:13:20 GMT".parse().unwrap());
        let foreign = Known::of(&headers, 1).unwrap();
        assert_eq!(milliseconds(foreign.meta.modified), "1700000000000");
        headers.insert("x-amz-meta-stoa-modified", "1700000000123".parse().unwrap());
        let ours = Known::of(&headers, 1).unwrap();
        assert_eq!(milliseconds(ours.meta.modified), "1700000000123");
    }
}
