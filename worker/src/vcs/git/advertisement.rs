//! The first answer of a smart server: what it can do and, before version 2, its refs.

use std::io::Read;

use super::error::WireError;
use super::pkt_line::{Packet, PacketReader};
use super::refs::{RefCollector, split};
use crate::vcs::{Capabilities, ObjectFormat, Protocol, RefListing};

/// What a server advertises.
#[derive(Debug)]
pub(super) enum Advertisement {
    /// Version 2: the refs are asked for separately.
    V2(Capabilities),
    /// Versions 0 and 1.
    V0(RefListing),
}

/// Reads an advertisement of any version to its end.
pub(super) fn parse(reader: impl Read, ref_limit: usize) -> Result<Advertisement, WireError> {
    let mut packets = PacketReader::new(reader);
    let mut first = next_line(&mut packets)?;
    // HTTP servers announce the service; some leave that out in version 2.
    if first.as_deref().is_some_and(|line| line.starts_with(b"# service=")) {
        next_line(&mut packets)?;
        first = next_line(&mut packets)?;
    }
    match first.as_deref() {
        Some(b"version 2") => parse_v2(&mut packets).map(Advertisement::V2),
        Some(b"version 1") => {
            let first = next_line(&mut packets)?;
            parse_v0(first, &mut packets, ref_limit).map(Advertisement::V0)
        }
        _ => parse_v0(first, &mut packets, ref_limit).map(Advertisement::V0),
    }
}

/// Reads past an advertisement, of this version, that comes before an answer; what
/// follows it stays in the reader.
pub(super) fn skip(reader: impl Read, is_v2: bool) -> Result<(), WireError> {
    let mut packets = PacketReader::new(reader);
    let first = next_line(&mut packets)?;
    let Some(first) = first else { return Ok(()) };
    if (first == b"version 2") != is_v2 {
        return Err(WireError::malformed("another version than before", &first));
    }
    while packets.line()?.is_some() {}
    Ok(())
}

fn next_line(packets: &mut PacketReader<impl Read>) -> Result<Option<Vec<u8>>, WireError> {
    Ok(packets.line()?.map(<[u8]>::to_vec))
}

fn parse_v2(packets: &mut PacketReader<impl Read>) -> Result<Capabilities, WireError> {
    let mut capabilities = Capabilities {
        protocol: Protocol::V2,
        object_format: ObjectFormat::Sha1,
        can_filter: false,
        can_be_shallow: false,
    };
    let (mut can_list, mut can_fetch) = (false, false);
    while let Some(line) = packets.line()? {
        let (name, value) = split(line, b'=');
        match name {
            b"ls-refs" => can_list = true,
            b"fetch" => {
                can_fetch = true;
                let mut features = value.split(|&byte| byte == b' ');
                capabilities.can_filter = features.clone().any(|feature| feature == b"filter");
                capabilities.can_be_shallow = features.any(|feature| feature == b"shallow");
            }
            b"object-format" => capabilities.object_format = object_format(value)?,
            _ => {}
        }
    }
    if !(can_list && can_fetch) {
        return Err(WireError::malformed("a server that cannot list or fetch", b"version 2"));
    }
    Ok(capabilities)
}

fn parse_v0(
    first: Option<Vec<u8>>,
    packets: &mut PacketReader<impl Read>,
    ref_limit: usize,
) -> Result<RefListing, WireError> {
    let mut capabilities = Capabilities {
        protocol: Protocol::V0,
        object_format: ObjectFormat::Sha1,
        can_filter: false,
        can_be_shallow: false,
    };
    let mut refs = RefCollector::new(ref_limit);
    // Very old servers answer an empty repository with a flush alone.
    let Some(first) = first else { return Ok(refs.finish(capabilities)) };
    let (line, features) = split(&first, 0);
    for feature in features.split(|&byte| byte == b' ') {
        match split(feature, b'=') {
            (b"filter", _) => capabilities.can_filter = true,
            (b"shallow", _) => capabilities.can_be_shallow = true,
            (b"object-format", value) => capabilities.object_format = object_format(value)?,
            _ => {}
        }
    }
    // In an empty repository the capabilities hang on a name that is no ref.
    if !line.ends_with(b" capabilities^{}") {
        refs.add_line(line, b' ')?;
    }
    loop {
        match packets.packet()? {
            Packet::Data(data) if data.starts_with(b"shallow ") => {}
            Packet::Data(data) => {
                if let Some(message) = data.strip_prefix(b"ERR ") {
                    return Err(WireError::remote(message));
                }
                refs.add_line(data.strip_suffix(b"\n").unwrap_or(data), b' ')?;
            }
            _ => return Ok(refs.finish(capabilities)),
        }
    }
}

fn object_format(name: &[u8]) -> Result<ObjectFormat, WireError> {
    match name {
        b"sha1" => Ok(ObjectFormat::Sha1),
        b"sha256" => Ok(ObjectFormat::Sha256),
        _ => Err(WireError::malformed("an unknown object format", name)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pkt_line::push_line;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn message(sections: &[&[&str]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for lines in sections {
            lines.iter().for_each(|line| push_line(&mut bytes, line));
            bytes.extend_from_slice(b"0000");
        }
        bytes
    }

    fn v2(lines: &[&str]) -> Result<Capabilities, WireError> {
        let lines = [&["version 2"], lines].concat();
        match parse(&message(&[&lines])[..], 10)? {
            Advertisement::V2(capabilities) => Ok(capabilities),
            Advertisement::V0(listing) => panic!("{listing:?}"),
        }
    }

    #[test]
    fn version_2_says_what_it_can_do_with_or_without_announcement() {
        let plain = v2(&["agent=git/2", "ls-refs=unborn", "fetch=shallow wait-for-done filter"]);
        let plain = plain.unwrap();
        assert!(plain.can_filter && plain.can_be_shallow);
        assert_eq!(plain.object_format, ObjectFormat::Sha1);
        let bare = v2(&["ls-refs", "fetch", "object-format=sha256"]).unwrap();
        assert!(!bare.can_filter && !bare.can_be_shallow);
        assert_eq!(bare.object_format, ObjectFormat::Sha256);
        let announced =
            message(&[&["# service=git-upload-pack"], &["version 2", "ls-refs", "fetch=shallow"]]);
        assert!(matches!(parse(&announced[..], 10).unwrap(), Advertisement::V2(_)));
        assert!(v2(&["fetch"]).is_err());
        assert!(v2(&["ls-refs", "fetch", "object-format=md5"]).is_err());
    }

    #[test]
    fn older_versions_list_their_refs_at_once() {
        let first = format!("{ID} HEAD\0shallow symref=HEAD:refs/heads/main filter agent=x");
        let others = ["refs/heads/main", "refs/pull/1/head", "refs/tags/v1", "refs/tags/v1^{}"];
        let others = others.map(|name| format!("{} {name}", ID.replace('0', "f")));
        let peeled = format!("{ID} refs/tags/v1^{{}}");
        let lines =
            [&first[..], &others[0], &others[1], &others[2], &peeled, &format!("shallow {ID}")];
        for lines in [lines.to_vec(), [&["version 1"], &lines[..]].concat()] {
            let Advertisement::V0(listing) = parse(&message(&[&lines])[..], 10).unwrap() else {
                panic!("not version 0");
            };
            assert!(listing.capabilities.can_filter && listing.capabilities.can_be_shallow);
            assert_eq!(listing.head.unwrap().to_string(), ID);
            assert_eq!(listing.heads.keys().collect::<Vec<_>>(), ["main"]);
            assert_eq!(listing.tags["v1"].peeled.to_string(), ID);
            assert_ne!(listing.tags["v1"].object.to_string(), ID);
        }
        let error = parse(&message(&[&lines])[..], 3).unwrap_err();
        assert_eq!(error.to_string(), "more than 3 refs");
    }

    #[test]
    fn an_empty_repository_has_capabilities_and_no_refs() {
        let line = format!("{} capabilities^{{}}\0object-format=sha256", "0".repeat(64));
        for bytes in [message(&[&[&line]]), message(&[&[]])] {
            let Advertisement::V0(listing) = parse(&bytes[..], 10).unwrap() else {
                panic!("not version 0");
            };
            assert!(listing.head.is_none() && listing.heads.is_empty() && listing.tags.is_empty());
        }
    }

    #[test]
    fn what_is_no_advertisement_is_an_error() {
        for bytes in [&b"<html>"[..], b"", b"000ahello\n0000", b"0012ERR not here\n"] {
            assert!(parse(bytes, 10).is_err(), "{bytes:?}");
        }
        let unfinished = message(&[&[&format!("{ID} HEAD\0")]]);
        assert!(parse(&unfinished[..unfinished.len() - 4], 10).is_err());
    }
}
