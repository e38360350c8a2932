//! Protocol version 0 over stateless HTTP: what servers speak that know nothing newer
//! or never see our `Git-Protocol` header.

use std::io::Read;

use super::error::WireError;
use super::pkt_line::{FLUSH, Packet, PacketReader, push_line};
use super::side_band::PackStream;
use crate::vcs::{Capabilities, FetchRequest, History, ObjectFormat};

/// Asks for a pack. Servers ignore capabilities that they did not offer.
pub(super) fn fetch_request(request: &FetchRequest, capabilities: &Capabilities) -> Vec<u8> {
    let is_shallow = request.history == History::Tip && capabilities.can_be_shallow;
    let filter = request.contents.filter().filter(|_| capabilities.can_filter);
    let mut features = " side-band-64k ofs-delta no-progress".to_owned();
    if capabilities.object_format == ObjectFormat::Sha256 {
        features.push_str(" object-format=sha256");
    }
    if is_shallow {
        features.push_str(" shallow");
    }
    if filter.is_some() {
        features.push_str(" filter");
    }
    let mut bytes = Vec::new();
    for want in &request.wants {
        push_line(&mut bytes, &format!("want {want}{features}"));
        features.clear();
    }
    if is_shallow {
        push_line(&mut bytes, "deepen 1");
    }
    if let Some(filter) = filter {
        push_line(&mut bytes, &format!("filter {filter}"));
    }
    bytes.extend_from_slice(FLUSH);
    push_line(&mut bytes, "done");
    bytes
}

/// Reads the answer to [`fetch_request`] up to the pack.
pub(super) fn parse_fetch<R: Read>(reader: R) -> Result<PackStream<R>, WireError> {
    let mut packets = PacketReader::new(reader);
    loop {
        match packets.line()? {
            Some(b"NAK") => break,
            // The end of the list of shallow commits.
            None => {}
            Some(line) if line.starts_with(b"shallow ") || line.starts_with(b"unshallow ") => {}
            Some(line) => return Err(WireError::malformed("not an acknowledgement", line)),
        }
    }
    // A server without side bands sends the bare pack now.
    let mut start = [0; 4];
    packets.fill(&mut start)?;
    if &start == b"PACK" {
        return Ok(PackStream::bare(start, packets.into_inner()));
    }
    match packets.packet_after(start)? {
        Packet::Data(data) => match data.strip_prefix(b"ERR ") {
            Some(message) => Err(WireError::remote(message)),
            None => {
                let first = data.to_vec();
                PackStream::banded_after(first, packets)
            }
        },
        _ => Err(WireError::malformed("an answer without a pack", b"fetch")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::side_band::tests::banded;
    use super::*;
    use crate::vcs::{Contents, Protocol};

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn capabilities_ride_on_the_first_want() {
        let mut capabilities = Capabilities {
            protocol: Protocol::V0,
            object_format: ObjectFormat::Sha256,
            can_filter: true,
            can_be_shallow: true,
        };
        let request = FetchRequest {
            wants: vec![ID.parse().unwrap(), ID.replace('0', "f").parse().unwrap()],
            history: History::Tip,
            contents: Contents::Commits,
        };
        let text = String::from_utf8(fetch_request(&request, &capabilities)).unwrap();
        let first = " side-band-64k ofs-delta no-progress object-format=sha256 shallow filter\n";
        assert_eq!(text.matches(first).count(), 1);
        assert!(text.ends_with("000ddeepen 1\n0012filter tree:0\n00000009done\n"), "{text}");
        capabilities.can_filter = false;
        capabilities.can_be_shallow = false;
        let text = String::from_utf8(fetch_request(&request, &capabilities)).unwrap();
        assert!(!text.contains("filter") && !text.contains("deepen"), "{text}");
    }

    #[test]
    fn the_pack_comes_in_bands_or_bare() {
        let shallow = format!("0035shallow {ID}\n0000").replace("0035", "0035");
        let mut in_bands = format!("{shallow}0008NAK\n").into_bytes();
        in_bands.extend_from_slice(&banded(&[(1, b"PA"), (1, b"CK")]));
        for bytes in [in_bands, b"0008NAK\nPACK".to_vec()] {
            let mut pack = String::new();
            parse_fetch(&bytes[..]).unwrap().read_to_string(&mut pack).unwrap();
            assert_eq!(pack, "PACK");
        }
        for bad in [&b"0008NAK\n"[..], b"0008NAK\n0000", b"0008ACK\n", b"", b"0011ERR go away\n\n"]
        {
            assert!(parse_fetch(bad).is_err(), "{bad:?}");
        }
    }
}
