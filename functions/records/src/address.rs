//! Which IP addresses are inner ones: on this machine, on its network, or in a range that no public server has.
//!
//! Used on resolved addresses, before anything is sent there: by the PoP for its guests, by the relay for its sources and
//! webhooks. The ranges are those of the IANA special-purpose address registries (RFC 6890 and its updates).

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
        // Relays of 6to4, which are no more (RFC 7526).
        || (a == 192 && b == 88 && c == 99)
}

fn is_inner_v6(v6: Ipv6Addr) -> bool {
    let by_prefix = match embedded(v6) {
        Some(v4) => is_inner_v4(v4),
        None => !is_public_unicast(v6),
    };
    by_prefix || in_interface(v6).is_some_and(is_inner_v4)
}

/// The IPv4 address to which a translator or a tunnel takes a packet, as the prefix says.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        // Mapped (RFC 4291), compatible (the same, deprecated; `::` and `::1` are no public IPv4 addresses either), and
        // translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        // The well-known prefix of translators (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// The IPv4 address in an interface identifier of ISATAP (RFC 5214), which may stand under any prefix.
fn in_interface(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// Whether an address is in the space that is given to public networks, `2000::/3` (RFC 4291), and in no part of it that
/// is set apart. Outside of it are loopback, translators of local use (`64:ff9b:1::/48`), the discard prefix, unique
/// local, link-local, site-local and multicast addresses.
fn is_public_unicast(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    match first {
        // IETF protocols, with Teredo (`2001::/32`), benchmarks and ORCHID; documentation.
        0x2001 => second >= 0x200 && second != 0xdb8,
        // Documentation (RFC 9637).
        0x3fff => second >= 0x1000,
        first => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            "192.88.99.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::101:101",
            "64:ff9b:2::1",
            "2002:7f00:1::",
            "2001:0:101:101::1",
            "2001:2::1",
            "2001:10::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:192.168.0.1",
            "100::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "100.128.0.1",
            "198.20.0.1",
            "192.89.0.1",
            "2606:4700::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2a00::1",
            "3fff:1000::1",
            "::ffff:1.1.1.1",
            "::ffff:0:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv6_address_that_embeds_an_inner_ipv4_address_is_inner(bits: u32, prefix in 0x2000_u16..0x4000) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for v6 in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x2002, high, low, 1, 0, 0, 0, 1],
                [prefix, 2, 3, 4, 0, 0x5efe, high, low],
                [prefix, 2, 3, 4, 0x200, 0x5efe, high, low],
            ] {
                let v6 = Ipv6Addr::from(v6);
                prop_assert!(!is_inner_v4(v4) || is_inner_v6(v6), "{v6} leads to {v4}");
            }
            // Nothing says where a translator of local use or a Teredo server sends a packet.
            for v6 in [[0x64, 0xff9b, 1, 0, 0, 0, high, low], [0x2001, 0, high, low, 0, 0, !high, !low]] {
                prop_assert!(is_inner_v6(Ipv6Addr::from(v6)));
            }
        }
    }
}
