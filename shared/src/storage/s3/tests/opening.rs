use std::error::Error;

use super::{careless_store::Carelessness, *};
use crate::testing::faulty_proxy::Fault;

/// One line that names the bucket, and what the store said.
async fn refusal(config: S3Config) -> (S3StorageError, String, String) {
    let bucket = config.bucket.clone();
    let quick = S3Config { attempts: NonZeroU32::MIN, ..config };
    let error = S3Storage::open(quick).await.unwrap_err();
    let (line, source) = (error.to_string(), error.source().map(ToString::to_string));
    assert!(line.starts_with(&format!("bucket {bucket} at http")), "{line}");
    assert!(!line.contains('\n'), "{line}");
    let source = source.unwrap_or_default();
    assert!(!source.contains('\n') && !source.contains("Credential="), "{source}");
    (error, line, source)
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let config = S3Config { bucket: "no-such-bucket".to_owned(), ..services::s3() };
    let (error, line, _) = refusal(config).await;
    assert!(matches!(error, S3StorageError::MissingBucket { .. }), "{error:?}");
    assert!(line.ends_with("there is no such bucket; create it, or name another"), "{line}");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_named() {
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let (error, line, source) = refusal(S3Config { endpoint, ..services::s3() }).await;
    assert!(matches!(error, S3StorageError::Unreachable { .. }), "{error:?}");
    assert!(line.contains("http://127.0.0.1:1"), "{line}");
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test]
async fn a_store_that_denies_access_or_is_down_or_is_none_is_told_apart() {
    let space = Space::new().await;
    for (status, expected) in
        [(403, "access denied at reading"), (503, "cannot be reached"), (301, "refused at reading")]
    {
        let (proxy, _) = space.behind(Plan::default()).await;
        proxy.break_next("GET ", Fault::Answer(status));
        let endpoint = Some(proxy.url());
        let (_, line, source) = refusal(S3Config { endpoint, ..space.config.clone() }).await;
        assert!(line.contains(expected), "{line}");
        assert!(source.starts_with(&status.to_string()), "{source}");
    }
    space.clear().await;
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let endpoint = Some(format!("http://{}", careless_store::start(Carelessness::Ignores).await));
    let (error, line, _) = refusal(S3Config { endpoint, ..services::s3() }).await;
    assert!(matches!(error, S3StorageError::NoConditionalWrites { .. }), "{error:?}");
    assert!(line.contains("it lets a key be created twice; use a store that"), "{line}");
}

#[tokio::test]
async fn a_store_that_refuses_conditions_is_refused_in_its_own_words() {
    for status in [400, 501] {
        let store = careless_store::start(Carelessness::Refuses(status)).await;
        let endpoint = Some(format!("http://{store}"));
        let (error, line, source) = refusal(S3Config { endpoint, ..services::s3() }).await;
        assert!(matches!(error, S3StorageError::NoConditionalWrites { .. }), "{error:?}");
        assert!(line.contains("it refuses to write under a condition; use a store that"), "{line}");
        assert_eq!(source, format!("{status} NoConditions: not here"));
    }
}

#[tokio::test]
async fn a_store_that_takes_no_writes_at_all_is_not_told_to_lack_conditions() {
    let space = Space::new().await;
    let (proxy, _) = space.behind(Plan::default()).await;
    for _ in 0..2 {
        proxy.break_next("PUT ", Fault::Answer(400));
    }
    let endpoint = Some(proxy.url());
    let (error, line, _) = refusal(S3Config { endpoint, ..space.config.clone() }).await;
    assert!(matches!(error, S3StorageError::Refused { .. }), "{error:?}");
    assert!(line.contains("refused at creating an object"), "{line}");
    space.clear().await;
}

#[tokio::test]
async fn a_newer_or_unreadable_format_is_refused_and_nothing_is_written() {
    let space = Space::new().await;
    for (format, words) in [
        (&b"2\n"[..], "storage format 2 is newer than 1"),
        (b"", "does not hold a format number"),
        (b"\xff", "does not hold a format number"),
    ] {
        let body = Bytes::from_static(format).into();
        space.storage.put(&StorageKey::format(), body).await.unwrap();
        let (_, line, _) = refusal(space.config.clone()).await;
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(space.keys().await, [""; 0]);
    space.clear().await;
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_refused() {
    let config = services::s3();
    let endpoint = Some("http://user:secret@127.0.0.1:9000".to_owned());
    let error = S3Storage::open(S3Config { endpoint, ..config.clone() }).await.unwrap_err();
    assert!(matches!(error, S3StorageError::Invalid { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    let root_certificates = b"no certificate".to_vec();
    let (error, ..) = refusal(S3Config { root_certificates, ..config }).await;
    assert!(matches!(error, S3StorageError::Invalid { .. }), "{error:?}");
}

#[tokio::test]
async fn many_processes_open_one_bucket_at_once() {
    let config = services::s3();
    let opened = (0..8).map(|_| S3Storage::open(config.clone()));
    let opened: Vec<S3Storage> = futures_util::future::try_join_all(opened).await.unwrap();
    let space = Space { config, storage: Arc::new(opened.into_iter().next().unwrap()) };
    assert_eq!(space.keys().await, [""; 0]);
    assert_eq!(read(&space.storage, &StorageKey::format()).await, "1\n");
    space.clear().await;
}
