//! `Endpoint`: what a request of the module proxy protocol asks for, and the URL path
//! that says so (go-modules §1.1-1.3).

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::module::{
    ModulePath, ModulePathError, Version, VersionError, VersionQuery, VersionQueryError,
};

/// A request for something of one module. It parses from the raw path of a URL, still
/// percent-encoded, and displays as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The module.
    pub module: ModulePath,
    /// What of it.
    pub request: Request,
}

/// What can be asked of a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// `@v/list`
    List,
    /// `@latest`
    Latest,
    /// `@v/QUERY.info`
    Info(VersionQuery),
    /// `@v/VERSION.mod`
    GoMod(Version),
    /// `@v/VERSION.zip`
    Zip(Version),
}

/// A path that asks for nothing. The answer is always 404: clients probe every prefix of
/// a package path, and any other refusal aborts their command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("malformed URL path {path:?}: wrong percent-encoding")]
    Encoding {
        /// The path.
        path: String,
    },
    /// Longer than storage keys can be: the path would be found nowhere.
    #[error("the path is longer than {MAX_PATH} bytes, or one of its elements than {MAX_ELEMENT}")]
    TooLong,
    /// Neither `/@v/` nor `/@latest` in it.
    #[error("{path:?} is no path of the module proxy protocol")]
    Unknown {
        /// The path, decoded.
        path: String,
    },
    /// After `/@v/` comes neither `list` nor a name that ends `.info`, `.mod` or `.zip`.
    #[error("{file:?} is neither list nor .info, .mod or .zip")]
    UnknownFile {
        /// What comes instead.
        file: String,
    },
    /// `latest`, `upgrade` and `patch` are answered from lists, never asked.
    #[error("{query} cannot be asked as a version")]
    Keyword {
        /// The keyword.
        query: VersionQuery,
    },
    /// The module path is none.
    #[error(transparent)]
    Module(#[from] ModulePathError),
    /// The query of `.info` is none.
    #[error(transparent)]
    Query(#[from] VersionQueryError),
    /// The version of `.mod` or `.zip` is none, or not canonical.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// The longest path, in bytes after decoding: object stores end keys at 1,024 bytes, and
/// ours have something before and after the path.
const MAX_PATH: usize = 850;

/// The longest element between slashes: file systems end names at 255 bytes.
const MAX_ELEMENT: usize = 240;

/// What Go's clients encode in a path; `/` is not in it because whole paths are encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url_path: &str) -> Result<Self, Self::Err> {
        let path = decode(url_path)?;
        if path.len() > MAX_PATH || path.split('/').any(|element| element.len() > MAX_ELEMENT) {
            return Err(EndpointError::TooLong);
        }
        let unknown = || EndpointError::Unknown { path: path.clone() };
        let relative = path.strip_prefix('/').ok_or_else(unknown)?;
        if let Some(module) = relative.strip_suffix("/@latest") {
            return Ok(Self {
                module: ModulePath::from_escaped(module)?,
                request: Request::Latest,
            });
        }
        let (module, file) = relative.rsplit_once("/@v/").ok_or_else(unknown)?;
        Ok(Self { module: ModulePath::from_escaped(module)?, request: parse_file(file)? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.request {
            Request::List => "@v/list".to_owned(),
            Request::Latest => "@latest".to_owned(),
            Request::Info(query) => format!("@v/{}.info", query.escaped()),
            Request::GoMod(version) => format!("@v/{}.mod", version.escaped()),
            Request::Zip(version) => format!("@v/{}.zip", version.escaped()),
        };
        let path = format!("/{}/{file}", self.module.escaped());
        utf8_percent_encode(&path, ENCODED).fmt(f)
    }
}

/// Decodes once; `+` is a plus sign.
fn decode(url_path: &str) -> Result<String, EndpointError> {
    let encoding = || EndpointError::Encoding { path: url_path.to_owned() };
    let is_escape = |text: &str| {
        text.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !url_path.split('%').skip(1).all(is_escape) {
        return Err(encoding());
    }
    Ok(percent_decode_str(url_path).decode_utf8().map_err(|_| encoding())?.into_owned())
}

fn parse_file(file: &str) -> Result<Request, EndpointError> {
    if file == "list" {
        return Ok(Request::List);
    }
    let unknown = || EndpointError::UnknownFile { file: file.to_owned() };
    let (name, suffix) = file.rsplit_once('.').ok_or_else(unknown)?;
    match suffix {
        "info" => {
            let query = VersionQuery::from_escaped(name)?;
            if matches!(query.as_str(), "latest" | "upgrade" | "patch") {
                return Err(EndpointError::Keyword { query });
            }
            Ok(Request::Info(query))
        }
        "mod" => Ok(Request::GoMod(Version::from_escaped(name)?)),
        "zip" => Ok(Request::Zip(Version::from_escaped(name)?)),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(module: &str, request: Request) -> Endpoint {
        Endpoint { module: module.parse().unwrap(), request }
    }

    fn info(query: &str) -> Request {
        Request::Info(query.parse().unwrap())
    }

    #[test]
    fn paths_that_clients_send() {
        for (path, expected) in [
            ("/example.com/m/@v/list", endpoint("example.com/m", Request::List)),
            ("/example.com/m/@latest", endpoint("example.com/m", Request::Latest)),
            (
                "/example.com/%21mod/@v/v1.0.0-%21beta.info",
                endpoint("example.com/Mod", info("v1.0.0-Beta")),
            ),
            (
                "/gopkg.in/x.v2/@v/v2.0.0.mod",
                endpoint("gopkg.in/x.v2", Request::GoMod("v2.0.0".parse().unwrap())),
            ),
            (
                "/example.com/m/@v/v2.0.0+incompatible.zip",
                endpoint("example.com/m", Request::Zip("v2.0.0+incompatible".parse().unwrap())),
            ),
            ("/example.com/m/@v/v1.0.0.info.info", endpoint("example.com/m", info("v1.0.0.info"))),
            ("/example.com/m/@v/list.info", endpoint("example.com/m", info("list"))),
            (
                "/example.com/m/@v/100%25%23a%20b&c=d.info",
                endpoint("example.com/m", info("100%#a b&c=d")),
            ),
        ] {
            assert_eq!(path.parse(), Ok(expected.clone()), "{path}");
            assert_eq!(expected.to_string(), path);
        }
    }

    #[test]
    fn other_spellings_of_the_same() {
        for path in
            ["/example.com/!m/@v/v1.0.0-!b.info", "/example.com/%21m/@v%2Fv1.0.0-%21b%2einfo"]
        {
            assert_eq!(path.parse(), Ok(endpoint("example.com/M", info("v1.0.0-B"))), "{path}");
        }
    }

    #[test]
    fn whatever_is_malformed_says_so_in_one_line() {
        for (path, message) in [
            ("", r#""" is no path of the module proxy protocol"#),
            ("/", r#""/" is no path of the module proxy protocol"#),
            (
                "example.com/@v/list",
                r#""example.com/@v/list" is no path of the module proxy protocol"#,
            ),
            ("/example.com/m", r#""/example.com/m" is no path of the module proxy protocol"#),
            ("/@v/list", r#""/@v/list" is no path of the module proxy protocol"#),
            ("/%0a", r#""/\n" is no path of the module proxy protocol"#),
            ("/m%zz/@v/list", r#"malformed URL path "/m%zz/@v/list": wrong percent-encoding"#),
            ("/m/@v/list%", r#"malformed URL path "/m/@v/list%": wrong percent-encoding"#),
            ("/m%ff/@v/list", r#"malformed URL path "/m%ff/@v/list": wrong percent-encoding"#),
            ("/m/@v/list", r#"malformed module path "m": missing dot in first path element"#),
            ("//@v/list", r#"malformed module path "": empty path element"#),
            (
                "/example.com/M/@latest",
                r#"malformed module path "example.com/M": wrong use of ! or upper-case letters"#,
            ),
            ("/x.y/@v/", r#""" is neither list nor .info, .mod or .zip"#),
            ("/x.y/@v/v1.0.0", r#""v1.0.0" is neither list nor .info, .mod or .zip"#),
            (
                "/x.y/@v/v1.0.0.ziphash",
                r#""v1.0.0.ziphash" is neither list nor .info, .mod or .zip"#,
            ),
            ("/x.y/@v/a/b.info", r#"malformed version "a/b": character '/' is not allowed"#),
            ("/x.y/@v/.info", r#"malformed version "": empty path element"#),
            ("/x.y/@v/latest.info", r#"latest cannot be asked as a version"#),
            ("/x.y/@v/upgrade.info", r#"upgrade cannot be asked as a version"#),
            ("/x.y/@v/patch.info", r#"patch cannot be asked as a version"#),
            ("/x.y/@v/main.mod", r#""main" is not a semantic version"#),
            ("/x.y/@v/v1.2.zip", r#"version "v1.2" is not canonical, should be v1.2.0"#),
            (
                "/x.y/@v/v1.0.0-B.zip",
                r#"escaped version "v1.0.0-B" is malformed: wrong use of ! or upper-case letters"#,
            ),
        ] {
            assert_eq!(path.parse::<Endpoint>().unwrap_err().to_string(), message, "{path}");
        }
    }

    #[test]
    fn decoding_happens_once() {
        let path = "/x.y/@v/a%2541.info";
        assert_eq!(path.parse(), Ok(endpoint("x.y", info("a%41"))));
    }

    proptest! {
        #[test]
        fn displayed_endpoints_parse_back(
            module in "[a-z]{1,4}\\.[a-z]{2}(/[a-zA-Z0-9_~-]{1,5}x){0,3}",
            query in "[a-zA-Z0-9 !#$%&()+,.=@\\[\\]^_{}~-]{1,12}",
        ) {
            let (Ok(module), Ok(query)) = (module.parse(), query.parse::<VersionQuery>()) else {
                return Ok(());
            };
            prop_assume!(!matches!(query.as_str(), "latest" | "upgrade" | "patch"));
            let endpoint = Endpoint { module, request: Request::Info(query) };
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }
}
