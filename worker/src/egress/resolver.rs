//! CheckedResolver: names become addresses that may be connected to.
//!
//! The client connects to what this returns and resolves nothing itself, so a name
//! cannot change its address between check and use.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::AllowList;

#[derive(Debug)]
pub(super) struct CheckedResolver {
    allow: Arc<AllowList>,
    proxies: BTreeSet<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("the name leads to {address} only, which is not public")]
    NotPublic { address: IpAddr },
    #[error("no such host")]
    UnknownHost,
    #[error("{reason}")]
    Failed { reason: String },
}

impl CheckedResolver {
    /// `proxies` are the operator's own hosts, in lower case, and exempt.
    pub(super) fn new(allow: AllowList, proxies: BTreeSet<String>) -> Self {
        Self { allow: Arc::new(allow), proxies }
    }

    pub(super) fn is_proxy(&self, host: &str) -> bool {
        self.proxies.contains(&host.to_ascii_lowercase())
    }

    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.allow.allows(address)
    }

    pub(super) async fn checked(&self, host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        check(lookup(host).await?, &self.allow)
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = (!self.is_proxy(name.as_str())).then(|| Arc::clone(&self.allow));
        Box::pin(async move {
            let found = lookup(name.as_str()).await?;
            let addresses = match allow {
                Some(allow) => check(found, &allow)?,
                None => found,
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a name, with port 0.
pub(super) async fn lookup(host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(lookup_failure(&error)),
    }
}

fn lookup_failure(error: &io::Error) -> ResolveError {
    // The standard library hands on the C library's text but not its code. These are
    // how the known ones say that the name has no address, as opposed to a name
    // server in trouble; an unknown text errs on the side of trouble.
    const ABSENT: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
    ];
    let reason = error.to_string();
    if ABSENT.iter().any(|text| reason.contains(text)) {
        ResolveError::UnknownHost
    } else {
        ResolveError::Failed { reason }
    }
}

fn check(found: Vec<SocketAddr>, allow: &AllowList) -> Result<Vec<SocketAddr>, ResolveError> {
    let (allowed, refused): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| allow.allows(address.ip()));
    match (allowed.is_empty(), refused.first()) {
        (true, Some(address)) => Err(ResolveError::NotPublic { address: address.ip() }),
        (true, None) => Err(ResolveError::UnknownHost),
        (false, _) => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use stoa_shared::config::AddressRanges;

    use super::*;

    #[test]
    fn refused_addresses_are_dropped_and_the_rest_is_used() {
        let allow: AllowList =
            ["10.1.0.0/16".parse().unwrap()].into_iter().collect::<AddressRanges>().into();
        let socket = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let found = ["127.0.0.1", "10.1.2.3", "1.1.1.1", "fd00::1"].map(socket).to_vec();
        let checked = check(found, &allow).unwrap();
        assert_eq!(checked, ["10.1.2.3", "1.1.1.1"].map(socket));
        let refused = check(vec![socket("10.2.0.1")], &allow).unwrap_err();
        assert!(matches!(refused, ResolveError::NotPublic { .. }), "{refused}");
        assert!(matches!(check(Vec::new(), &allow), Err(ResolveError::UnknownHost)));
    }

    #[test]
    fn a_name_server_in_trouble_is_not_absence() {
        let text = |text: &str| {
            lookup_failure(&io::Error::other(format!(
                "failed to lookup address information: {text}"
            )))
        };
        assert!(matches!(text("Name or service not known"), ResolveError::UnknownHost));
        let trouble = text("Temporary failure in name resolution");
        assert!(matches!(trouble, ResolveError::Failed { .. }));
    }

    #[tokio::test]
    async fn only_the_proxy_itself_may_have_a_private_address() {
        let resolver =
            CheckedResolver::new(AllowList::default(), BTreeSet::from(["localhost".to_owned()]));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
        let strict = CheckedResolver::new(AllowList::default(), BTreeSet::new());
        let refused = strict.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<ResolveError>().is_some(), "{refused}");
    }
}
