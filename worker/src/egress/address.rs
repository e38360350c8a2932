//! Which addresses foreign names may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stoa_shared::config::AddressRanges;

/// Networks that are allowed although they are not public (`STOA_ALLOW_ADDRESSES`).
/// Empty by default: public addresses only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    ranges: AddressRanges,
    base: Base,
}

/// What is allowed whatever the operator lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Base {
    #[default]
    Public,
    Nothing,
    AllButMetadata,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// Leading bits that count.
    length: u8,
}

impl AllowList {
    /// Whether an address may be connected to: it is public, or listed.
    pub fn allows(&self, address: IpAddr) -> bool {
        let is_allowed = match self.base {
            Base::Public => is_public(address),
            Base::Nothing => false,
            Base::AllButMetadata => !is_metadata(address),
        };
        // Whoever allows 10.0.0.1 means the machine, however it is spelled.
        is_allowed || self.ranges.contains(address.to_canonical())
    }

    /// Internal networks and all others, but not what a machine reaches only for itself:
    /// link-local addresses, and those where clouds hand out its credentials.
    pub(super) fn internal() -> Self {
        Self { ranges: AddressRanges::default(), base: Base::AllButMetadata }
    }

    /// The same networks and no public address besides.
    #[must_use]
    pub fn without_public(self) -> Self {
        Self { base: Base::Nothing, ..self }
    }
}

impl From<AddressRanges> for AllowList {
    fn from(ranges: AddressRanges) -> Self {
        Self { ranges, base: Base::Public }
    }
}

impl Network {
    const fn v4(octets: [u8; 4], length: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::from_octets(octets)), length }
    }

    const fn v6(first: u16, second: u16, length: u8) -> Self {
        let address = Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0);
        Self { address: IpAddr::V6(address), length }
    }

    const fn host([a, b, c, d, e, f, g, h]: [u16; 8]) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length: 128 }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs, bits) = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let host_bits = bits - u32::from(self.length);
        ours.checked_shr(host_bits) == theirs.checked_shr(host_bits)
    }
}

/// Networks of special use within the space that is public otherwise.
const SPECIAL: [Network; 21] = [
    Network::v4([0, 0, 0, 0], 8),        // this network, unspecified
    Network::v4([10, 0, 0, 0], 8),       // private
    Network::v4([100, 64, 0, 0], 10),    // shared by carriers
    Network::v4([127, 0, 0, 0], 8),      // loopback
    Network::v4([168, 63, 129, 16], 32), // a cloud's metadata in public space
    Network::v4([169, 254, 0, 0], 16),   // link-local, metadata
    Network::v4([172, 16, 0, 0], 12),    // private
    Network::v4([192, 0, 0, 0], 24),     // protocol assignments
    Network::v4([192, 0, 2, 0], 24),     // documentation
    Network::v4([192, 88, 99, 0], 24),   // 6to4 relays
    Network::v4([192, 168, 0, 0], 16),   // private
    Network::v4([198, 18, 0, 0], 15),    // benchmarks
    Network::v4([198, 51, 100, 0], 24),  // documentation
    Network::v4([203, 0, 113, 0], 24),   // documentation
    Network::v4([224, 0, 0, 0], 4),      // multicast
    Network::v4([240, 0, 0, 0], 4),      // reserved, broadcast
    Network::v6(0x2001, 0, 23),          // protocol assignments, Teredo
    Network::v6(0x2001, 0xdb8, 32),      // documentation
    Network::v6(0x2002, 0, 16),          // 6to4: an IPv4 address within
    Network::v6(0x3fff, 0, 20),          // documentation
    Network::v6(0x5f00, 0, 16),          // segment routing
];

/// Global unicast of IPv6; loopback, unique-local, link-local, multicast and all
/// that carries an IPv4 address by mapping or translation lies outside.
const GLOBAL_V6: Network = Network::v6(0x2000, 0, 3);

/// What a machine reaches only for itself. Clouds hand out its credentials there.
const METADATA: [Network; 7] = [
    Network::v4([100, 100, 100, 200], 32),
    Network::v4([168, 63, 129, 16], 32),
    Network::v4([169, 254, 0, 0], 16), // link-local
    Network::v4([192, 0, 0, 192], 32),
    Network::host([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
    Network::host([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]),
    Network::v6(0xfe80, 0, 10), // link-local
];

/// IPv4 addresses as IPv6-only networks reach them: the last four bytes.
const TRANSLATED: Network = Network::v6(0x64, 0xff9b, 96);

fn is_metadata(address: IpAddr) -> bool {
    let address = match address.to_canonical() {
        IpAddr::V6(v6) if TRANSLATED.contains(v6.into()) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    };
    METADATA.iter().any(|network| network.contains(address))
}

fn is_public(address: IpAddr) -> bool {
    (address.is_ipv4() || GLOBAL_V6.contains(address))
        && !SPECIAL.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(ranges: &[&str]) -> AllowList {
        let ranges = ranges.iter().map(|range| range.parse().unwrap());
        ranges.collect::<AddressRanges>().into()
    }

    #[test]
    fn what_is_not_public_is_refused() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let allowed = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
        ];
        let list = AllowList::default();
        for address in refused {
            assert!(!list.allows(address.parse().unwrap()), "{address}");
        }
        for address in allowed {
            assert!(list.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_machines_own_addresses_are_not_internal() {
        let internal = AllowList::internal();
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("192.168.0.1", true),
            ("fd00::1", true),
            ("::1", true),
            ("1.1.1.1", true),
            ("100.100.100.201", true),
            ("fec0::1", true),
            ("64:ff9b::a01:203", true),
            ("169.254.0.1", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("100.100.100.200", false),
            ("168.63.129.16", false),
            ("192.0.0.192", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fd00:ec2::254", false),
            ("fd20:ce::254", false),
        ] {
            assert_eq!(internal.allows(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn the_operator_allows_networks_and_single_addresses() {
        let list = allowing(&["10.20.0.0/16", "192.168.7.9", "fd12::/16"]);
        for (address, allowed) in [
            ("10.20.255.1", true),
            ("10.21.0.0", false),
            ("192.168.7.9", true),
            ("::ffff:192.168.7.9", true),
            ("192.168.7.8", false),
            ("fd12:3::4", true),
            ("fd13::", false),
        ] {
            assert_eq!(list.allows(address.parse().unwrap()), allowed, "{address}");
        }
        let everything = allowing(&["0.0.0.0/0", "::/0"]);
        assert!(everything.allows("127.0.0.1".parse().unwrap()));
        assert!(everything.allows("::1".parse().unwrap()));
        let listed = allowing(&["10.20.0.0/16"]).without_public();
        for (address, allowed) in [("10.20.0.1", true), ("10.21.0.1", false), ("1.1.1.1", false)] {
            assert_eq!(listed.allows(address.parse().unwrap()), allowed, "{address}");
        }
    }
}
