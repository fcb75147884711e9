//! The client address of a request, and the networks that it counts in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;

/// The number of trusted proxies in front of the server.
///
/// Each proxy appends the address of its peer to `X-Forwarded-For`, so with `n` proxies the
/// client's address is the `n`th entry from the right. Everything to the left of it may have been
/// written by the client. `Forwarded` (RFC 7239) is not read: a proxy that does not write it passes
/// on the client's own.
///
/// The server must be reachable only through these proxies. A client that passes fewer of them can
/// choose its address.
#[doc(alias("x-forwarded-for", "proxy"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies(u8);

impl TrustedProxies {
    /// Trusts this number of proxies. With none, which is the default, no header is read.
    #[must_use]
    pub const fn new(proxies: u8) -> Self {
        Self(proxies)
    }

    /// Returns the client's address for a connection from `peer`. An IPv4 address in IPv6 form is
    /// converted to IPv4: mapped (`::ffff:0:0/96`), or behind a NAT64 (`64:ff9b::/96`, RFC 6052).
    ///
    /// Returns the peer's own address if there are fewer entries than proxies, or the entry is not
    /// an address. Such requests share the budget of their proxy, and none escapes a budget.
    #[must_use]
    pub fn client_address(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = canonical(peer);
        let Some(hops) = usize::from(self.0).checked_sub(1) else {
            return peer;
        };
        // Several header lines form one list (RFC 9110 section 5.3).
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let entry = entries.nth(hops).and_then(parse);
        entry.map_or(peer, canonical)
    }
}

/// Parses an address, with or without the port that some proxies add.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.unwrap_or(text).parse().ok().or_else(with_port)
}

/// The address that is counted.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.octets().split_last_chunk() {
            Some((prefix, embedded)) if *prefix == NAT64 => Ipv4Addr::from(*embedded).into(),
            _ => v6.into(),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The networks that an address counts in, smallest first. For IPv6 these are the /64 of a link,
/// the /56 of a household, and the /48 of a site: the owner of a larger network has all of the
/// smaller ones.
pub(super) fn networks(address: IpAddr) -> Vec<Vec<u8>> {
    match canonical(address) {
        IpAddr::V4(address) => vec![address.octets().to_vec()],
        IpAddr::V6(address) => {
            let octets = address.octets();
            [8, 7, 6].map(|bytes| octets[..bytes].to_vec()).into()
        }
    }
}

/// The largest network that belongs to one party: an IPv4 address, or a /48.
pub(crate) fn site(address: IpAddr) -> Vec<u8> {
    networks(address).pop().unwrap_or_default()
}

/// The well-known prefix of RFC 6052 section 2.1.
const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(proxies: u8, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let peer = "10.0.0.1".parse().unwrap();
        let address = TrustedProxies::new(proxies).client_address(peer, &headers);
        address.to_string()
    }

    const PEER: &str = "10.0.0.1";

    #[test]
    fn without_proxies_no_header_is_read() {
        assert_eq!(client(0, &["192.0.2.7"]), PEER);
        assert_eq!(client(0, &[]), PEER);
    }

    #[test]
    fn forged_entries_change_nothing() {
        for forged in [
            "",
            "192.0.2.7, ",
            "192.0.2.7, 192.0.2.8, ",
            "unknown, ",
            ",,, ",
            "\u{e9}, ",
        ] {
            let one = format!("{forged}203.0.113.5");
            assert_eq!(client(1, &[&one]), "203.0.113.5", "{forged}");
            let two = format!("{forged}203.0.113.5, 10.0.0.2");
            assert_eq!(client(2, &[&two]), "203.0.113.5", "{forged}");
        }
        // A forged value in a header line of its own is also to the left.
        assert_eq!(client(1, &["192.0.2.7", "203.0.113.5"]), "203.0.113.5");
        assert_eq!(
            client(2, &["192.0.2.7", "203.0.113.5", "10.0.0.2"]),
            "203.0.113.5"
        );
    }

    #[test]
    fn fewer_entries_than_proxies_yield_the_peer() {
        assert_eq!(client(1, &[]), PEER);
        assert_eq!(client(2, &["192.0.2.7"]), PEER);
        assert_eq!(client(255, &["192.0.2.7, 192.0.2.8"]), PEER);
    }

    #[test]
    fn an_invalid_entry_yields_the_peer() {
        for entry in [
            "",
            "unknown",
            "_hidden",
            "300.1.1.1",
            "192.0.2.7 x",
            "[2001:db8::1",
            "1.2.3",
            ":80",
            "é",
        ] {
            assert_eq!(client(1, &[entry]), PEER, "{entry}");
            // The next entry to the left is not used instead: the client may have written it.
            assert_eq!(client(1, &["192.0.2.7", entry]), PEER, "{entry}");
        }
    }

    #[test]
    fn an_address_is_read_in_every_form() {
        for (entry, address) in [
            (" 192.0.2.7\t", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("64:ff9b::192.0.2.7", "192.0.2.7"),
            ("[64:ff9b::c000:207]:443", "192.0.2.7"),
        ] {
            assert_eq!(client(1, &[entry]), address, "{entry}");
        }
    }

    #[test]
    fn an_address_is_counted_in_each_network_around_it() {
        let networks = |text: &str| networks(text.parse().unwrap());
        let one = networks("2001:db8:1:203::1");
        for (other, shared) in [
            ("2001:db8:1:203:ffff::9", 3),
            ("2001:db8:1:204::1", 2),
            ("2001:db8:1:ffff::1", 1),
            ("2001:db8:2:203::1", 0),
        ] {
            let other_networks = networks(other);
            let is_shared = one.iter().zip(&other_networks).filter(|(a, b)| a == b);
            assert_eq!(is_shared.count(), shared, "{other}");
        }
        for same in [
            "::ffff:192.0.2.7",
            "64:ff9b::192.0.2.7",
            "64:ff9b::c000:207",
        ] {
            assert_eq!(networks(same), networks("192.0.2.7"), "{same}");
        }
        for other in ["192.0.2.8", "64:ff9b::192.0.2.8", "64:ff9b:1::c000:207"] {
            assert_ne!(networks(other), networks("192.0.2.7"), "{other}");
        }
        assert_eq!(site("2001:db8:1:2::1".parse().unwrap()).len(), 6);
    }
}
