//! Requests for objects, signed by ourselves (AWS Signature Version 4).

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{Client, presigning::PresigningConfig, primitives::SdkBody};
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use hyper::{Method, Request, header::USER_AGENT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::trouble::{Kind, Trouble, chain};

/// What is escaped in a path: all but slashes and what RFC 3986 §2.3 calls unreserved.
/// The signature covers the path as it is sent.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A key that needs no escaping.
const SAMPLE: &str = "sample";

/// Who asks, for the store's log.
const PROGRAM: &str = concat!("stoa/", env!("CARGO_PKG_VERSION"));

/// Where a bucket's objects are asked for, and under which names requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// What stands before an object's name in its URL.
    base: String,
    region: String,
    service: String,
}

/// The header `name: value` of a request.
pub(super) type Header<'a> = (&'static str, &'a str);

impl Site {
    /// Learns from a URL that the SDK signs, for it knows what endpoints partitions,
    /// access points and settings of the environment make.
    pub(super) async fn of(client: &Client, bucket: &str) -> Result<Self, Trouble> {
        let signing = PresigningConfig::expires_in(Duration::from_secs(1))
            .map_err(|error| Trouble::new(Kind::Refused, chain(&error)))?;
        let request = client.get_object().bucket(bucket).key(SAMPLE);
        let signed = Box::pin(request.presigned(signing)).await?;
        Self::parse(signed.uri()).ok_or_else(|| {
            let said = "objects of this kind of bucket are not asked for by common signatures";
            Trouble::new(Kind::Refused, said)
        })
    }

    fn parse(signed: &str) -> Option<Self> {
        let url = Url::parse(signed).ok()?;
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.into_owned())
        };
        let is_common = parameter("X-Amz-Algorithm")? == "AWS4-HMAC-SHA256"
            && parameter("X-Amz-S3session-Token").is_none();
        // As in `id/20260131/us-east-1/s3/aws4_request`.
        let scope = parameter("X-Amz-Credential")?;
        let mut words = scope.rsplit('/').skip(1);
        let (service, region) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (place, _) = signed.split_once('?')?;
        let base = place.strip_suffix(SAMPLE)?.to_owned();
        is_common.then_some(Self { base, region, service })
    }

    /// A signed request for an object.
    pub(super) fn request(
        &self,
        method: Method,
        object_name: &str,
        headers: &[Header<'_>],
        identity: &Identity,
        now: SystemTime,
    ) -> Result<Request<SdkBody>, Trouble> {
        let unsignable = |said: String| Trouble::new(Kind::Refused, said);
        let url = format!("{}{}", self.base, utf8_percent_encode(object_name, ESCAPED));
        let signable = SignableRequest::new(
            method.as_str(),
            url.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(&[]),
        );
        let signable = signable.map_err(|error| unsignable(chain(&error)))?;
        let mut settings = SigningSettings::default();
        // Nothing that a proxy may change is among the headers.
        settings.excluded_headers = None;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| unsignable(chain(&error)))?;
        let parameters = SigningParams::from(parameters);
        let signed = sign(signable, &parameters).map_err(|error| unsignable(chain(&error)))?;
        let (instructions, _) = signed.into_parts();
        let mut request = Request::builder().method(method.clone()).uri(&url);
        request = request.header(USER_AGENT, PROGRAM);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request =
            request.body(SdkBody::empty()).map_err(|error| unsignable(chain(&error)))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

    use super::*;

    fn client(region: &'static str, endpoint: Option<&str>, path_style: bool) -> Client {
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .force_path_style(path_style)
            .credentials_provider(Credentials::new("id/of", "secret", None, None, "test"));
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Client::from_conf(config.build())
    }

    #[tokio::test]
    async fn a_bucket_is_where_the_sdk_would_look_for_it() {
        for (region, endpoint, path_style, bucket, expected) in [
            ("eu-west-1", None, false, "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/"),
            ("eu-west-1", None, true, "bucket", "https://s3.eu-west-1.amazonaws.com/bucket/"),
            ("us-east-1", None, false, "bucket", "https://bucket.s3.us-east-1.amazonaws.com/"),
            ("cn-north-1", None, false, "bucket", "https://bucket.s3.cn-north-1.amazonaws.com.cn/"),
            ("us-east-1", None, false, "a.bucket", "https://s3.us-east-1.amazonaws.com/a.bucket/"),
            (
                "mars",
                Some("http://127.0.0.1:9000"),
                true,
                "bucket",
                "http://127.0.0.1:9000/bucket/",
            ),
            ("mars", Some("http://[::1]:9000/"), true, "bucket", "http://[::1]:9000/bucket/"),
            ("mars", Some("https://host.test"), false, "bucket", "https://bucket.host.test/"),
        ] {
            let site = Site::of(&client(region, endpoint, path_style), bucket).await.unwrap();
            let (region, service) = (region.to_owned(), "s3".to_owned());
            assert_eq!(site, Site { base: expected.to_owned(), region, service });
        }
    }

    #[test]
    fn a_bucket_that_is_signed_for_in_another_way_is_refused() {
        let common = "https://host/b/sample?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                      &X-Amz-Credential=id%2F20260131%2Feu-west-1%2Fs3%2Faws4_request";
        assert_eq!(Site::parse(common).unwrap().region, "eu-west-1");
        for other in [
            common.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            format!("{common}&X-Amz-S3session-Token=token"),
            common.replace("sample", "other"),
            common.replace('?', "#"),
        ] {
            assert_eq!(Site::parse(&other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn names_are_escaped_as_by_the_sdk() {
        let client = client("r", Some("http://127.0.0.1:9000"), true);
        let site = Site::of(&client, "b").await.unwrap();
        let identity = Identity::from(Credentials::new("id", "secret", None, None, "test"));
        for name in [
            "example.com/a/@v/v1.0.0+incompatible.info",
            "!azure/~user/a b/%41/ä/世/😀",
            "'\"()*,;:@&=$#?[]{}|\\^`<>",
            "a//b/./c/",
        ] {
            let presigning = PresigningConfig::expires_in(Duration::from_secs(1)).unwrap();
            let theirs = client.get_object().bucket("b").key(name).presigned(presigning).await;
            let theirs = theirs.unwrap().uri().split_once('?').unwrap().0.to_owned();
            let ours = site.request(Method::GET, name, &[], &identity, SystemTime::now()).unwrap();
            assert_eq!(ours.uri().to_string(), theirs);
        }
    }

    /// "Example: GET Object" of the AWS documentation's examples of signature calculations.
    #[test]
    fn a_request_is_signed_as_the_documentation_says() {
        let site = Site {
            base: "https://examplebucket.s3.amazonaws.com/".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let signed = |token: Option<&str>| {
            let token = token.map(str::to_owned);
            let given = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, token, None, "test");
            let headers = [("range", "bytes=0-9")];
            site.request(Method::GET, "test.txt", &headers, &Identity::from(given), now).unwrap()
        };
        let request = signed(None);
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 \
             Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(request.headers()["x-amz-date"], "20130524T000000Z");
        assert_eq!(request.headers()["range"], "bytes=0-9");
        let with_token = signed(Some("token"));
        assert_eq!(with_token.headers()["x-amz-security-token"], "token");
        let authorization = with_token.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("x-amz-date;x-amz-security-token,"), "{authorization}");
    }
}
