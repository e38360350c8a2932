//! The second pass: deltas become objects, once the whole pack is there.
//!
//! Work goes from bases to what builds on them, with an explicit stack: each base is
//! read once, chains of any length need no recursion, and a delta in a cycle is simply
//! never reached. Results go straight to a file, where reading one later costs a copy
//! and no chain of deltas.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::FileExt,
    sync::Arc,
};

use flate2::bufread::ZlibDecoder;

use super::{
    Kind, Limits, PackError, Section,
    delta::{BaseContent, DeltaError, DeltaHeader, apply},
    hash::Hasher,
    scan::{Base, Delta, Object, Place, Scan, Slot, check_object_size},
};
use crate::vcs::{Contents, ObjectFormat, ObjectId};

/// A larger base is copied from a file instead of memory.
const BASE_BYTES: u64 = 32 << 20;

/// Bytes of a result that are gathered before they are hashed and written.
const OUTPUT_BYTES: usize = 64 << 10;

/// Turns every delta of `scan` into an object, its content in the returned file.
pub(super) fn resolve(
    scan: &mut Scan,
    pack: &Arc<File>,
    format: ObjectFormat,
    limits: &Limits,
    keep: Contents,
) -> Result<File, PackError> {
    let file = tempfile::tempfile().map_err(PackError::Spool)?;
    let deltas = std::mem::take(&mut scan.deltas);
    let children = Children::new(&deltas);
    let mut resolver = Resolver {
        scan,
        format,
        limits,
        pack,
        file: &file,
        end: 0,
        decoder: ZlibDecoder::new(Section::new(pack, 0, 0).buffered()),
    };

    let mut is_resolved = vec![false; deltas.len()];
    let mut ready: Vec<(u32, Slot)> = Vec::new();
    for (index, object) in (0..).zip(&resolver.scan.objects) {
        if children.of(Slot::Object(index), &object.id).next().is_some() {
            ready.push((index, Slot::Object(index)));
        }
    }
    let mut memory = Vec::new();
    while let Some((object, slot)) = ready.pop() {
        let &Object { id, kind, size, place } = &resolver.scan.objects[object as usize];
        let place = resolver.load(place, size, &mut memory)?;
        let base = match place {
            None => BaseContent::Memory(&memory),
            Some(offset) => BaseContent::Spooled { file: &file, offset, size },
        };
        for child in children.of(slot, &id) {
            // Two objects of one name would resolve what builds on them twice.
            if std::mem::replace(&mut is_resolved[child as usize], true) {
                continue;
            }
            let id = resolver.resolve(&deltas[child as usize], kind, &base)?;
            if children.of(Slot::Delta(child), &id).next().is_some() {
                ready.push((resolver.scan.objects.len() as u32 - 1, Slot::Delta(child)));
            }
        }
    }

    // Among commits alone, what is left builds on trees and blobs that were dropped.
    if keep != Contents::Commits
        && let Some(index) = is_resolved.iter().position(|is_resolved| !is_resolved)
    {
        return Err(PackError::MissingBase { offset: deltas[index].start });
    }
    Ok(file)
}

/// Which deltas build on what, sorted by base.
struct Children {
    by_entry: Vec<(Slot, u32)>,
    by_name: Vec<(ObjectId, u32)>,
}

impl Children {
    fn new(deltas: &[Delta]) -> Self {
        let (mut by_entry, mut by_name) = (Vec::new(), Vec::new());
        for (index, delta) in (0..).zip(deltas) {
            match delta.base {
                Base::Entry(slot) => by_entry.push((slot, index)),
                Base::Name(id) => by_name.push((id, index)),
            }
        }
        by_entry.sort_unstable();
        by_name.sort_unstable();
        Self { by_entry, by_name }
    }

    fn of(&self, slot: Slot, id: &ObjectId) -> impl Iterator<Item = u32> {
        let by_entry = matching(&self.by_entry, &slot).iter().map(|child| child.1);
        by_entry.chain(matching(&self.by_name, id).iter().map(|child| child.1))
    }
}

/// The run of pairs whose first part is `key`.
fn matching<'a, K: Ord>(pairs: &'a [(K, u32)], key: &K) -> &'a [(K, u32)] {
    let rest = &pairs[pairs.partition_point(|pair| pair.0 < *key)..];
    &rest[..rest.partition_point(|pair| pair.0 == *key)]
}

struct Resolver<'a> {
    scan: &'a mut Scan,
    format: ObjectFormat,
    limits: &'a Limits,
    pack: &'a Arc<File>,
    file: &'a File,
    /// Bytes written to the file.
    end: u64,
    /// Reused: its state is larger than most deltas.
    decoder: ZlibDecoder<BufReader<Section>>,
}

impl Resolver<'_> {
    /// Brings a base into `memory`, or says where in the file its content lies if it
    /// is too large.
    fn load(
        &mut self,
        place: Place,
        size: u64,
        memory: &mut Vec<u8>,
    ) -> Result<Option<u64>, PackError> {
        memory.clear();
        match place {
            Place::Resolved { offset } if size > BASE_BYTES => return Ok(Some(offset)),
            Place::Resolved { offset } => {
                memory.resize(size as usize, 0);
                self.file.read_exact_at(memory, offset).map_err(PackError::Spool)?;
            }
            Place::Packed { offset, length, .. } => {
                self.decoder.reset(Section::new(self.pack, offset, length).buffered());
                if size > BASE_BYTES {
                    self.spend(size)?;
                    let start = self.end;
                    let mut output = At { file: self.file, offset: &mut self.end, hasher: None };
                    io::copy(&mut self.decoder, &mut output).map_err(PackError::Spool)?;
                    return Ok(Some(start));
                }
                memory.reserve_exact(size as usize);
                self.decoder.read_to_end(memory).map_err(PackError::Spool)?;
            }
        }
        Ok(None)
    }

    /// Applies one delta and records its result, which becomes the last object.
    fn resolve(
        &mut self,
        delta: &Delta,
        kind: Kind,
        base: &BaseContent<'_>,
    ) -> Result<ObjectId, PackError> {
        let broken = |error| match error {
            DeltaError::Corrupt(reason) => PackError::Corrupt { offset: delta.start, reason },
            DeltaError::Io(error) => PackError::Spool(error),
        };
        let section = Section::new(self.pack, delta.offset, delta.length).buffered();
        self.decoder.reset(section);
        let buffer = delta.size.min(OUTPUT_BYTES as u64) as usize;
        let mut instructions = BufReader::with_capacity(buffer, &mut self.decoder);
        let header = DeltaHeader::read(&mut instructions).map_err(broken)?;
        let size = header.result_size;
        check_object_size(kind, size, self.limits)?;
        self.scan.remaining_bytes = spent(self.scan.remaining_bytes, size, self.limits)?;

        let offset = self.end;
        let mut hasher = Hasher::object(self.format, kind, size);
        let output = At { file: self.file, offset: &mut self.end, hasher: Some(&mut hasher) };
        let mut output = BufWriter::with_capacity(OUTPUT_BYTES, output);
        apply(header, base, &mut instructions, &mut output).map_err(broken)?;
        output.flush().map_err(PackError::Spool)?;
        drop(output);
        let id = hasher.finish().map_err(|_| PackError::Collision { offset: delta.start })?;

        if kind == Kind::Commit {
            let mut content = vec![0; size as usize];
            self.file.read_exact_at(&mut content, offset).map_err(PackError::Spool)?;
            self.scan.add_commit(id, &content, self.format, self.limits)?;
        }
        self.scan.objects.push(Object { id, kind, size, place: Place::Resolved { offset } });
        Ok(id)
    }

    fn spend(&mut self, size: u64) -> Result<(), PackError> {
        self.scan.remaining_bytes = spent(self.scan.remaining_bytes, size, self.limits)?;
        Ok(())
    }
}

fn spent(remaining: u64, size: u64, limits: &Limits) -> Result<u64, PackError> {
    remaining.checked_sub(size).ok_or(PackError::LimitExceeded {
        what: "bytes of content",
        maximum: limits.inflated_bytes,
    })
}

/// Appends to a file, and hashes what passes.
struct At<'a> {
    file: &'a File,
    offset: &'a mut u64,
    hasher: Option<&'a mut Hasher>,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, *self.offset)?;
        *self.offset += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
