//! ZipDelivery: how zips reach clients.

use std::str::FromStr;

use super::{InvalidValue, PublicUrl, reader::Reader, settings};

/// How zips reach clients ([`settings::ZIP_DELIVERY`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZipDelivery {
    /// Through the frontend.
    Stream,
    /// By a redirect to what lies below this URL ([`settings::CDN_URL`]), or to a signed
    /// URL of the bucket.
    Redirect(Option<PublicUrl>),
}

enum Way {
    Stream,
    Redirect,
}

impl FromStr for Way {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "stream" => Ok(Self::Stream),
            "redirect" => Ok(Self::Redirect),
            _ => Err(InvalidValue::not(text, "stream or redirect")),
        }
    }
}

impl ZipDelivery {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let way = reader.read::<Way>(&settings::ZIP_DELIVERY);
        let cdn = reader.read_optional::<PublicUrl>(&settings::CDN_URL);
        Some(match (way?, cdn?) {
            (Way::Redirect, cdn) => Self::Redirect(cdn),
            (Way::Stream, _) => Self::Stream,
        })
    }
}
