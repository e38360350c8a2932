//! The sum of a zip that is in storage already: one that was copied in.

use std::io::{self, Write};

use futures_util::TryStreamExt;
use stoa_shared::{
    module::ModuleHash,
    storage::{GetOptions, Storage, StorageError, StorageKey},
};

use crate::{failure::Failure, foreign_zip::sum_of, repository::off_the_runtime};

/// Computes the `h1:` sum of the zip under `key` (go-modules §5). A zip's directory
/// stands at its end, so it is spooled to a temporary file first.
pub(crate) async fn sum(storage: &dyn Storage, key: &StorageKey) -> Result<ModuleHash, Failure> {
    let mut spool = tempfile::tempfile().map_err(|error| local(key, &error))?;
    let mut body = storage.get(key, GetOptions::default()).await?.body;
    loop {
        let chunk = body.try_next().await;
        let unavailable = |source: io::Error| StorageError::Unavailable {
            key: key.to_string(),
            source: source.into(),
        };
        let Some(chunk) = chunk.map_err(unavailable)? else { break };
        spool = off_the_runtime(move || match spool.write_all(&chunk) {
            Ok(()) => Ok(spool),
            Err(error) => Err(Failure::Internal(format!("temporary file: {error}"))),
        })
        .await?;
    }
    let name = key.to_string();
    off_the_runtime(move || {
        sum_of(&spool).map_err(|error| Failure::Conflict(format!("{name}: damaged zip: {error}")))
    })
    .await
}

fn local(key: &StorageKey, error: &io::Error) -> Failure {
    Failure::Internal(format!("{key}: temporary file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of go-modules §5.
    #[test]
    fn the_sum_of_a_zip_is_the_go_commands() {
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        let options = zip::write::SimpleFileOptions::default();
        let files: [(&str, &[u8]); 3] =
            [("go.mod", b"module example.com/m\n"), ("a.go", b"package m\n"), ("LICENSE", b"x\n")];
        for (name, content) in files {
            writer.start_file(format!("example.com/m@v1.0.0/{name}"), options).unwrap();
            writer.write_all(content).unwrap();
        }
        let file = writer.finish().unwrap();
        assert_eq!(
            sum_of(&file).unwrap().to_string(),
            "h1:Q0ZWP80nLkjwA1CgFmINTcC0cp8qsG5eabgezAbGpzY="
        );
    }

    #[test]
    fn a_damaged_zip_has_no_sum() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PK but no zip").unwrap();
        assert!(sum_of(&file).is_err());
    }
}
