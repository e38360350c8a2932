//! The smart protocol with a directory that the operator named: `git upload-pack` in
//! the stateless form that HTTP servers use, one process per request.

use std::ffi::OsString;
use std::path::PathBuf;

use bytes::Bytes;
use url::Url;

use super::process::Input;
use super::program::{GitProgram, Invocation};
use super::stream::{Body, from_program};
use crate::egress::Deadline;
use crate::vcs::VcsError;

/// One repository in the file system.
#[derive(Debug)]
pub(super) struct LocalRepository<'a> {
    program: &'a GitProgram,
    directory: PathBuf,
    shown: String,
    deadline: Deadline,
}

impl<'a> LocalRepository<'a> {
    /// From a `file://` URL; refused if that is no path of this machine.
    pub(super) fn new(
        program: &'a GitProgram,
        url: &Url,
        deadline: Deadline,
    ) -> Result<Self, VcsError> {
        let shown = shown_file(url);
        match url.to_file_path() {
            Ok(directory) => Ok(Self { program, directory, shown, deadline }),
            Err(()) => {
                let reason = "refused: not a path of this machine".to_owned();
                Err(VcsError::Refused { url: shown, reason })
            }
        }
    }

    /// What upload-pack can do.
    pub(super) fn info_refs(&self) -> Result<Body, VcsError> {
        self.upload_pack_process(Some("--advertise-refs"), Input::Nothing, true)
    }

    /// Sends a request of either version and returns the answer's body.
    pub(super) fn upload_pack(&self, request: Bytes, is_v2: bool) -> Result<Body, VcsError> {
        self.upload_pack_process(None, Input::Bytes(request), is_v2)
    }

    fn upload_pack_process(
        &self,
        option: Option<&str>,
        input: Input,
        is_v2: bool,
    ) -> Result<Body, VcsError> {
        let mut arguments = vec![OsString::from("upload-pack"), "--stateless-rpc".into()];
        arguments.extend(option.map(OsString::from));
        arguments.extend(["--".into(), self.directory.clone().into_os_string()]);
        let version = if is_v2 { "version=2" } else { "version=0" };
        let invocation = Invocation {
            // Bandwidth is nothing here, but packing what nobody reads takes its time.
            options: vec!["uploadpack.allowFilter=true".into()],
            environment: vec![("GIT_PROTOCOL", version.into())],
            arguments,
            input,
            ..Invocation::default()
        };
        let running = self.program.start(invocation, self.deadline);
        running
            .map(|running| Body::Process(Box::new(running)))
            .map_err(|error| from_program(&self.shown, error))
    }
}

/// A `file://` URL as it may be shown: our directories are nobody's business.
pub(super) fn shown_file(url: &Url) -> String {
    let name = url.path_segments().and_then(|mut segments| segments.rfind(|s| !s.is_empty()));
    format!("file://.../{}", name.unwrap_or_default())
}
