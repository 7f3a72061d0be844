//! Which addresses are of the public internet. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Asked for by machines of one cloud alone, and answered with their secrets.
const METADATA: [Ipv4Addr; 1] = [Ipv4Addr::new(168, 63, 129, 16)];

/// What an address is when it is not a public one.
pub(crate) fn closed(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => closed_v4(address),
        IpAddr::V6(address) => closed_v6(address),
    }
}

fn closed_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "an address of this network",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "a private address",
        (100, 64..=127, _) => "an address shared behind a provider",
        (127, ..) => "this machine",
        (169, 254, _) => "a link-local address, where clouds keep secrets",
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (198, 18..=19, _) => "an address set aside",
        (192, 88, 99) => "an address that relays to others",
        (224..=239, ..) => "a multicast address",
        (240.., ..) => "an address set aside",
        _ if METADATA.contains(&address) => "an address where a cloud keeps secrets",
        _ => return None,
    })
}

/// What is given out to networks lies in one block; everything else is closed, and in it what leads to an IPv4 address.
fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.to_ipv4_mapped().is_some() {
        return Some("an IPv4 address in another form");
    }
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => "this machine",
        [0x64, 0xff9b, ..] => "an IPv4 address behind a translator",
        [0x2001, 0..=0x1ff, ..] => "an address that tunnels or is set aside",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address for documentation",
        [0x2002, ..] => "an IPv4 address behind a tunnel",
        [0x2000..=0x3fff, ..] => return None,
        [0xfc00..=0xfdff, ..] => "a private address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        _ => "an address that is not given out",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_open() {
        let open =
            ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1"];
        for address in open.into_iter().chain(["2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888"]) {
            assert_eq!(closed(address.parse().expect("an address")), None, "{address}");
        }
        let closed_ones = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 \
            127.9.9.9 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 \
            192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 \
            255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 100::1 \
            2001::1 2001:10::1 2001:db8::1 2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 \
            ff02::1";
        for address in closed_ones.split_whitespace() {
            assert!(closed(address.parse().expect("an address")).is_some(), "{address}");
        }
    }
}
