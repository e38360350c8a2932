//! Each kind of lie that a zip can tell.

use std::io::{BufReader, Cursor};

use ::zip::{ZipWriter, write::SimpleFileOptions};
use sha2::{Digest, Sha256};
use stoa_shared::module::H1Builder;

use super::*;

const PREFIX: &str = "example.com/m@v1.0.0/";
const GO_MOD: &str = "module example.com/m\n";
const MAX_FILES: u64 = 100_000;

/// A zip of these files, their names complete.
fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        match name.ends_with('/') {
            true => writer.add_directory(*name, SimpleFileOptions::default()).unwrap(),
            false => {
                writer.start_file(*name, SimpleFileOptions::default()).unwrap();
                writer.write_all(content).unwrap();
            }
        }
    }
    writer.finish().unwrap().into_inner()
}

/// The zip of go-modules §5.
fn honest() -> Vec<u8> {
    zip_of(&[
        ("example.com/m@v1.0.0/go.mod", GO_MOD.as_bytes()),
        ("example.com/m@v1.0.0/a.go", b"package m\n"),
        ("example.com/m@v1.0.0/LICENSE", b"x\n"),
    ])
}

/// As it lies in memory and, which must make no difference, as it is read piece by piece
/// and from a file.
fn checked(zip: &[u8]) -> Result<String, String> {
    fn sum_or_error<R: BufRead + Seek + Send>(open: impl Fn() -> R) -> Result<String, String> {
        let sum = check(open, PREFIX, GO_MOD.as_bytes(), MAX_FILES);
        sum.map(|sum| sum.to_string()).map_err(|error| error.to_string())
    }
    let at_once = sum_or_error(|| Cursor::new(zip));
    let by_pieces = sum_or_error(|| BufReader::with_capacity(100, Cursor::new(zip)));
    assert_eq!(by_pieces, at_once);
    let file = file_of(zip);
    assert_eq!(sum_or_error(|| Reader::buffered(&file)), at_once);
    at_once
}

fn file_of(zip: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(zip).unwrap();
    file
}

/// Where the central directory's header of a file begins.
fn central(zip: &[u8], name: &str) -> usize {
    let found = zip.windows(name.len()).rposition(|window| window == name.as_bytes()).unwrap();
    found - 46
}

/// The zip with bytes replaced at `at` in the directory's header of a file.
fn patched(zip: &[u8], name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut zip = zip.to_vec();
    let start = central(&zip, name) + at;
    zip[start..start + bytes.len()].copy_from_slice(bytes);
    zip
}

#[test]
fn the_sum_of_a_zip_is_the_go_commands() {
    let expected = "h1:Q0ZWP80nLkjwA1CgFmINTcC0cp8qsG5eabgezAbGpzY=";
    assert_eq!(checked(&honest()).unwrap(), expected);
    assert_eq!(sum_of(&file_of(&honest())).unwrap().to_string(), expected);
}

#[test]
fn a_zip_cut_short_anywhere_is_none() {
    let zip = honest();
    for length in 0..zip.len() {
        checked(&zip[..length]).unwrap_err();
    }
    let junk = |front: &[u8], back: &[u8]| checked(&[front, &zip, back].concat()).unwrap_err();
    assert!(junk(b"junk", b"").contains("not where they should be"));
    assert!(junk(b"", b"junk").contains("no end record"));
}

#[test]
fn names_are_checked_by_the_go_commands_rules() {
    let go_mod = ("example.com/m@v1.0.0/go.mod", GO_MOD.as_bytes());
    for (name, expected) in [
        ("example.com/other@v1.0.0/a.go", "does not begin with"),
        ("example.com/m@v1.0.1/a.go", "does not begin with"),
        ("a.go", "does not begin with"),
        ("example.com/m@v1.0.0/../a.go", "not clean"),
        ("example.com/m@v1.0.0/sub/go.mod", "root directory"),
        ("example.com/m@v1.0.0/a:b", "malformed file path"),
        ("example.com/m@v1.0.0/a\nb", "malformed file path"),
    ] {
        let error = checked(&zip_of(&[go_mod, (name, b"x")])).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let alone = zip_of(&[("example.com/m@v1.0.0/Go.mod", GO_MOD.as_bytes())]);
    assert!(checked(&alone).unwrap_err().contains("lower-case"));
    // Many readers keep only one of two entries of one name.
    let twice =
        zip_of(&[go_mod, ("example.com/m@v1.0.0/a.go", b"1"), ("example.com/m@v1.0.0/b.go", b"2")]);
    let twice = patched(&twice, "example.com/m@v1.0.0/b.go", 46, b"example.com/m@v1.0.0/a.go");
    assert!(checked(&twice).unwrap_err().contains("multiple entries"));
    let bytes = patched(&honest(), "example.com/m@v1.0.0/a.go", 46 + 21, b"\xff");
    assert!(checked(&bytes).unwrap_err().contains("UTF-8"));
}

#[test]
fn contents_are_what_is_declared() {
    const FILE: &str = "example.com/m@v1.0.0/a.go";
    for (what, at, bytes, expected) in [
        ("checksum", 16, &[1, 2, 3, 4][..], "checksum is wrong"),
        ("size", 24, &[9, 0, 0, 0], "larger than declared"),
        ("size", 24, &[11, 0, 0, 0], "smaller than declared"),
        ("size of 4 GiB", 24, &[255; 4], "too large"),
        ("compressed size", 20, &[2, 0, 0, 0], "damaged"),
        ("method", 10, &[12, 0], "does not know"),
        ("offset", 42, &[1, 0, 0, 0], "no content where"),
        ("offset behind the end", 42, &[0, 0, 0, 1], "cut short"),
    ] {
        let error = checked(&patched(&honest(), FILE, at, bytes)).unwrap_err();
        assert!(error.contains(expected), "{what}: {error}");
    }
    let directory = zip_of(&[("example.com/m@v1.0.0/d/", b""), ("example.com/m@v1.0.0/a", b"x")]);
    assert!(checked(&directory).is_ok());
    let directory = patched(&directory, "example.com/m@v1.0.0/d/", 24, &[1]);
    assert!(checked(&directory).unwrap_err().contains("directory with content"));
    let mut fewer = honest();
    let count = fewer.len() - 14;
    fewer[count..count + 4].copy_from_slice(&[2, 0, 2, 0]);
    assert!(checked(&fewer).unwrap_err().contains("more entries"));
    fewer[count..count + 4].copy_from_slice(&[9, 0, 9, 0]);
    assert!(checked(&fewer).unwrap_err().contains("cut short"));
}

#[test]
fn contents_of_all_lengths_are_read_to_their_end() {
    const FILE: &str = "example.com/m@v1.0.0/a";
    // At once and, beyond a size, piece by piece.
    let (piece, at_once) = (64 * 1024, 1 << 20);
    let few_pieces = [0, 1, piece - 1, piece, piece + 1, 3 * piece];
    for length in few_pieces.into_iter().chain([at_once, at_once + 1, at_once + piece]) {
        for is_random in [false, true] {
            let mut random = 1_u32;
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if is_random { (random >> 24) as u8 } else { b'x' }
            };
            let content: Vec<u8> = (0..length).map(|_| next()).collect();
            let mut sum = H1Builder::new();
            sum.add(FILE, Sha256::digest(&content).into()).unwrap();
            let zip = zip_of(&[(FILE, &content)]);
            assert_eq!(checked(&zip).unwrap(), sum.finish().to_string(), "{length} bytes");
            // The end of a content is part of it, also where no byte is missing.
            let at = central(&zip, FILE) + 20;
            let compressed = u32::from_le_bytes(zip[at..at + 4].try_into().unwrap());
            let short = patched(&zip, FILE, 20, &(compressed - 1).to_le_bytes());
            assert!(checked(&short).unwrap_err().contains("damaged"), "{length} bytes");
        }
    }
}

#[test]
fn what_two_threads_read_is_what_one_would() {
    let name = |number| format!("{PREFIX}{number}");
    for sizes in [&[5 << 20][..], &[1, 5 << 20, 1], &[5 << 20, 1], &[1 << 20; 6]] {
        let contents: Vec<_> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let names: Vec<_> = (0..sizes.len()).map(name).collect();
        let files = names.iter().map(|name| &**name).zip(contents.iter().map(|it| &**it));
        let files: Vec<(&str, &[u8])> = files.collect();
        let zip = zip_of(&files);
        let mut sum = H1Builder::new();
        for (name, content) in &files {
            sum.add(*name, Sha256::digest(content).into()).unwrap();
        }
        assert_eq!(checked(&zip).unwrap(), sum.finish().to_string(), "{sizes:?}");
        // Of several that are wrong, the first is told of.
        let (first, last) = (&names[0], &names[names.len() - 1]);
        let wrong = |zip: &[u8], name: &str| patched(zip, name, 16, &[1, 2, 3, 4]);
        for (zip, name) in [(wrong(&wrong(&zip, last), first), first), (wrong(&zip, last), last)] {
            let error = checked(&zip).unwrap_err();
            assert!(error.contains(name) && error.contains("checksum"), "{sizes:?}: {error}");
        }
    }
}

#[test]
fn a_bomb_is_put_out_before_it_is_read() {
    const BOMB: &str = "example.com/m@v1.0.0/bomb";
    let bomb = zip_of(&[(BOMB, &vec![0; 1 << 20])]);
    assert!(bomb.len() < 1 << 12 && checked(&bomb).is_ok());
    let declared = |size: u32| checked(&patched(&bomb, BOMB, 24, &size.to_le_bytes())).unwrap_err();
    assert!(declared((500 << 20) + 1).contains("too large"));
    // One that lies about its size is read as far as it says.
    assert!(declared(10).contains("larger than declared"));
    let large = vec![b'\n'; (16 << 20) + 1];
    let error = checked(&zip_of(&[("example.com/m@v1.0.0/go.mod", &large)])).unwrap_err();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn its_go_mod_is_the_one_of_dot_mod_but_for_line_ends() {
    let with = |go_mod: &[u8]| checked(&zip_of(&[("example.com/m@v1.0.0/go.mod", go_mod)]));
    assert!(with(GO_MOD.as_bytes()).is_ok() && with(b"module example.com/m\r\n").is_ok());
    for other in [&b"module example.com/other\n"[..], b"", b"module example.com/m\n\n"] {
        assert!(with(other).unwrap_err().contains("is not the one"));
    }
}

#[test]
fn without_a_go_mod_dot_mod_names_the_module_and_no_more() {
    let zip = zip_of(&[("example.com/m@v1.0.0/a.go", b"package m\n")]);
    let with = |go_mod: &str| check(|| Cursor::new(&zip), PREFIX, go_mod.as_bytes(), MAX_FILES);
    for made_up in ["module example.com/m\n", "// made up\nmodule example.com/m // so\n\n"] {
        assert!(with(made_up).is_ok(), "{made_up:?}");
    }
    for more in ["require a.example/b v1.0.0\n", "go 1.21\n", "require (\n)\n"] {
        let error = with(&format!("module example.com/m\n{more}")).unwrap_err().to_string();
        assert_eq!(error, "it has no go.mod, and .mod says more than a made-up one does");
    }
}

#[test]
fn attributes_may_have_converted_its_go_mod() {
    let go_mod = b"module example.com/m // $Id$\n";
    for converted in
        [&b"module example.com/m // $Id: 0123456789abcdef $\r\n"[..], b"\xff\xfem\0o\0d\0u\0l\0e\0"]
    {
        assert!(may_be_converted(go_mod, converted));
    }
    for other in ["module example.com/m\n", "module example.com/m // $Id\n", ""] {
        assert!(!may_be_converted(go_mod, other.as_bytes()), "{other:?}");
    }
}

#[test]
fn more_files_than_16_bits_can_count_are_counted() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
    for number in 0..65_600 {
        writer.start_file(format!("{PREFIX}{number}"), options).unwrap();
    }
    let many = writer.finish().unwrap().into_inner();
    assert!(checked(&many).is_ok());
    let limited = check(|| Cursor::new(&many), PREFIX, b"", 65_599).unwrap_err();
    assert_eq!(limited.to_string(), "more than 65599 files");
}

#[test]
fn toolchains_are_zips_like_others() {
    let prefix = "golang.org/toolchain@v0.0.1-go1.27.0.linux-amd64/";
    let names = ["LICENSE", "VERSION", "_go.mod", "src/_go.mod", "pkg/tool/linux_amd64/compile"];
    let names = names.map(|name| format!("{prefix}{name}"));
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"x"[..])).collect();
    let zip = zip_of(&files);
    check(|| Cursor::new(&zip), prefix, b"module golang.org/toolchain\n", MAX_FILES).unwrap();
}
