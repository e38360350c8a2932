//! The reader against the git program: whatever git packs is read as git reads it, and
//! whatever is damaged or too large is refused.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

use flate2::{Compression, write::ZlibEncoder};
use sha2::Digest as _;

use super::{
    Kind, Limits, Mode, ObjectError, ObjectStore, PackError,
    hash::Hasher,
    test_repository::{TestRepository, read},
};
use crate::vcs::{Contents, ObjectFormat, ObjectId};

const EVERYTHING: Contents = Contents::Everything;
const SHA1: ObjectFormat = ObjectFormat::Sha1;

/// Text that compresses somewhat and of which versions make good deltas.
fn text(seed: u64, lines: usize) -> Vec<u8> {
    let mut state = seed;
    let mut text = Vec::new();
    for line in 0..lines {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "line {line} says {:x}", state >> 20).unwrap();
    }
    text
}

/// Every object of the repository as git prints it.
fn git_objects(repository: &TestRepository) -> BTreeMap<ObjectId, (String, Vec<u8>)> {
    let listing = repository.git(&["cat-file", "--batch-all-objects", "--batch"]);
    let mut rest = &listing[..];
    let mut objects = BTreeMap::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let header = std::str::from_utf8(&rest[..end]).unwrap();
        let mut words = header.split(' ');
        let id = words.next().unwrap().parse().unwrap();
        let kind = words.next().unwrap().to_owned();
        let size: usize = words.next().unwrap().parse().unwrap();
        objects.insert(id, (kind, rest[end + 1..][..size].to_vec()));
        rest = &rest[end + 1 + size + 1..];
    }
    objects
}

/// Compares the store with git, object by object.
fn assert_same_as_git(repository: &TestRepository, store: &ObjectStore) {
    let objects = git_objects(repository);
    for (id, (kind, content)) in &objects {
        assert_eq!(store.kind(id).unwrap().to_string(), *kind, "{id}");
        if kind != "blob" {
            continue;
        }
        assert_eq!(store.blob_size(id).unwrap(), content.len() as u64);
        assert!(store.blob(id, content.len() as u64).unwrap() == *content, "{id}");
        let mut streamed = Vec::new();
        store.open_blob(id).unwrap().read_to_end(&mut streamed).unwrap();
        assert!(streamed == *content, "{id}");
        if let Some(mut stored) = store.stored(id) {
            assert_eq!(stored.size, content.len() as u64);
            assert_eq!(stored.crc32, crc32fast::hash(content));
            assert_eq!(stored.sha256, <[u8; 32]>::from(sha2::Sha256::digest(content)));
            let mut raw = Vec::new();
            stored.deflate.read_to_end(&mut raw).unwrap();
            assert_eq!(raw.len() as u64, stored.deflate_length);
            let mut inflated = Vec::new();
            let mut decoder = flate2::read::DeflateDecoder::new(&raw[..]);
            decoder.read_to_end(&mut inflated).unwrap();
            assert!(inflated == *content, "{id}");
        }
    }
    // Each costs a process.
    let trees = objects.iter().filter(|object| object.1.0 == "tree").take(8);
    for (id, _) in trees {
        let expected = repository.text(&["ls-tree", &id.to_string()]);
        let listed: Vec<String> = store
            .tree(id)
            .unwrap()
            .iter()
            .map(|entry| format!("{} {}", entry.id, String::from_utf8_lossy(&entry.name)))
            .collect();
        let expected: Vec<String> = expected
            .lines()
            .map(|line| {
                line.split_once(' ').unwrap().1.split_once(' ').unwrap().1.replace('\t', " ")
            })
            .collect();
        assert_eq!(listed, expected);
    }
    let log = repository.text(&["log", "--all", "--format=%H %ct %T %P"]);
    let mut count = 0;
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let id: ObjectId = words[0].parse().unwrap();
        let commit = store.commit(&id).unwrap();
        assert_eq!(commit.committer_time.to_string(), words[1]);
        assert_eq!(commit.tree.to_string(), words[2]);
        let parents: Vec<String> = commit.parents.iter().map(ObjectId::to_string).collect();
        assert_eq!(parents.join(" "), words[3..].join(" "));
        let node = store.commits().find(|node| *node.id == id).unwrap();
        assert_eq!(
            (node.committer_time, node.parents),
            (commit.committer_time, &commit.parents[..])
        );
        count += 1;
    }
    assert_eq!(store.commits().len(), count);
}

/// Versions of one file, empty and binary files, links, nested directories, tags.
fn varied_repository(format: ObjectFormat) -> TestRepository {
    let repository = TestRepository::with_format(format);
    let mut big = text(1, 3000);
    for version in 0..30_u8 {
        big.splice(usize::from(version) * 100..usize::from(version) * 100 + 50, text(9, 3));
        repository.write("big.txt", &big);
        repository.write(format!("many/file{version}.txt"), text(version.into(), 50));
        repository.commit();
    }
    repository.write("empty", "");
    repository.write("a/b/c/d.bin", (0..=255).collect::<Vec<u8>>());
    repository.write("a.b", "sorts between a and a/");
    repository.link("link", "a/b");
    repository.commit();
    repository.git(&["tag", "-a", "-m", "one", "one"]);
    repository.git(&["tag", "-a", "-m", "two", "two", "one"]);
    repository.git(&["checkout", "-q", "-b", "side", "HEAD~3"]);
    repository.write("side", "s");
    repository.commit();
    repository.git(&["merge", "-q", "--no-edit", "main"]);
    repository
}

#[test]
fn every_way_git_packs_is_read_as_git_reads_it() {
    let repository = varied_repository(SHA1);
    for options in [
        &["--delta-base-offset"][..],
        &[],
        &["--delta-base-offset", "--depth=4095", "--window=250", "--no-reuse-delta"],
        &["--window=0", "--compression=0"],
        &["--compression=9"],
    ] {
        let pack = repository.pack(options);
        let store = read(pack, SHA1, &Limits::default(), EVERYTHING).unwrap();
        assert_same_as_git(&repository, &store);
        let is_stored = |version| {
            store.stored(&repository.resolve(&format!("main~{version}:big.txt"))).is_some()
        };
        let stored = (1..31).filter(|&version| is_stored(version)).count();
        // The options do what the test wants them for.
        assert_eq!(stored == 30, options.contains(&"--window=0"), "{options:?}: {stored}");
        assert!(stored == 30 || stored < 5, "{options:?}: {stored}");
    }
}

#[test]
fn sha256_repositories_are_read() {
    let repository = varied_repository(ObjectFormat::Sha256);
    for options in [&["--delta-base-offset"][..], &[]] {
        let pack = repository.pack(options);
        let store = read(pack, ObjectFormat::Sha256, &Limits::default(), EVERYTHING).unwrap();
        assert_eq!(store.format(), ObjectFormat::Sha256);
        assert_same_as_git(&repository, &store);
    }
    let pack = repository.pack(&[]);
    assert!(read(pack, SHA1, &Limits::default(), EVERYTHING).is_err());
}

#[test]
fn an_empty_pack_is_an_empty_store() {
    let repository = TestRepository::new();
    let pack = repository.git_with_input(&["pack-objects", "-q", "--stdout"], b"");
    let store = read(pack, SHA1, &Limits::default(), EVERYTHING).unwrap();
    assert_eq!(store.commits().len(), 0);
}

#[test]
fn among_commits_only_commits_and_tags_are_kept() {
    let repository = varied_repository(SHA1);
    for filter in [&["--filter=tree:0"][..], &[]] {
        for offsets in [&["--delta-base-offset"][..], &[]] {
            let pack = repository.pack(&[filter, offsets].concat());
            let store = read(pack, SHA1, &Limits::default(), Contents::Commits).unwrap();
            assert_eq!(store.commits().len(), 33);
            let head = repository.resolve("HEAD");
            assert_eq!(store.commit(&head).unwrap().parents.len(), 2);
            assert_eq!(store.kind(&repository.resolve("HEAD:big.txt")), None);
            assert_eq!(store.kind(&repository.resolve("HEAD^{tree}")), None);
            assert_eq!(store.kind(&repository.resolve("two")), Some(Kind::Tag));
        }
    }
}

#[test]
fn commits_that_travel_as_deltas_have_their_place_in_history() {
    let repository = TestRepository::new();
    let message = String::from_utf8(text(3, 100)).unwrap();
    for number in 0..20 {
        repository.write("file", number.to_string());
        repository.commit();
        repository.git(&["commit", "-q", "--amend", "-m", &format!("{message}{number}")]);
    }
    let pack = repository.pack(&["--filter=tree:0"]);
    // Twenty messages of 3 kB that hardly compress would not fit otherwise.
    assert!(pack.len() < 10_000, "{}", pack.len());
    let store = read(pack, SHA1, &Limits::default(), Contents::Commits).unwrap();
    let mut id = repository.resolve("HEAD");
    for _ in 0..19 {
        let node = store.commits().find(|node| *node.id == id).unwrap();
        id = node.parents[0];
    }
    assert_eq!(store.commit(&id).unwrap().parents, []);
}

#[test]
fn tags_are_peeled_and_paths_found() {
    let repository = varied_repository(SHA1);
    let blob = repository.resolve("HEAD:empty");
    repository.git(&["tag", "-a", "-m", "blob", "of-blob", &blob.to_string()]);
    let store = repository.store();
    let commit = repository.resolve("two^{commit}");
    assert_eq!(store.peel(&repository.resolve("two")).unwrap(), (commit, Kind::Commit));
    assert_eq!(store.peel(&commit).unwrap(), (commit, Kind::Commit));
    assert_eq!(store.peel(&repository.resolve("of-blob")).unwrap(), (blob, Kind::Blob));

    let root = store.commit(&commit).unwrap().tree;
    let found = |path: &str| store.find(&root, path.as_bytes()).unwrap();
    let deep = found("a/b/c/d.bin").unwrap();
    assert_eq!((deep.mode, deep.id), (Mode::File, repository.resolve("HEAD:a/b/c/d.bin")));
    assert_eq!(found("a/b").unwrap().mode, Mode::Directory);
    assert_eq!(found("link").unwrap().mode, Mode::Symlink);
    for absent in ["", "/", "a/", "a/x", "x/y", "a.b/c", "link/c", "a//b"] {
        assert_eq!(found(absent), None, "{absent}");
    }
}

#[test]
fn a_walk_lists_files_as_git_archives_them() {
    let repository = varied_repository(SHA1);
    let module = "1".repeat(40);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{module},mod")]);
    repository.git(&["commit", "-q", "-m", "submodule"]);
    let store = repository.store();
    let root = store.commit(&repository.resolve("HEAD")).unwrap().tree;
    let walked: Vec<String> = store
        .walk(&root, 1000)
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", String::from_utf8_lossy(&entry.path), entry.id))
        .collect();
    let listing = repository.text(&["ls-tree", "-r", "--format=%(path) %(objectname)", "HEAD"]);
    assert_eq!(walked, listing.lines().collect::<Vec<_>>());
    assert!(walked.contains(&format!("mod {module}")));
}

#[test]
fn a_walk_through_trees_that_multiply_is_bounded() {
    let repository = TestRepository::new();
    let blob = repository.git_with_input(&["hash-object", "-w", "--stdin"], b"x");
    let mut entry = format!("100644 blob {}", String::from_utf8(blob).unwrap().trim_end());
    let mut root = String::new();
    for _ in 0..20 {
        let listing: String = (0..20).map(|name| format!("{entry}\tname{name:02}\n")).collect();
        root =
            String::from_utf8(repository.git_with_input(&["mktree"], listing.as_bytes())).unwrap();
        entry = format!("040000 tree {}", root.trim_end());
    }
    let commit = repository.text(&["commit-tree", "-m", "bomb", root.trim_end()]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let error = repository.store().walk(&root.trim_end().parse().unwrap(), 5000).unwrap_err();
    assert!(matches!(error, ObjectError::TooLarge { maximum: 5000, .. }), "{error}");
}

#[test]
fn what_is_not_there_or_something_else_is_said_so() {
    let repository = varied_repository(SHA1);
    let store = repository.store();
    let (commit, absent) = (repository.resolve("HEAD"), ObjectId::Sha1([0; 20]));
    let blob = repository.resolve("HEAD:big.txt");
    assert!(matches!(store.commit(&absent), Err(ObjectError::NotFound { .. })));
    assert!(matches!(store.peel(&absent), Err(ObjectError::NotFound { .. })));
    assert!(matches!(store.tree(&commit), Err(ObjectError::WrongKind { found: Kind::Commit, .. })));
    assert!(matches!(store.blob_size(&commit), Err(ObjectError::WrongKind { .. })));
    assert!(matches!(store.blob(&blob, 10), Err(ObjectError::TooLarge { maximum: 10, .. })));
    assert!(store.stored(&commit).is_none());
    assert!(store.stored(&absent).is_none());
}

#[test]
fn large_files_are_streamed_whole_and_as_deltas() {
    let repository = TestRepository::new();
    repository.git(&["config", "core.bigFileThreshold", "1g"]);
    repository.git(&["config", "core.compression", "1"]);
    // Beyond 32 MiB a base is not read into memory either.
    let mut large = text(5, 1_200_000);
    assert!(large.len() > 33 << 20);
    for version in 0..3_usize {
        large[version * 10_000_000..][..4].copy_from_slice(b"edit");
        repository.write("large", &large);
        repository.commit();
    }
    let pack = repository.pack(&["--compression=1"]);
    assert!(pack.len() < large.len());
    let store = read(pack, SHA1, &Limits::default(), EVERYTHING).unwrap();
    assert_same_as_git(&repository, &store);
}

#[test]
fn the_pack_is_there_for_the_git_program() {
    let repository = varied_repository(SHA1);
    let pack = repository.pack(&[]);
    let store = read(pack.clone(), SHA1, &Limits::default(), EVERYTHING).unwrap();
    for _ in 0..2 {
        let mut copy = Vec::new();
        store.pack_file().unwrap().read_to_end(&mut copy).unwrap();
        assert!(copy == pack);
    }
}

/// A repository whose pack is small and has every kind of entry.
fn small_repository() -> TestRepository {
    let repository = TestRepository::new();
    let mut content = text(7, 20);
    repository.write("a.txt", &content);
    repository.commit();
    content.extend_from_slice(b"more\n");
    repository.write("a.txt", &content);
    repository.commit();
    repository.git(&["tag", "-a", "-m", "tag", "tag"]);
    repository
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let repository = small_repository();
    for options in [&["--delta-base-offset"][..], &[]] {
        let pack = repository.pack(options);
        read(pack.clone(), SHA1, &Limits::default(), EVERYTHING).unwrap();
        for position in 0..pack.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut damaged = pack.clone();
                damaged[position] ^= change;
                let result = read(damaged, SHA1, &Limits::default(), EVERYTHING);
                assert!(result.is_err(), "byte {position} ^ {change:#x}");
            }
        }
    }
}

#[test]
fn no_change_with_a_fitting_checksum_makes_it_panic() {
    let repository = small_repository();
    for options in [&["--delta-base-offset"][..], &[]] {
        let pack = repository.pack(options);
        for position in 0..pack.len() - 20 {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut changed = pack[..pack.len() - 20].to_vec();
                changed[position] ^= change;
                for keep in [EVERYTHING, Contents::Commits] {
                    // Some changes give another valid pack, with other objects.
                    let Ok(store) = read(sealed(&changed), SHA1, &Limits::default(), keep) else {
                        continue;
                    };
                    for node in store.commits() {
                        store.commit(node.id).ok();
                    }
                }
            }
        }
    }
}

#[test]
fn no_missing_end_goes_unnoticed() {
    let pack = small_repository().pack(&["--delta-base-offset"]);
    for length in 0..pack.len() {
        let result = read(pack[..length].to_vec(), SHA1, &Limits::default(), EVERYTHING);
        assert!(matches!(result, Err(PackError::Truncated { .. })), "{length}: {result:?}");
    }
    let longer = [&pack[..], b"x"].concat();
    assert!(read(longer, SHA1, &Limits::default(), EVERYTHING).is_err());
}

#[test]
fn a_transfer_that_fails_is_told_from_a_pack_that_ends() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("connection reset"))
        }
    }
    let pack = small_repository().pack(&[]);
    let reader = io::Cursor::new(pack[..100].to_vec()).chain(Failing);
    let error = ObjectStore::read(reader, SHA1, &Limits::default(), EVERYTHING).unwrap_err();
    assert!(
        matches!(&error, PackError::Transfer(source) if source.to_string() == "connection reset")
    );
}

/// A pack of the given entries (without header and checksum).
fn pack_of(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = (entries.len() as u32).to_be_bytes();
    let body = [b"PACK\0\0\0\x02", &count[..], &entries.concat()].concat();
    sealed(&body)
}

/// With the right checksum at the end.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::checksum(SHA1);
    hasher.update(body);
    [body, hasher.finish().unwrap().as_bytes()].concat()
}

fn entry(kind: u8, size: u64, base: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | (size & 0xf) as u8];
    let mut rest = size >> 4;
    while rest != 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes.extend_from_slice(base);
    let mut encoder = ZlibEncoder::new(bytes, Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const BLOB: u8 = 3;
const OFFSET_DELTA: u8 = 6;
const NAME_DELTA: u8 = 7;

#[test]
fn broken_packs_are_refused_by_meaning() {
    let blob = || entry(BLOB, 3, b"", b"abc");
    let cycle_id = [9; 20];
    for (name, pack, expected) in [
        ("nothing", vec![], "ends too early"),
        ("other signature", sealed(b"PICK\0\0\0\x02\0\0\0\0"), "no pack of version"),
        ("other version", sealed(b"PACK\0\0\0\x04\0\0\0\0"), "no pack of version"),
        ("kind 0", pack_of(&[entry(0, 3, b"", b"abc")]), "unknown kind"),
        ("kind 5", pack_of(&[entry(5, 3, b"", b"abc")]), "unknown kind"),
        ("declares less", pack_of(&[entry(BLOB, 2, b"", b"abc")]), "more than its declared"),
        ("declares more", pack_of(&[entry(BLOB, 4, b"", b"abc")]), "less than its declared"),
        ("endless size", pack_of(&[[vec![0xbf; 10], vec![0x80; 10]].concat()]), "too many digits"),
        ("endless offset", pack_of(&[[vec![0x60], vec![0xff; 20]].concat()]), "outside the pack"),
        ("offset 0", pack_of(&[entry(OFFSET_DELTA, 0, &[0], b"")]), "outside the pack"),
        ("before the pack", pack_of(&[entry(OFFSET_DELTA, 0, &[100], b"")]), "outside the pack"),
        ("into an entry", pack_of(&[blob(), entry(OFFSET_DELTA, 0, &[5], b"")]), "base is missing"),
        ("thin", pack_of(&[entry(NAME_DELTA, 0, &cycle_id, b"")]), "base is missing"),
        ("empty delta", pack_of(&[blob(), delta_on_previous(&blob(), b"")]), "ends too early"),
        ("other base", pack_of(&[blob(), delta_on_previous(&blob(), &[4, 0])]), "another size"),
        ("not compressed", pack_of(&[vec![0x33, b'a', b'b', b'c']]), "damaged"),
        ("too few entries", sealed(&[b"PACK\0\0\0\x02\0\0\0\x02", &blob()[..]].concat()), ""),
        (
            "too many entries",
            sealed(&[b"PACK\0\0\0\x02\0\0\0\0", &blob()[..]].concat()),
            "bytes follow",
        ),
    ] {
        let error = read(pack, SHA1, &Limits::default(), EVERYTHING).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let mut pack = pack_of(&[blob()]);
    *pack.last_mut().unwrap() ^= 1;
    let error = read(pack, SHA1, &Limits::default(), EVERYTHING).unwrap_err();
    assert!(matches!(error, PackError::ChecksumMismatch));
}

fn delta_on_previous(previous: &[u8], delta: &[u8]) -> Vec<u8> {
    entry(OFFSET_DELTA, delta.len() as u64, &[previous.len() as u8], delta)
}

#[test]
fn a_base_may_come_later_and_an_object_twice() {
    let blob = entry(BLOB, 3, b"", b"abc");
    let mut hasher = Hasher::object(SHA1, Kind::Blob, 3);
    hasher.update(b"abc");
    let id = hasher.finish().unwrap();
    let delta = entry(NAME_DELTA, 8, id.as_bytes(), &[3, 6, 0x90, 3, 3, b'd', b'e', b'f']);
    let store = read(pack_of(&[delta, blob.clone(), blob]), SHA1, &Limits::default(), EVERYTHING);
    let mut hasher = Hasher::object(SHA1, Kind::Blob, 6);
    hasher.update(b"abcdef");
    assert_eq!(store.unwrap().blob(&hasher.finish().unwrap(), 6).unwrap(), b"abcdef");
}

#[test]
fn chains_of_any_length_need_no_stack() {
    let mut entries = vec![entry(BLOB, 3, b"", b"abc")];
    for _ in 0..100_000 {
        let previous = entries.last().unwrap();
        // Copies its base as it is.
        entries.push(delta_on_previous(previous, &[3, 3, 0x90, 3]));
    }
    read(pack_of(&entries), SHA1, &Limits::default(), EVERYTHING).unwrap();
}

#[test]
fn each_limit_is_kept_and_named() {
    let pack = varied_repository(SHA1).pack(&["--delta-base-offset"]);
    let default = Limits::default();
    for (limits, what) in [
        (Limits { pack_bytes: 1000, ..default.clone() }, "1000 bytes of pack"),
        (Limits { objects: 10, ..default.clone() }, "10 objects"),
        (Limits { object_bytes: 100, ..default.clone() }, "100 bytes in one commit, tree or tag"),
        (Limits { inflated_bytes: 10_000, ..default }, "10000 bytes of content"),
    ] {
        let error = read(pack.clone(), SHA1, &limits, EVERYTHING).unwrap_err();
        assert!(matches!(error, PackError::LimitExceeded { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn bombs_are_stopped_before_they_unfold() {
    let limits = Limits { inflated_bytes: 1 << 20, object_bytes: 1 << 16, ..Limits::default() };
    let zeros = vec![0; 2 << 20];
    let bomb = entry(BLOB, 2 << 20, b"", &zeros);
    let liar = entry(BLOB, 10, b"", &zeros);
    let boaster = entry(BLOB, 1 << 40, b"", b"abc");
    let tree = entry(2, 1 << 17, b"", &zeros[..1 << 17]);
    // 1 KiB that a delta of a few bytes makes 16 MiB of.
    let base = entry(BLOB, 1024, b"", &zeros[..1024]);
    let mut delta = vec![0x80, 0x08, 0x80, 0x80, 0x80, 0x08];
    delta.extend([0xb0, 0, 4].repeat(16 << 10));
    let delta = entry(OFFSET_DELTA, delta.len() as u64, &[base.len() as u8], &delta);
    for (name, entries, expected) in [
        ("bomb", vec![bomb], "bytes of content"),
        ("liar", vec![liar], "more than its declared size"),
        ("boaster", vec![boaster], "bytes of content"),
        ("tree", vec![tree], "bytes in one commit"),
        ("delta", vec![base, delta], "bytes of content"),
    ] {
        let error = read(pack_of(&entries), SHA1, &limits, EVERYTHING).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}
