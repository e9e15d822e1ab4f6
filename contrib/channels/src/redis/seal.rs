//! Messages that Redis cannot read: XChaCha20-Poly1305, with keys that can be changed.
//!
//! Rules of this room: the first key seals, every key opens; which one it was stands in front, so that no key is tried in vain; what is not
//! sealed is not taken where there is a key.

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A secret that messages are sealed with (XChaCha20-Poly1305). To change it, put the new one first and leave the old one behind it until every
/// process has both.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of 32 random octets.
    pub fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// A key made of a long secret, such as the application's own: it is hashed once and not stretched, so a password is too short.
    pub fn from_secret(secret: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"rwgi-channels\0");
        digest.update(secret.as_bytes());
        Self(digest.finalize().into())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Octets in front that tell which key it was.
const MARK: usize = 4;
const NONCE: usize = 24;

pub(super) struct Keys(Vec<([u8; MARK], XChaCha20Poly1305)>);

impl Keys {
    pub(super) fn new(keys: &[Key]) -> Self {
        let known = |key: &Key| {
            let digest: [u8; 32] = Sha256::digest(key.0).into();
            let mut mark = [0; MARK];
            mark.copy_from_slice(&digest[..MARK]);
            (mark, XChaCha20Poly1305::new(&key.0.into()))
        };
        Self(keys.iter().map(known).collect())
    }

    pub(super) fn seal(&self, message: Bytes) -> Result<Bytes> {
        let Some((mark, cipher)) = self.0.first() else { return Ok(message) };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| {
            Error::Unavailable(format!("the system gives no random octets: {error}"))
        })?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), message.as_ref())
            .map_err(|_| Error::Message("it cannot be sealed".to_owned()))?;
        Ok([mark.as_slice(), &nonce, &sealed].concat().into())
    }

    pub(super) fn open(&self, message: Bytes) -> Result<Bytes> {
        if self.0.is_empty() {
            return Ok(message);
        }
        let unreadable = || Error::Message("no key of this process opens it".to_owned());
        let (mark, rest) = message.split_at_checked(MARK).ok_or_else(unreadable)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or_else(unreadable)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| unreadable())?;
        let (_, cipher) = self.0.iter().find(|(known, _)| known == mark).ok_or_else(unreadable)?;
        let message = cipher.decrypt(&XNonce::from(nonce), sealed).map_err(|_| unreadable())?;
        Ok(message.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_changed_without_losing_a_message() {
        let (old, new) = (Key::from_secret("old"), Key::from_secret("new"));
        let message = Bytes::from_static(b"hello");
        let before = Keys::new(std::slice::from_ref(&old));
        let between = Keys::new(&[new.clone(), old]);
        let after = Keys::new(&[new]);
        let sealed = before.seal(message.clone()).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"hello"));
        assert_eq!(between.open(sealed.clone()).unwrap(), message);
        assert!(after.open(sealed.clone()).is_err());
        assert_eq!(after.open(between.seal(message.clone()).unwrap()).unwrap(), message);
        let mut changed = sealed.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(before.open(changed.into()).is_err());
        assert!(before.open(message.clone()).is_err());
        let none = Keys::new(&[]);
        assert_eq!(none.open(none.seal(message.clone()).unwrap()).unwrap(), message);
    }
}
