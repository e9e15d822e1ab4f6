//! Settings with words of their own: who needs a certificate, who may connect to a Unix socket, what the threads share.
//!
//! Rules of this room: it thinks; what it prints, it reads; a word that it does not know is answered with those that it does.

use std::fmt;
use std::str::FromStr;

/// Whether a client may do without a certificate: `required` (the default, see [`Config::client_certificate`](crate::Config::client_certificate))
/// or `optional`. Another word is an error that names both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No client is served without.
    #[default]
    Required,
    /// A client without is served, one with a bad one is not.
    Optional,
}

impl FromStr for ClientCertificate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "required" => Ok(Self::Required),
            "optional" => Ok(Self::Optional),
            _ => Err(format!("{text:?} is neither \"required\" nor \"optional\"")),
        }
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Optional => "optional",
        })
    }
}

/// How the threads that serve share the work: `shared` (the default, see [`Config::runtime`](crate::Config::runtime)) or `per-core`. Another word is
/// an error that names both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// One runtime, whose threads take work from each other.
    #[default]
    Shared,
    /// One runtime for each core, to which connections are dealt in turn, and with which they stay.
    PerCore,
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "shared" => Ok(Self::Shared),
            "per-core" => Ok(Self::PerCore),
            _ => Err(format!("{text:?} is neither \"shared\" nor \"per-core\"")),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::PerCore => "per-core",
        })
    }
}

/// Who may connect to a Unix socket, as `chmod` has it: `660`. Read from octal digits, `777` at most; see
/// [`Config::unix_mode`](crate::Config::unix_mode) for the default.
///
/// ```
/// use rwgi_server::UnixMode;
/// assert_eq!("660".parse(), Ok(UnixMode(0o660)));
/// assert!("rw-rw----".parse::<UnixMode>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixMode(pub u32);

impl FromStr for UnixMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        u32::from_str_radix(text.trim(), 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no mode; write three octal digits, as \"660\""))
    }
}

impl fmt::Display for UnixMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}
