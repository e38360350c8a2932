//! `VersionInfo`: the `.info` document (go-modules §1.5).

use std::fmt;

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use super::Version;

/// What `.info` and `@latest` say. Written as Go writes it; read leniently: unknown
/// keys and the case of keys are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionInfo {
    /// The canonical version that the query stands for.
    pub version: Version,
    /// When the commit was committed, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Where the version comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a version comes from. A field that is unknown is empty, and is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The version control system: `git`.
    #[serde(rename = "VCS", skip_serializing_if = "String::is_empty")]
    pub vcs: String,
    /// The repository's URL, as discovered.
    #[serde(rename = "URL", skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The module's directory in the repository, without a `vN`; empty at the root.
    #[serde(rename = "Subdir", skip_serializing_if = "String::is_empty")]
    pub subdir: String,
    /// The full commit id.
    #[serde(rename = "Hash", skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// The full name of the ref that led to the commit, for tags only.
    #[serde(rename = "Ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
}

impl Origin {
    /// The same without what a URL of somebody else may tell of how to log in.
    #[must_use]
    pub fn without_userinfo(self) -> Self {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some(at) = rest[..end].rfind('@') else { return self };
        Self { url: format!("{scheme}://{}", &rest[at + 1..]), ..self }
    }
}

impl<'de> Deserialize<'de> for VersionInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(VersionInfoVisitor)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OriginVisitor)
    }
}

struct VersionInfoVisitor;

impl<'de> Visitor<'de> for VersionInfoVisitor {
    type Value = VersionInfo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("version info")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut version, mut time, mut origin) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.to_ascii_lowercase().as_str() {
                "version" => version = Some(map.next_value()?),
                "time" => time = map.next_value()?,
                "origin" => origin = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let version = version.ok_or_else(|| de::Error::missing_field("Version"))?;
        Ok(VersionInfo { version, time, origin })
    }
}

struct OriginVisitor;

impl<'de> Visitor<'de> for OriginVisitor {
    type Value = Origin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin of a version")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut origin = Origin::default();
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.to_ascii_lowercase().as_str() {
                "vcs" => &mut origin.vcs,
                "url" => &mut origin.url,
                "subdir" => &mut origin.subdir,
                "hash" => &mut origin.hash,
                "ref" => &mut origin.reference,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = map.next_value::<Option<String>>()?.unwrap_or_default();
        }
        Ok(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> VersionInfo {
        VersionInfo {
            version: "v1.2.3".parse().unwrap(),
            time: Some("2020-01-02T03:04:05Z".parse().unwrap()),
            origin: Some(Origin {
                vcs: "git".into(),
                url: "https://example.com/m".into(),
                subdir: "sub".into(),
                hash: "0123456789abcdef0123456789abcdef01234567".into(),
                reference: "refs/tags/sub/v1.2.3".into(),
            }),
        }
    }

    #[test]
    fn written_as_go_writes_it() {
        insta::assert_snapshot!(serde_json::to_string(&info()).unwrap(), @r#"{"Version":"v1.2.3","Time":"2020-01-02T03:04:05Z","Origin":{"VCS":"git","URL":"https://example.com/m","Subdir":"sub","Hash":"0123456789abcdef0123456789abcdef01234567","Ref":"refs/tags/sub/v1.2.3"}}"#);
        let bare = VersionInfo { time: None, origin: Some(Origin::default()), ..info() };
        insta::assert_snapshot!(serde_json::to_string(&bare).unwrap(), @r#"{"Version":"v1.2.3","Origin":{}}"#);
    }

    #[test]
    fn an_origin_tells_no_passwords() {
        for (url, expected) in [
            ("https://u:p@example.com/m", "https://example.com/m"),
            ("https://u:p@ss@example.com", "https://example.com"),
            ("ssh://git@example.com:22/m@v1", "ssh://example.com:22/m@v1"),
            ("https://example.com/m@v1", "https://example.com/m@v1"),
            ("git@example.com:m", "git@example.com:m"),
        ] {
            let origin = Origin { url: url.into(), ..Origin::default() };
            assert_eq!(origin.without_userinfo().url, expected);
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        let text = serde_json::to_string(&info()).unwrap();
        assert_eq!(serde_json::from_str::<VersionInfo>(&text).unwrap(), info());
    }

    #[test]
    fn read_leniently() {
        let text = r#"{"Name":{"x":1},"VERSION":"v1.2.3","time":"2020-01-02T04:04:05+01:00",
            "origin":{"vcs":"git","TagSum":"t1:","Url":"https://example.com/m","REF":null}}"#;
        let read: VersionInfo = serde_json::from_str(text).unwrap();
        assert_eq!(read.time, info().time);
        let expected =
            Origin { vcs: "git".into(), url: "https://example.com/m".into(), ..Origin::default() };
        assert_eq!(read.origin, Some(expected));
        let read: VersionInfo =
            serde_json::from_str(r#"{"Version":"v1.2.3","Time":null,"Origin":null}"#).unwrap();
        assert_eq!(read, VersionInfo { time: None, origin: None, ..info() });
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "[]",
            "{}",
            r#"{"Version":"main"}"#,
            r#"{"Version":"v1.2.3","Time":"yesterday"}"#,
            r#"{"Version":"v1.2.3","Origin":[]}"#,
            r#"{"Version":null}"#,
        ] {
            assert!(serde_json::from_str::<VersionInfo>(bad).is_err(), "{bad}");
        }
    }
}
