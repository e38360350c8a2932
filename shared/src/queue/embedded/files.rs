//! Jobs and dead letters as files.
//!
//! ```text
//! lock                    held by the owner of the directory
//! jobs/<sequence>.json    one accepted job, removed when it is done
//! dead/<sequence>.json    one dead letter
//! tmp/                    half-written files
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{DeadLetter, Lane},
    index::Sequence,
};
use crate::directory::{self, DirectoryError, DirectoryLock, Scratch};

/// The directory of a queue, owned by this process.
#[derive(Debug)]
pub(super) struct Files {
    jobs: PathBuf,
    dead: PathBuf,
    scratch: Scratch,
    _lock: DirectoryLock,
}

/// What a restart finds.
pub(super) struct Stored {
    /// The jobs in the order of acceptance.
    pub(super) jobs: Vec<(Sequence, Record)>,
    /// How many dead letters there are.
    pub(super) dead: usize,
    /// The first sequence that was never used, as far as files tell.
    pub(super) next: Sequence,
}

/// What is written down of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The message as it was published.
    pub(super) message: String,
    pub(super) lane: Lane,
    /// The number of the next delivery, from 1.
    pub(super) attempt: u32,
    /// When the next delivery is due, where it had to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    /// Why the last attempt failed, for a person who reads the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// A dead letter; its identifier is the file's name.
#[derive(Serialize, Deserialize)]
pub(super) struct Buried {
    pub(super) message: String,
    attempts: u32,
    reason: String,
    /// Where the job waited; not in files of before this was written down.
    #[serde(default = "background")]
    pub(super) lane: Lane,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buried_at: Option<Timestamp>,
}

impl Buried {
    /// The letter, by the name of its file.
    pub(super) fn letter(self, sequence: Sequence) -> DeadLetter {
        let Self { message, attempts, reason, lane, buried_at } = self;
        DeadLetter { id: sequence.to_string(), message, attempts, reason, lane, buried_at }
    }
}

fn background() -> Lane {
    Lane::Background
}

impl Record {
    pub(super) fn new(message: String, lane: Lane) -> Self {
        Self { message, lane, attempt: 1, not_before: None, failure: None }
    }

    /// The same, to be delivered after `delay`, if there is one.
    pub(super) fn after(mut self, delay: Duration) -> Self {
        if !delay.is_zero() {
            self.not_before = Timestamp::now().checked_add(delay).ok();
        }
        self
    }

    /// How long the job has still to wait.
    pub(super) fn delay(&self) -> Option<Duration> {
        Duration::try_from(Timestamp::now().duration_until(self.not_before?)).ok()
    }

    /// Counts a failed attempt.
    pub(super) fn fail(&mut self, delay: Duration, reason: String) {
        self.attempt = self.attempt.saturating_add(1);
        self.not_before = Timestamp::now().checked_add(delay).ok();
        self.failure = Some(reason);
    }
}

impl Files {
    /// Takes the directory and reads its jobs. A file that holds no record is a job
    /// whose message is that file: nobody can read it, and it goes to the dead letters.
    pub(super) fn open(directory: PathBuf) -> Result<(Self, Stored), DirectoryError> {
        let lock = DirectoryLock::take(&directory, &directory.join("lock"))?;
        let opened = || -> io::Result<(Self, Stored)> {
            let (jobs, dead) = (directory.join("jobs"), directory.join("dead"));
            fs::create_dir_all(&jobs)?;
            fs::create_dir_all(&dead)?;
            directory::sync_parent(&jobs)?;
            directory::sync_parent(&directory)?;
            let scratch = Scratch::open(directory.join("tmp"))?;
            let files = Self { jobs, dead, scratch, _lock: lock };
            let stored = files.read()?;
            Ok((files, stored))
        };
        opened().map_err(DirectoryError::unusable(&directory))
    }

    /// Writes a job so that it survives a power cut.
    pub(super) fn write(&self, sequence: Sequence, record: &Record) -> io::Result<()> {
        self.scratch.write(&file(&self.jobs, sequence), &serde_json::to_vec(record)?)
    }

    /// Writes a job so that it survives this process.
    pub(super) fn jot(&self, sequence: Sequence, record: &Record) -> io::Result<()> {
        self.scratch.jot(&file(&self.jobs, sequence), &serde_json::to_vec(record)?)
    }

    /// Removes a job that is done. One that a power cut brings back is delivered once more
    /// and finds its outcome, which costs less than waiting here for the disk each time.
    pub(super) fn remove(&self, sequence: Sequence) -> io::Result<()> {
        directory::unlink(&file(&self.jobs, sequence)).map(drop)
    }

    /// Moves a job to the dead letters: killed in between, it is both, and the next
    /// start removes the job.
    pub(super) fn bury(&self, sequence: Sequence, job: &Record, reason: String) -> io::Result<()> {
        let buried = Buried {
            message: job.message.clone(),
            attempts: job.attempt,
            reason,
            lane: job.lane,
            buried_at: Some(Timestamp::now()),
        };
        self.scratch.write(&file(&self.dead, sequence), &serde_json::to_vec(&buried)?)?;
        self.remove(sequence)
    }

    /// The dead letters, oldest first.
    pub(super) fn dead_letters(&self) -> io::Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        for sequence in sequences(&self.dead)? {
            let Some(buried) = self.dead_letter(sequence)? else { continue };
            letters.push(buried.letter(sequence));
        }
        Ok(letters)
    }

    /// One dead letter, if there is one of that sequence.
    pub(super) fn dead_letter(&self, sequence: Sequence) -> io::Result<Option<Buried>> {
        let Some(text) = read(&file(&self.dead, sequence))? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&text).unwrap_or_else(|error| Buried {
            reason: format!("unreadable dead letter: {error}"),
            message: text,
            attempts: 0,
            lane: Lane::Background,
            buried_at: None,
        })))
    }

    /// Removes a dead letter.
    pub(super) fn drop_dead_letter(&self, sequence: Sequence) -> io::Result<()> {
        directory::remove(&file(&self.dead, sequence))
    }

    fn read(&self) -> io::Result<Stored> {
        let dead = sequences(&self.dead)?;
        let mut jobs = Vec::new();
        for sequence in sequences(&self.jobs)? {
            if dead.binary_search(&sequence).is_ok() {
                self.remove(sequence)?;
            } else if let Some(text) = read(&file(&self.jobs, sequence))? {
                if text.trim_matches('\0').is_empty() {
                    // All that a power cut left of one that was only jotted down.
                    self.remove(sequence)?;
                    continue;
                }
                let record = serde_json::from_str(&text)
                    .unwrap_or_else(|_| Record::new(text, Lane::Background));
                jobs.push((sequence, record));
            }
        }
        let last = jobs.last().map(|(sequence, _)| *sequence).max(dead.last().copied());
        let next = last.unwrap_or_default().next();
        Ok(Stored { jobs, dead: dead.len(), next })
    }
}

fn file(directory: &Path, sequence: Sequence) -> PathBuf {
    directory.join(format!("{sequence}.json"))
}

/// The sequences that have a file in the directory, ascending; other files are not ours.
fn sequences(directory: &Path) -> io::Result<Vec<Sequence>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
        found.extend(number.and_then(Sequence::parse));
    }
    found.sort_unstable();
    Ok(found)
}

/// The text of a file, `None` when it has gone.
fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
