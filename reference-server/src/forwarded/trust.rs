//! Whom to believe, and what: the two settings of this room.
//!
//! Rules of this room: the default believes nobody; text in, text out, and an error says what would be right.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use rwgi::Endpoint;

/// The proxies whose word is believed (REQ-ENV-14 to REQ-ENV-16): networks, addresses, and `unix` for whoever connects over a Unix socket.
/// The default is nobody, for whoever is believed can choose every client's address; `off` says so, too.
///
/// ```
/// use rwgi_server::TrustedProxies;
/// let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8::1, unix".parse()?;
/// assert_eq!(proxies.to_string(), "10.0.0.0/8,2001:db8::1/128,unix");
/// assert!(TrustedProxies::default().is_empty());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

/// The word for peers on Unix sockets, in the setting and in what nginx writes of them.
const UNIX: &str = "unix";

impl TrustedProxies {
    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether the word of `peer` is believed.
    pub fn trusts(&self, peer: &Endpoint) -> bool {
        match peer {
            Endpoint::Ip(address) => {
                // A socket for both families shows addresses of IPv4 as mapped ones.
                let ip = address.ip().to_canonical();
                self.networks.iter().any(|network| network.contains(&ip))
            }
            Endpoint::Unix(_) => self.unix,
            _ => false,
        }
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut proxies = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item.eq_ignore_ascii_case(UNIX) {
                proxies.unix = true;
            } else if item.eq_ignore_ascii_case("off") || item.eq_ignore_ascii_case("none") {
                // The word for an empty list, so that a flag can take back what a file says.
            } else if let Ok(network) = item.parse::<IpNet>() {
                if network.trunc() != network {
                    let right = network.trunc();
                    return Err(format!(
                        "{item:?} has bits beyond its prefix; write {right}, or {} alone",
                        network.addr()
                    ));
                }
                proxies.networks.push(network);
            } else if let Ok(address) = item.parse::<IpAddr>() {
                proxies.networks.push(address.to_canonical().into());
            } else {
                return Err(format!(
                    "{item:?} is no network; write addresses, networks or `unix`, as in 10.0.0.0/8,::1,unix"
                ));
            }
        }
        Ok(proxies)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let all: Vec<_> = networks.chain(self.unix.then(|| UNIX.to_owned())).collect();
        if all.is_empty() { f.write_str("off") } else { f.write_str(&all.join(",")) }
    }
}

/// The fields that the trusted proxies write; no other is looked at: `forwarded` (RFC 7239), or `x-forwarded-for` and with it `x-forwarded-proto`,
/// `x-forwarded-host`, `x-forwarded-port`. See [`Config::forwarded_fields`](crate::Config::forwarded_fields) for the default and its reason.
///
/// Both kinds at once are an error, for the one that the proxy does not write is the client's.
///
/// ```
/// use rwgi_server::ForwardedFields;
/// assert_eq!(ForwardedFields::default().to_string(), "x-forwarded-for,x-forwarded-proto");
/// assert!("forwarded,x-forwarded-for".parse::<ForwardedFields>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedFields {
    named: [bool; NAMES.len()],
}

const NAMES: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

impl ForwardedFields {
    pub(super) fn forwarded(&self) -> bool {
        self.named[0]
    }

    pub(super) fn x_for(&self) -> bool {
        self.named[1]
    }

    pub(super) fn x_proto(&self) -> bool {
        self.named[2]
    }

    pub(super) fn x_host(&self) -> bool {
        self.named[3]
    }

    pub(super) fn x_port(&self) -> bool {
        self.named[4]
    }
}

impl Default for ForwardedFields {
    fn default() -> Self {
        Self { named: [false, true, true, false, false] }
    }
}

impl FromStr for ForwardedFields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut named = [false; NAMES.len()];
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match NAMES.iter().position(|name| name.eq_ignore_ascii_case(item)) {
                Some(position) => named[position] = true,
                None => {
                    return Err(format!("{item:?} is not known; choose from {}", NAMES.join(", ")));
                }
            }
        }
        if named[0] && named[1..].contains(&true) {
            return Err("a proxy writes `forwarded` or the `x-forwarded-…` fields; a client writes the other kind, so name one kind".to_owned());
        }
        if named[1..].contains(&true) && !named[1] {
            return Err("without `x-forwarded-for` it cannot be known who wrote the other fields; name it too".to_owned());
        }
        Ok(Self { named })
    }
}

impl fmt::Display for ForwardedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().zip(self.named).filter(|(_, named)| *named);
        f.write_str(&named.map(|(name, _)| *name).collect::<Vec<_>>().join(","))
    }
}
