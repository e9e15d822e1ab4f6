//! The header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt).
//!
//! Rules of this room: it thinks; octets in, a header or one clear reason out; whatever is not exactly a header is refused, for a guess
//! would let a client choose its own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rwgi::Endpoint;

/// What version 2 begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const NAME: &[u8] = b"PROXY ";
/// A line of version 1 with its end; more is malformed by its definition.
const LONGEST_LINE: usize = 107;
/// The fixed part of version 2.
const FIXED: usize = 16;
/// What may follow it: addresses of 216 octets at most, and extensions. A proxy that adds the client's certificate says most, in about
/// 1 KiB; the length field would allow 64 KiB.
const MOST_FOLLOWING: usize = 4 * 1024;
/// More than this is no header.
#[cfg(test)]
pub(super) const MOST: usize = FIXED + MOST_FOLLOWING;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The proxy speaks for itself (a health check), or does not know for whom: the socket's own addresses stand.
    Local,
    /// The client's end of its connection to the proxy, and the proxy's.
    Proxied { peer: Endpoint, local: Endpoint },
}

/// Why octets are no header.
pub(crate) type Malformed = &'static str;

/// Reads the header at the beginning of `octets`: it and its length, or `None` where more octets are needed.
pub(crate) fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    if octets.starts_with(SIGNATURE) {
        version_2(octets)
    } else if octets.starts_with(NAME) {
        version_1(octets)
    } else if SIGNATURE.starts_with(octets) || NAME.starts_with(octets) {
        Ok(None)
    } else {
        Err("there is no PROXY header")
    }
}

fn version_1(octets: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let window = &octets[..octets.len().min(LONGEST_LINE)];
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        if octets.len() >= LONGEST_LINE {
            return Err("the PROXY line does not end within 107 octets");
        }
        return Ok(None);
    };
    let line = std::str::from_utf8(&octets[NAME.len()..end])
        .map_err(|_| "the PROXY line is not in ASCII")?;
    let header = if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        Header::Local
    } else {
        let mut parts = line.split(' ');
        let family = parts.next();
        let mut next = || parts.next().ok_or("the PROXY line lacks a part");
        let (peer, local) = (next()?, next()?);
        let (peer_port, local_port) = (port(next()?)?, port(next()?)?);
        if parts.next().is_some() {
            return Err("the PROXY line has too many parts");
        }
        let address = |text: &str| -> Result<IpAddr, Malformed> {
            match family {
                Some("TCP4") => text.parse().map(Ipv4Addr::into),
                Some("TCP6") => text.parse().map(Ipv6Addr::into),
                _ => return Err("the PROXY line names no known family"),
            }
            .map_err(|_| "the PROXY line holds a malformed address")
        };
        proxied(address(peer)?, peer_port, address(local)?, local_port)
    };
    Ok(Some((header, end + 2)))
}

fn port(text: &str) -> Result<u16, Malformed> {
    let plain =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or("the PROXY line holds a malformed port")
}

fn version_2(octets: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let Some(&[command, family, high, low]) =
        octets.get(SIGNATURE.len()..FIXED).and_then(|rest| rest.first_chunk())
    else {
        return Ok(None);
    };
    // Judged before the rest is waited for.
    let proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err("the PROXY header has an unknown version or command"),
    };
    let addresses = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err("the PROXY header has an unknown family"),
    };
    let following = usize::from(u16::from_be_bytes([high, low]));
    if following > MOST_FOLLOWING {
        return Err("the PROXY header is longer than 4 KiB");
    }
    if proxied && following < addresses {
        return Err("the PROXY header is too short for its addresses");
    }
    let length = FIXED + following;
    let Some(whole) = octets.get(..length) else { return Ok(None) };
    // A proxy that speaks for itself may send what it likes there.
    if !proxied {
        return Ok(Some((Header::Local, length)));
    }
    let (addresses, extensions) = whole[FIXED..].split_at(addresses);
    check_extensions(whole, extensions)?;
    let header = match family {
        0x11 => ip_addresses::<4>(addresses),
        0x21 => ip_addresses::<16>(addresses),
        0x31 => {
            let (peer, local) = addresses.split_at(108);
            Header::Proxied { peer: unix(peer), local: unix(local) }
        }
        // No stream, so no client of ours: nothing is known of whom it speaks for.
        _ => Header::Local,
    };
    Ok(Some((header, length)))
}

fn ip_addresses<const SIZE: usize>(octets: &[u8]) -> Header
where
    IpAddr: From<[u8; SIZE]>,
{
    let address = |at: usize| {
        let mut address = [0; SIZE];
        address.copy_from_slice(&octets[at..at + SIZE]);
        IpAddr::from(address)
    };
    let port = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    proxied(address(0), port(2 * SIZE), address(SIZE), port(2 * SIZE + 2))
}

fn proxied(peer: IpAddr, peer_port: u16, local: IpAddr, local_port: u16) -> Header {
    Header::Proxied {
        peer: SocketAddr::new(peer, peer_port).into(),
        local: SocketAddr::new(local, local_port).into(),
    }
}

/// A path ends at its first NUL; an empty one is unnamed, or abstract.
fn unix(octets: &[u8]) -> Endpoint {
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&octets[..end]));
    Endpoint::Unix((end > 0).then_some(path))
}

/// Extensions are of type, length and value; the one that is a checksum has to be right.
fn check_extensions(whole: &[u8], mut extensions: &[u8]) -> Result<(), Malformed> {
    const CHECKSUM: u8 = 0x03;
    let start = whole.len() - extensions.len();
    let mut at = start;
    while let [kind, high, low, rest @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let value = rest.get(..length).ok_or("an extension of the PROXY header is cut short")?;
        if *kind == CHECKSUM {
            let told: [u8; 4] =
                value.try_into().map_err(|_| "the PROXY header's checksum is not of 4 octets")?;
            let mut blank = whole.to_vec();
            blank[at + 3..at + 7].fill(0);
            if crc32c(&blank) != u32::from_be_bytes(told) {
                return Err("the PROXY header's checksum is wrong");
            }
        }
        at += 3 + length;
        extensions = &rest[length..];
    }
    if extensions.is_empty() {
        Ok(())
    } else {
        Err("an extension of the PROXY header is cut short")
    }
}

/// Castagnoli's checksum (RFC 4960, appendix B), bit by bit: a header is short, and few proxies send one.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |sum: u32, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0x82F6_3B78 } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(peer: &str, local: &str) -> Header {
        let end = |text: &str| Endpoint::Ip(text.parse().unwrap());
        Header::Proxied { peer: end(peer), local: end(local) }
    }

    fn v2(command: u8, family: u8, following: &[u8]) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend([command, family]);
        octets.extend(u16::try_from(following.len()).unwrap().to_be_bytes());
        octets.extend(following);
        octets
    }

    fn tcp4(extensions: &[u8]) -> Vec<u8> {
        v2(0x21, 0x11, &[&[192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xBB], extensions].concat())
    }

    /// Every whole header that is tried, with what it says.
    fn whole() -> Vec<(Vec<u8>, Header)> {
        let v4 = header("192.0.2.1:12345", "10.0.0.1:443");
        let v6 = header("[2001:db8::1]:12345", "[2001:db8::2]:443");
        let mut six = Vec::new();
        for last in [1, 2] {
            six.extend("2001:db8::".parse::<Ipv6Addr>().unwrap().octets());
            *six.last_mut().unwrap() = last;
        }
        six.extend([0x30, 0x39, 0x01, 0xBB]);
        let mut named = vec![0; 216];
        named[..5].copy_from_slice(b"/run/");
        let mut summed = tcp4(&[3, 0, 4, 0, 0, 0, 0]);
        let sum = crc32c(&summed).to_be_bytes();
        let end = summed.len();
        summed[end - 4..].copy_from_slice(&sum);
        let paths = Header::Proxied {
            peer: Endpoint::Unix(Some("/run/".into())),
            local: Endpoint::Unix(None),
        };
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n".to_vec(), v4.clone()),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n".to_vec(), v6.clone()),
            (b"PROXY UNKNOWN\r\n".to_vec(), Header::Local),
            (b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n".to_vec(), Header::Local),
            (tcp4(&[]), v4.clone()),
            (tcp4(&[1, 0, 2, b'h', b'2', 4, 0, 0]), v4.clone()),
            (summed, v4),
            (v2(0x21, 0x21, &six), v6),
            (v2(0x21, 0x31, &named), paths),
            (v2(0x21, 0x12, &[0; 12]), Header::Local),
            (v2(0x21, 0x00, &[]), Header::Local),
            (v2(0x20, 0x00, &[]), Header::Local),
            (v2(0x20, 0x11, b"anything"), Header::Local),
        ]
    }

    #[test]
    fn a_header_says_who_is_meant_and_where_it_ends() {
        for (octets, expected) in whole() {
            let behind = [&octets[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&behind), Ok(Some((expected, octets.len()))));
        }
    }

    #[test]
    fn each_beginning_of_a_header_waits_for_more() {
        for (octets, _) in whole() {
            for end in 0..octets.len() {
                assert_eq!(parse(&octets[..end]), Ok(None), "{:?}", &octets[..end]);
            }
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let long = format!("PROXY UNKNOWN {}", "x".repeat(107));
        for line in [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 \r\n",
            "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            &long,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(parse(b"PROXY TCP4 \xff\r\n").is_err());
        for octets in [
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x13, &[0; 12]),
            v2(0x21, 0x41, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x31, &[0; 215]),
            v2(0x21, 0x11, &[0; MOST_FOLLOWING + 1]),
            tcp4(&[1]),
            tcp4(&[1, 0]),
            tcp4(&[1, 0, 1]),
            tcp4(&[3, 0, 4, 1, 2, 3, 4]),
            tcp4(&[3, 0, 1, 1]),
        ] {
            assert!(parse(&octets).is_err(), "{octets:?}");
        }
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn no_single_octet_that_is_changed_is_taken_for_more_than_it_is() {
        for (octets, _) in whole() {
            for at in 0..octets.len() {
                for value in 0..=255 {
                    let mut octets = octets.clone();
                    octets[at] = value;
                    if let Ok(Some((_, length))) = parse(&octets) {
                        assert!(length <= octets.len());
                    }
                }
            }
        }
    }
}
