//! BucketSettings: how an object store is reached, and how patiently it is asked.

use std::{num::NonZeroU32, time::Duration};

use super::{InvalidValue, parse_flag, reader::Reader, settings};

/// What matters only where modules are stored in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// Base URL of the store ([`settings::S3_ENDPOINT`]).
    pub endpoint: Option<String>,
    /// Region of the bucket ([`settings::S3_REGION`]).
    pub region: Option<String>,
    /// Whether the bucket stands in the path ([`settings::S3_PATH_STYLE`]).
    pub path_style: bool,
    /// Longest wait for the head of an answer ([`settings::S3_TIMEOUT`]).
    pub timeout: Duration,
    /// Longest wait for the next bytes ([`settings::S3_STALL_TIMEOUT`]).
    pub stall_timeout: Duration,
    /// How often a request is tried ([`settings::S3_ATTEMPTS`]).
    pub attempts: NonZeroU32,
    /// Pause before the second attempt ([`settings::S3_BACKOFF`]).
    pub backoff: Duration,
}

impl BucketSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let endpoint = reader.read_optional_with(&settings::S3_ENDPOINT, parse_endpoint);
        let region = reader.read_optional_with(&settings::S3_REGION, |text| Ok(text.to_owned()));
        let path_style = reader.read_with(&settings::S3_PATH_STYLE, parse_flag);
        let timeout = reader.read_positive_duration(&settings::S3_TIMEOUT);
        let stall_timeout = reader.read_positive_duration(&settings::S3_STALL_TIMEOUT);
        let attempts = reader.read_count::<u32>(&settings::S3_ATTEMPTS);
        let backoff = reader.read_positive_duration(&settings::S3_BACKOFF);
        Some(Self {
            endpoint: endpoint?,
            region: region?,
            path_style: path_style?,
            timeout: timeout?,
            stall_timeout: stall_timeout?,
            attempts: attempts.and_then(NonZeroU32::new)?,
            backoff: backoff?,
        })
    }
}

fn parse_endpoint(text: &str) -> Result<String, InvalidValue> {
    let url: super::PublicUrl = text.parse()?;
    Ok(url.as_str().to_owned())
}
