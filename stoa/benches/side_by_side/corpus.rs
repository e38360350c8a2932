//! Real modules, downloaded once by the go command; its download cache is a tree that
//! any static server can offer as a GOPROXY.

use std::fs;
use std::path::{Path, PathBuf};

use crate::directories::{self, Directories};
use crate::outcome::{Failure, Naming, Outcome};
use crate::program;

/// The module whose graph is the corpus.
pub(crate) const GO_MOD: &str = include_str!("../corpus.mod");

#[derive(Debug)]
pub(crate) struct Corpus {
    root: PathBuf,
    files: Vec<File>,
}

/// One `.info`, `.mod` or `.zip` of a module version.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Relative to the tree's root, escaped as the protocol wants it.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
}

impl File {
    /// As the go command writes it into a request: with the bang percent-encoded.
    pub(crate) fn url_path(&self) -> String {
        format!("/{}", self.path.replace('!', "%21"))
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path.ends_with(extension)
    }
}

impl Corpus {
    /// Downloads what is not there yet and lists it.
    pub(crate) fn prepare(directories: &Directories) -> Outcome<Self> {
        let cache = directories.module_cache();
        let marker = cache.join("corpus.mod");
        if fs::read_to_string(&marker).is_ok_and(|text| text == GO_MOD) {
            return Self::read(&cache.join("cache/download"));
        }
        println!("downloading the corpus, once");
        let module = directories.scratch("corpus");
        directories::write(&module.join("go.mod"), GO_MOD)?;
        let mut go = program::bounded("go");
        go.args(["mod", "download", "all"])
            .current_dir(&module)
            .env("GOMODCACHE", &cache)
            .env("GOFLAGS", "-modcacherw -mod=mod")
            .env("GOTOOLCHAIN", "local");
        program::run(&mut go)?;
        directories::write(&marker, GO_MOD)?;
        Self::read(&cache.join("cache/download"))
    }

    fn read(root: &Path) -> Outcome<Self> {
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        files.sort_by(|left, right| left.path.cmp(&right.path));
        if !files.iter().any(|file| file.is(".zip")) {
            return Err(Failure::new(format!("{}: no zip in the corpus", root.display())));
        }
        Ok(Self { root: root.to_owned(), files })
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    /// Where the file lies.
    pub(crate) fn place(&self, file: &File) -> PathBuf {
        self.root.join(&file.path)
    }

    /// Each version as its files are called, without what tells them apart.
    pub(crate) fn stems(&self) -> Vec<&str> {
        self.files.iter().filter_map(|file| file.path.strip_suffix(".zip")).collect()
    }

    /// Offers the same bytes in another directory, without the module cache's own files.
    pub(crate) fn link_into(&self, directory: &Path) -> Outcome<()> {
        for File { path, .. } in &self.files {
            let link = directory.join(path);
            directories::create(link.parent().unwrap_or(directory))?;
            fs::hard_link(self.root.join(path), &link).naming(link.display())?;
        }
        Ok(())
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) -> Outcome<()> {
    for entry in fs::read_dir(directory).naming(directory.display())? {
        let entry = entry.naming(directory.display())?;
        let path = entry.path();
        let metadata = entry.metadata().naming(path.display())?;
        if metadata.is_dir() {
            collect(root, &path, files)?;
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str)
            && relative.contains("/@v/")
            && [".info", ".mod", ".zip"].iter().any(|extension| relative.ends_with(extension))
        {
            files.push(File { path: relative.to_owned(), size: metadata.len() });
        }
    }
    Ok(())
}

/// `module@version` of a stem, unescaped.
pub(crate) fn version(stem: &str) -> String {
    unescape(&stem.replace("/@v/", "@"))
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('!');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(part.len().min(1));
        unescaped.push_str(&first.to_ascii_uppercase());
        unescaped.push_str(rest);
    }
    unescaped
}
