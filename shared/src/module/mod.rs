//! stub
macro_rules! text { ($n:ident) => {
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct $n(String);
impl std::str::FromStr for $n { type Err = std::convert::Infallible; fn from_str(s:&str)->Result<Self,Self::Err>{Ok(Self(s.to_owned()))} }
impl std::fmt::Display for $n { fn fmt(&self, f:&mut std::fmt::Formatter<'_>)->std::fmt::Result{f.write_str(&self.0)} }
impl $n { pub fn escaped(&self)->String{self.0.clone()} pub fn as_str(&self)->&str{&self.0} }
}}
text!(ModulePath); text!(Version); text!(VersionQuery); text!(ModuleHash);
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VersionInfo { #[serde(rename="Version")] pub version: Version, #[serde(rename="Time")] pub time: Option<jiff::Timestamp>, #[serde(rename="Origin")] pub origin: Option<Origin> }
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin { }
