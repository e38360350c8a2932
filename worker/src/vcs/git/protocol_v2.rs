//! Protocol version 2: `ls-refs` and `fetch`, each one request and one answer.

use std::io::Read;

use super::error::WireError;
use super::pkt_line::{DELIMITER, FLUSH, PacketReader, push_line};
use super::refs::{RefCollector, parse_id};
use super::side_band::PackStream;
use crate::vcs::{Capabilities, FetchRequest, History, ObjectFormat, RefListing};

/// Asks for `HEAD`, heads and tags, tags peeled.
pub(super) fn ls_refs_request(format: ObjectFormat) -> Vec<u8> {
    let mut request = command("ls-refs", format);
    for line in ["peel", "ref-prefix HEAD", "ref-prefix refs/heads/", "ref-prefix refs/tags/"] {
        push_line(&mut request, line);
    }
    request.extend_from_slice(FLUSH);
    request
}

/// Reads the answer to [`ls_refs_request`].
pub(super) fn parse_ls_refs(
    reader: impl Read,
    capabilities: Capabilities,
    ref_limit: usize,
) -> Result<RefListing, WireError> {
    let mut packets = PacketReader::new(reader);
    let mut refs = RefCollector::new(ref_limit);
    while let Some(line) = packets.line()? {
        let malformed = || WireError::malformed("not a ref", line);
        let mut words = line.split(|&byte| byte == b' ');
        let object = words.next().and_then(parse_id).ok_or_else(malformed)?;
        let name = words.next().ok_or_else(malformed)?;
        let peeled = words.find_map(|word| word.strip_prefix(b"peeled:"));
        let peeled = peeled.map(|id| parse_id(id).ok_or_else(malformed)).transpose()?;
        refs.add(name, object, peeled)?;
    }
    Ok(refs.finish(capabilities))
}

/// Asks for a pack, as little as the server lets us ask for.
pub(super) fn fetch_request(request: &FetchRequest, capabilities: &Capabilities) -> Vec<u8> {
    let mut bytes = command("fetch", capabilities.object_format);
    push_line(&mut bytes, "no-progress");
    push_line(&mut bytes, "ofs-delta");
    if let Some(filter) = request.contents.filter().filter(|_| capabilities.can_filter) {
        push_line(&mut bytes, &format!("filter {filter}"));
    }
    if request.history == History::Tip && capabilities.can_be_shallow {
        push_line(&mut bytes, "deepen 1");
    }
    for want in &request.wants {
        push_line(&mut bytes, &format!("want {want}"));
    }
    push_line(&mut bytes, "done");
    bytes.extend_from_slice(FLUSH);
    bytes
}

/// Reads the answer to [`fetch_request`] up to the pack.
pub(super) fn parse_fetch<R: Read>(reader: R) -> Result<PackStream<R>, WireError> {
    let mut packets = PacketReader::new(reader);
    loop {
        match packets.line()? {
            Some(b"packfile") => return Ok(PackStream::banded(packets)),
            // Sections such as `shallow-info` hold nothing that we did not ask for.
            Some(_) => while packets.line()?.is_some() {},
            None => return Err(WireError::malformed("an answer without a pack", b"fetch")),
        }
    }
}

fn command(name: &str, format: ObjectFormat) -> Vec<u8> {
    let mut request = Vec::new();
    push_line(&mut request, &format!("command={name}"));
    // Left out otherwise, because servers older than the choice refuse to hear of it.
    if format == ObjectFormat::Sha256 {
        push_line(&mut request, "object-format=sha256");
    }
    request.extend_from_slice(DELIMITER);
    request
}

#[cfg(test)]
mod tests {
    use super::super::side_band::tests::banded;
    use super::*;
    use crate::vcs::{Contents, ObjectId, Protocol};

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn capabilities(can_filter: bool, can_be_shallow: bool) -> Capabilities {
        let object_format = ObjectFormat::Sha1;
        Capabilities { protocol: Protocol::V2, object_format, can_filter, can_be_shallow }
    }

    #[test]
    fn only_what_the_server_can_do_is_asked_of_it() {
        let request = |history, contents| FetchRequest {
            wants: vec![ID.parse::<ObjectId>().unwrap()],
            history,
            contents,
        };
        let text = |request: &FetchRequest, capabilities| {
            String::from_utf8(fetch_request(request, &capabilities)).unwrap()
        };
        let tip = request(History::Tip, Contents::Everything);
        let commits = request(History::Full, Contents::Commits);
        assert!(text(&tip, capabilities(true, true)).contains("000ddeepen 1\n"));
        assert!(!text(&tip, capabilities(true, true)).contains("filter"));
        assert!(!text(&tip, capabilities(true, false)).contains("deepen"));
        assert!(text(&commits, capabilities(true, true)).contains("filter tree:0\n"));
        assert!(!text(&commits, capabilities(true, true)).contains("deepen"));
        assert!(!text(&commits, capabilities(false, true)).contains("filter"));
        let top = request(History::Tip, Contents::Top(2));
        assert!(text(&top, capabilities(true, true)).contains("filter tree:2\n"));
        assert!(!text(&top, capabilities(false, true)).contains("filter"));
        let listing = ls_refs_request(ObjectFormat::Sha256);
        assert!(listing.starts_with(b"0014command=ls-refs\n0019object-format=sha256\n0001"));
    }

    #[test]
    fn refs_are_parsed_with_their_peeled_values() {
        let other = ID.replace('0', "f");
        let mut bytes = Vec::new();
        push_line(&mut bytes, &format!("{ID} HEAD symref-target:refs/heads/main"));
        push_line(&mut bytes, &format!("{other} refs/tags/v1 peeled:{ID}"));
        push_line(&mut bytes, &format!("{other} refs/heads/\u{1}evil"));
        push_line(&mut bytes, &format!("{other} HEADache"));
        bytes.extend_from_slice(FLUSH);
        let listing = parse_ls_refs(&bytes[..], capabilities(true, true), 4).unwrap();
        assert_eq!(listing.head.unwrap().to_string(), ID);
        assert!(listing.heads.is_empty());
        assert_eq!(listing.tags["v1"].object.to_string(), other);
        assert_eq!(listing.tags["v1"].peeled.to_string(), ID);
        assert!(parse_ls_refs(&bytes[..], capabilities(true, true), 3).is_err());
        for bad in [&b"0005\n0000"[..], b"0009zzzz\n0000", b"", b"<html></html>"] {
            assert!(parse_ls_refs(bad, capabilities(true, true), 4).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_pack_follows_other_sections() {
        let mut bytes = Vec::new();
        push_line(&mut bytes, "shallow-info");
        push_line(&mut bytes, &format!("shallow {ID}"));
        bytes.extend_from_slice(DELIMITER);
        push_line(&mut bytes, "packfile");
        bytes.extend_from_slice(&banded(&[(1, b"PA"), (2, b"busy"), (1, b""), (1, b"CK")]));
        let mut pack = String::new();
        parse_fetch(&bytes[..]).unwrap().read_to_string(&mut pack).unwrap();
        assert_eq!(pack, "PACK");
        let error = parse_fetch(&b"0011ERR go away\n\n"[..]).err().unwrap();
        assert_eq!(error.to_string(), "the server says: go away");
        assert!(parse_fetch(&b"0000"[..]).is_err());
    }
}
