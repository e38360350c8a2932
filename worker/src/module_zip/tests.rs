//! Zips read back by the readers that count: Go's and Python's.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

use sha2::Digest as _;

use super::{Entry, Source, WrittenZip, ZipError, write_module_zip};
use crate::vcs::{
    Contents, ObjectFormat, ObjectId,
    pack::{
        Limits, ObjectError, ObjectStore,
        test_repository::{TestRepository, read},
    },
};

/// Prints `name crc32 method flags sha256` of each entry after checking all of it.
const PYTHON: &str = r#"
import hashlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    for info in file.infolist():
        content = file.read(info)
        assert info.date_time == (1980, 0, 0, 0, 0, 0), info.date_time
        assert not info.extra and info.external_attr == 0 and info.create_version == 20
        assert info.file_size == len(content)
        print(info.filename, info.compress_type, info.flag_bits, hashlib.sha256(content).hexdigest())
"#;

const GO: &str = r#"
package main

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

func main() {
	file, err := zip.OpenReader(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, entry := range file.File {
		reader, err := entry.Open()
		if err != nil {
			panic(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s %d %d %x\n", entry.Name, entry.Method, entry.Flags, sha256.Sum256(content))
	}
}
"#;

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What both readers see in the zip, which must be the same.
fn listing(zip: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("module.zip");
    fs::write(&path, zip).unwrap();
    let python = output_of(Command::new("python3").args(["-c", PYTHON]).arg(&path));
    let source = directory.path().join("main.go");
    fs::write(&source, GO).unwrap();
    assert_eq!(go_run(&source, &path), python);
    python
}

fn go_run(source: &Path, zip: &Path) -> String {
    output_of(Command::new("go").arg("run").arg(source).arg(zip).env("GOTOOLCHAIN", "local"))
}

fn zip(store: &ObjectStore, entries: Vec<(&str, Source)>) -> (Vec<u8>, WrittenZip) {
    let entries = entries
        .into_iter()
        .map(|(name, source)| Ok::<_, ZipError>(Entry { name: name.into(), source }));
    let mut bytes = Vec::new();
    let written = write_module_zip(store, entries, &mut bytes).unwrap();
    assert_eq!(written.size, bytes.len() as u64);
    (bytes, written)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(count: u32) -> String {
    (0..count).map(|line| format!("line {line} {}\n", line.wrapping_mul(2_654_435_761))).collect()
}

#[test]
fn every_source_is_read_back_by_go_and_python() {
    let repository = TestRepository::new();
    let large = lines(20_000);
    repository.write("large.txt", &large);
    repository.write("large2.txt", format!("{large}and more\n"));
    repository.write("empty", "");
    repository.write("binary", (0..=255).collect::<Vec<u8>>());
    repository.commit();
    for options in [&[][..], &["--compression=0"], &["--compression=9"], &["--window=0"]] {
        let pack = repository.pack(options);
        let store =
            read(pack, ObjectFormat::Sha1, &Limits::default(), Contents::Everything).unwrap();
        let blob = |path: &str| repository.resolve(&format!("HEAD:{path}"));
        let converted = lines(9000).replace('\n', "\r\n").into_bytes();
        let (bytes, written) = zip(
            &store,
            vec![
                ("example.com/m@v1.0.0/large.txt", Source::Blob(blob("large.txt"))),
                ("example.com/m@v1.0.0/large2.txt", Source::Blob(blob("large2.txt"))),
                ("example.com/m@v1.0.0/empty", Source::Blob(blob("empty"))),
                ("example.com/m@v1.0.0/größe.bin", Source::Blob(blob("binary"))),
                ("example.com/m@v1.0.0/none", Source::Bytes(Vec::new())),
                ("example.com/m@v1.0.0/converted", Source::Bytes(converted.clone())),
            ],
        );
        let sum = |content: &[u8]| hex(&sha2::Sha256::digest(content));
        let expected = [
            ("large.txt", 8, sum(large.as_bytes())),
            ("large2.txt", 8, sum(format!("{large}and more\n").as_bytes())),
            ("empty", 8, sum(b"")),
            ("größe.bin", 0x808, sum(&(0..=255).collect::<Vec<u8>>())),
            ("none", 8, sum(b"")),
            ("converted", 8, sum(&converted)),
        ];
        let expected: String = expected
            .iter()
            .map(|(name, flags, sum)| format!("example.com/m@v1.0.0/{name} 8 {flags} {sum}\n"))
            .collect();
        assert_eq!(listing(&bytes), expected, "{options:?}");
        let sums: String =
            written.files.iter().map(|(name, sum)| format!("{name} {}\n", hex(sum))).collect();
        let expected_sums: String = expected
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                format!("{} {}\n", words[0], words[3])
            })
            .collect();
        assert_eq!(sums, expected_sums);
    }
}

#[test]
fn equal_entries_give_equal_bytes_and_an_empty_zip_is_a_zip() {
    let repository = TestRepository::new();
    repository.write("a", lines(100));
    repository.commit();
    let store = repository.store();
    let blob = repository.resolve("HEAD:a");
    let entries = || vec![("m@v1/a", Source::Blob(blob)), ("m@v1/b", Source::Bytes(b"b".into()))];
    assert_eq!(zip(&store, entries()), zip(&store, entries()));
    assert_eq!(listing(&zip(&store, vec![]).0), "");
}

#[test]
fn more_files_than_16_bits_can_count_are_all_found() {
    let repository = TestRepository::new();
    repository.write("a", "content");
    repository.commit();
    let store = repository.store();
    let blob = repository.resolve("HEAD:a");
    for count in [65_534, 65_535, 70_000] {
        let names: Vec<String> = (0..count).map(|number| format!("m@v1/{number}")).collect();
        let entries = names.iter().map(|name| (&name[..], Source::Blob(blob))).collect();
        let listing = listing(&zip(&store, entries).0);
        assert_eq!(listing.lines().count(), count);
        assert!(listing.lines().last().unwrap().starts_with(&format!("m@v1/{} ", count - 1)));
    }
}

#[test]
fn failures_say_which_side_failed() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let repository = TestRepository::new();
    repository.write("a", "content");
    let commit = repository.commit();
    let store = repository.store();
    let attempt = |name: String, id: ObjectId, output: &mut dyn Write| {
        let entry = Entry { name, source: Source::Blob(id) };
        write_module_zip(&store, [Ok::<_, ZipError>(entry)], output).unwrap_err()
    };
    let blob = repository.resolve("HEAD:a");
    let error = attempt("a".into(), blob, &mut Full);
    assert!(
        matches!(&error, ZipError::Output(source) if source.kind() == io::ErrorKind::StorageFull)
    );
    let error = attempt("a".into(), commit, &mut Vec::new());
    assert!(matches!(&error, ZipError::Object { source: ObjectError::WrongKind { .. }, .. }));
    let error = attempt("a".into(), ObjectId::Sha1([0; 20]), &mut Vec::new());
    assert!(matches!(&error, ZipError::Object { source: ObjectError::NotFound { .. }, .. }));
    let error = attempt("a".repeat(65_536), blob, &mut Vec::new());
    assert!(matches!(&error, ZipError::NameTooLong { name } if name.len() == 80));

    let callers_own = write_module_zip(&store, [Err(CallerError::Own)], Vec::new()).unwrap_err();
    assert!(matches!(callers_own, CallerError::Own));
}

#[derive(Debug)]
enum CallerError {
    Own,
    Zip,
}

impl From<ZipError> for CallerError {
    fn from(_: ZipError) -> Self {
        Self::Zip
    }
}
