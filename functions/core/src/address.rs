//! Which IP addresses are inner ones: on this machine, on its network, or in a range that no public server has.
//!
//! Used on resolved addresses, before anything is sent there: by the PoP for its guests, by the relay for its sources.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether nothing that comes from outside may lead to this address, unless the operator named it.
#[must_use]
pub fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_inner_v4(v4),
        IpAddr::V6(v6) => is_inner_v6(v6),
    }
}

fn is_inner_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        // "This network", shared address space, IETF protocols, benchmarks, reserved with broadcast.
        || a == 0
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 240
}

fn is_inner_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_inner_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // Unspecified, loopback, and IPv4 in its mapped and its deprecated compatible form.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => (high == 0 && low <= 1) || v4(high, low),
        // IPv4 behind a translator, and 6to4; local-use translation and Teredo lead to places unknown.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 1, ..] => true,
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, ..] | [0x2001, 0xdb8, ..] => true,
        // Unique local, link-local, the deprecated site-local, multicast.
        [first, ..] => first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first >> 8 == 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_in_every_disguise() {
        for inner in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in
            ["1.1.1.1", "100.128.0.1", "198.20.0.1", "2606:4700::1", "::ffff:1.1.1.1", "64:ff9b::101:101"]
        {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }
}
