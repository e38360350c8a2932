//! The SDK's client, set up so that it does no more than sign, send and parse: retries,
//! deadlines and integrity are ours.

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{
        ProvideCredentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        SharedHttpClient, StalledStreamProtectionConfig, retry::RetryConfig,
    },
};
use url::Url;

use super::{
    config::S3Config,
    connect,
    credentials::Credentials,
    error::{Place, S3StorageError},
    get::Reader,
    signing::Site,
    transport::Transport,
};

/// Region of stores that have but one.
const ONLY_REGION: Region = Region::from_static("us-east-1");

/// Builds the client, and what reads beside it, and makes sure that there are credentials.
pub(super) async fn connect(
    config: &S3Config,
    place: &Place,
) -> Result<(Client, Reader), S3StorageError> {
    let invalid = |reason: String| S3StorageError::Invalid { place: place.clone(), reason };
    check(config).map_err(invalid)?;
    let tls = connect::tls(&config.root_certificates).map_err(invalid)?;
    let transport = Transport::new(tls, config.connect_timeout);
    let sdk = sdk_config(config, transport.for_sdk()).await;
    if sdk.region().is_none() {
        let reason = "no region is known; name one, or set AWS_REGION";
        return Err(invalid(reason.to_owned()));
    }
    let no_credentials = |source| S3StorageError::NoCredentials { place: place.clone(), source };
    let provider = sdk.credentials_provider().ok_or_else(|| no_credentials("none asked".into()))?;
    provider.provide_credentials().await.map_err(|error| {
        // The chain's own words do not repeat what was read.
        no_credentials(super::trouble::chain(&error).into())
    })?;
    let builder = aws_sdk_s3::config::Builder::from(&sdk)
        .force_path_style(config.path_style)
        // By default the SDK adds a CRC32 trailer to every upload and asks for one with
        // every download, which older and other stores than AWS refuse or garble. Bodies
        // are covered all the same: by the SHA-256 that the signature contains.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    let client = Client::from_conf(builder.build());
    let site = Site::of(&client, &config.bucket).await.map_err(|trouble| {
        let (place, during) = (place.clone(), "at signing a request");
        S3StorageError::Refused { place, during, source: trouble.into() }
    })?;
    Ok((client, Reader { transport, site, credentials: Credentials::new(provider) }))
}

fn check(config: &S3Config) -> Result<(), String> {
    if config.bucket.is_empty() {
        return Err("a bucket needs a name".to_owned());
    }
    let Some(endpoint) = &config.endpoint else { return Ok(()) };
    let url = Url::parse(endpoint).map_err(|error| format!("the endpoint is no URL: {error}"))?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_plain {
        Ok(())
    } else {
        Err("the endpoint must be like https://host:port, without user, query or fragment".into())
    }
}

async fn sdk_config(config: &S3Config, http_client: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .disable_read_timeout()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        // A write must not be repeated behind our back: see `write`.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // We watch streams ourselves: see `read`.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    match (&config.region, &config.endpoint) {
        (Some(region), _) => loader = loader.region(Region::new(region.clone())),
        (None, Some(_)) => {
            let chain = aws_config::meta::region::RegionProviderChain::first_try(
                aws_config::environment::EnvironmentVariableRegionProvider::new(),
            );
            loader = loader.region(chain.or_else(ONLY_REGION));
        }
        (None, None) => {}
    }
    loader.load().await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_endpoint_is_taken() {
        let check = |endpoint: &str| {
            let endpoint = Some(endpoint.to_owned());
            check(&S3Config { endpoint, ..S3Config::new("bucket") })
        };
        for good in ["http://127.0.0.1:9000", "https://s3.example.com/", "https://host/base"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "host:9000", "ftp://host", "http://user:secret@host", "https://host?x=y"] {
            let refusal = check(bad).unwrap_err();
            assert!(refusal.starts_with("the endpoint") && !refusal.contains("secret"));
        }
    }
}
