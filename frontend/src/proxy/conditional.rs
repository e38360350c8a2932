//! Conditions and ranges of requests (RFC 9110 §13, §14), as far as immutable objects need them.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

/// Whether `If-None-Match`, in any of its lines, lists the tag or says `*`; weak tags
/// compare too (§13.1.2).
pub(crate) fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = asked.get_all(IF_NONE_MATCH).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| {
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    })
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, one that cannot be read, or several.
    Whole,
    /// These bytes, end exclusive, never empty.
    Part(Range<u64>),
    /// Nothing that exists.
    Unsatisfiable,
}

/// Reads `Range` against an object of `size` bytes. `If-Range` must repeat the strong
/// tag; a date never does, because immutable objects are known by their tag alone.
pub(crate) fn wanted(
    range: Option<&HeaderValue>,
    if_range: Option<&HeaderValue>,
    etag: Option<&HeaderValue>,
    size: u64,
) -> Wanted {
    if if_range.is_some() && if_range != etag {
        return Wanted::Whole;
    }
    let Some(bounds) = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = bounds.split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim(), last.trim());
    let part = match (position(first), position(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Wanted::Whole,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Unsatisfiable }
}

/// Decimal digits only; what is too large for any object is as good as the largest number.
fn position(digits: &str) -> Option<u64> {
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ten_bytes_are_wanted() {
        use Wanted::{Part, Unsatisfiable, Whole};
        let table = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=2-5", Part(2..6)),
            ("bytes=2-", Part(2..10)),
            ("bytes=2-99", Part(2..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-99", Part(0..10)),
            ("bytes=9-18446744073709551615", Part(9..10)),
            ("bytes=9-99999999999999999999999", Part(9..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("lines=1-2", Whole),
        ];
        for (range, expected) in table {
            let range = HeaderValue::from_static(range);
            assert_eq!(wanted(Some(&range), None, None, 10), expected, "{range:?}");
        }
        assert_eq!(wanted(None, None, None, 10), Whole);
        let all = HeaderValue::from_static("bytes=0-");
        assert_eq!(wanted(Some(&all), None, None, 0), Unsatisfiable, "of an empty object");
    }

    #[test]
    fn a_range_of_another_object_is_not_given() {
        let range = HeaderValue::from_static("bytes=2-5");
        let etag = HeaderValue::from_static("\"e\"");
        let table = [
            ("\"e\"", Wanted::Part(2..6)),
            ("\"other\"", Wanted::Whole),
            ("W/\"e\"", Wanted::Whole),
            ("Mon, 01 Jan 2024 00:00:00 GMT", Wanted::Whole),
        ];
        for (condition, expected) in table {
            let condition = HeaderValue::from_static(condition);
            assert_eq!(wanted(Some(&range), Some(&condition), Some(&etag), 10), expected);
        }
    }

    #[test]
    fn tags_match() {
        let etag = HeaderValue::from_static("\"e\"");
        let table: [(&[&str], bool); 9] = [
            (&["\"e\""], true),
            (&["W/\"e\""], true),
            (&["\"d\", \"e\""], true),
            (&["\"d\"", "\"e\""], true),
            (&["*"], true),
            (&["\"d\""], false),
            (&["e"], false),
            (&[""], false),
            (&[], false),
        ];
        for (lines, expected) in table {
            let mut asked = HeaderMap::new();
            for line in lines {
                asked.append(IF_NONE_MATCH, HeaderValue::from_static(line));
            }
            assert_eq!(is_known(&asked, &etag), expected, "{asked:?}");
        }
    }
}
