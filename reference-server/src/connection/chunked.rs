//! The chunked coding, followed for its end only.
//!
//! Rules of this room: it thinks, on octets alone; hyper decodes and refuses what is malformed, so this may be laxer than hyper, for
//! a connection with malformed content ends anyway.

/// Where in the coding a connection stands.
#[derive(Debug)]
pub(super) enum Chunked {
    /// In the digits of a chunk's size.
    Size(u64),
    /// Behind the digits, before the end of the line.
    Extension(u64),
    /// In a chunk's data, the line end behind it included.
    Data(u64),
    /// In a line of the trailer section; whether it is empty so far.
    Trailer {
        empty: bool,
    },
    Ended,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self::Size(0)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Skips octets up to the end of the coding; gives how many, or `None` where no size can be read.
    pub(super) fn skip(&mut self, octets: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < octets.len() && !self.is_ended() {
            if let Self::Data(left) = self {
                let here = octets.len() - at;
                let used = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= used as u64;
                at += used;
                if *left == 0 {
                    *self = Self::Size(0);
                }
            } else {
                *self = self.after(octets[at])?;
                at += 1;
            }
        }
        Some(at)
    }

    fn after(&self, octet: u8) -> Option<Self> {
        Some(match (self, octet) {
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::Trailer { empty: true },
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size.checked_add(2)?),
            (Self::Size(size), _) => match char::from(octet).to_digit(16) {
                Some(digit) => Self::Size(size.checked_mul(16)?.checked_add(u64::from(digit))?),
                None => Self::Extension(*size),
            },
            (Self::Extension(size), _) => Self::Extension(*size),
            (Self::Trailer { empty: true }, b'\n') => Self::Ended,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { empty: true },
            (Self::Trailer { empty }, b'\r') => Self::Trailer { empty: *empty },
            (Self::Trailer { .. }, _) => Self::Trailer { empty: false },
            (Self::Data(_) | Self::Ended, _) => return None,
        })
    }
}
