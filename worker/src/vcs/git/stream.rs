//! From an asynchronous answer to a blocking parser: a bounded channel between them.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::error::{Failure, WireError, from_egress};
use super::process::{ProgramError, Running};
use super::ssh::SshProcess;
use crate::egress::Response;
use crate::vcs::VcsError;

/// Pieces on their way; each is at most what one read from a socket or pipe gave.
const PIECES: usize = 16;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Http(Box<Response>),
    Process(Box<Running>),
    Ssh(Box<SshProcess>),
}

impl Body {
    /// The next piece; `None` at the end. `url` is how the repository is shown.
    pub(super) async fn chunk(&mut self, url: &str) -> Result<Option<Bytes>, VcsError> {
        match self {
            Self::Http(response) => response.chunk().await.map_err(from_egress),
            Self::Process(running) => {
                running.chunk().await.map_err(|error| from_program(url, error))
            }
            Self::Ssh(process) => process.chunk(url).await,
        }
    }
}

/// Parses a body on a thread that may block, while it arrives. `received` is told the
/// size of each piece, in bytes.
pub(super) async fn parse<T: Send + 'static>(
    mut body: Body,
    url: &str,
    received: impl Fn(u64),
    parse: impl FnOnce(ChannelReader) -> Result<T, WireError> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let reader = ChannelReader { receiver, current: Bytes::new() };
    let parsing = tokio::task::spawn_blocking(move || parse(reader));
    let transferred = loop {
        match body.chunk(url).await {
            Ok(Some(chunk)) => {
                received(chunk.len() as u64);
                // A parser that has seen enough needs no more, and tells below.
                if sender.send(chunk).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(sender);
    let parsed = parsing.await.unwrap_or_else(|error| {
        Err(WireError::Transfer(io::Error::other(format!("the parser stopped: {error}"))))
    });
    match (parsed, transferred) {
        // Every answer states its own end, so what comes after it does not matter.
        (Ok(value), _) => Ok(value),
        // What the server itself says explains a transfer that then broke off.
        (Err(error @ WireError::Remote { .. }), _) => Err(error.into_failure(url)),
        (Err(_), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(error.into_failure(url)),
    }
}

/// The reading end: blocks until a piece arrives.
#[derive(Debug)]
pub(super) struct ChannelReader {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What a failure of the git program means for a repository. Its own words may hold
/// local paths and stay inside.
pub(super) fn from_program(url: &str, error: ProgramError) -> VcsError {
    let url = url.to_owned();
    match error {
        ProgramError::Timeout { seconds, .. } => VcsError::Timeout { url, seconds },
        ProgramError::TooMuchOutput { .. } => {
            VcsError::LimitExceeded { url, limit: error.to_string() }
        }
        ProgramError::Failed { name, message } => {
            if message.contains("does not appear to be a git repository")
                || (message.contains("repository '") && message.contains("' not found"))
            {
                return VcsError::RepositoryNotFound { url };
            }
            tracing::warn!(vcs.url = url, message, "{name} failed");
            VcsError::Unavailable { url, reason: format!("{name} failed") }
        }
        ProgramError::Io(source) => {
            VcsError::Unavailable { url, reason: format!("a program cannot be run: {source}") }
        }
        ProgramError::Missing { .. } => VcsError::Unavailable { url, reason: error.to_string() },
    }
}
