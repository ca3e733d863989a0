//! Ids of sessions and sockets: 20 characters of base64url, 120 random bits, unless the application makes its
//! own.

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;

/// The id of a session. It is a secret, since anyone who knows it can act as the client.
///
/// It has 20 characters of base64url, or is an application's own of 1 to 36 unreserved characters (RFC 3986,
/// section 2.3), which is enough for a UUID. It is stored without an allocation.
///
/// ```
/// use engineio::Sid;
///
/// let sid = Sid::generate();
/// assert_eq!(sid.as_str().len(), Sid::LEN);
/// assert_eq!(Sid::parse("no/slash"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid {
    /// Zeros after the id.
    bytes: [u8; Sid::MAX_LEN],
    len: u8,
}

impl Sid {
    /// Characters in an id of ours.
    pub const LEN: usize = 20;

    /// The most characters in an id that the application makes.
    pub const MAX_LEN: usize = 36;

    /// A new id of 120 bits from `random`, so that it can't be guessed and collides with no other. Outside of tests,
    /// `random` must be cryptographically secure.
    ///
    /// # Panics
    /// If the random source fails.
    #[must_use]
    pub fn random(random: &mut impl TryRng) -> Sid {
        let mut secret = [0; Sid::LEN / 4 * 3];
        assert!(random.try_fill_bytes(&mut secret).is_ok(), "the random source failed");
        let mut bytes = [0; Sid::MAX_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(secret, &mut bytes);
        debug_assert_eq!(written, Ok(Sid::LEN));
        Sid { bytes, len: Sid::LEN as u8 }
    }

    /// A new id from a generator that this thread keeps: cryptographically secure, and reseeded by the operating
    /// system from time to time.
    #[must_use]
    pub fn generate() -> Sid {
        Sid::random(&mut rand::rng())
    }

    /// Reads an id that a client sent or an application made; `None` if it can't be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Sid> {
        let unreserved =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if text.is_empty() || text.len() > Sid::MAX_LEN || !text.as_bytes().iter().all(unreserved) {
            return None;
        }
        let mut bytes = [0; Sid::MAX_LEN];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Sid { bytes, len: text.len() as u8 })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever stored.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl Hash for Sid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In one piece, and without the unused bytes.
        state.write(&self.bytes[..usize::from(self.len)]);
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: protocol/ids
    #[test]
    fn an_id_is_twenty_characters_and_reads_back() {
        let sid = Sid::generate();
        assert_eq!(sid.as_str().len(), 20);
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        assert_ne!(Sid::generate(), sid);
    }

    // proves: features/generate-id, protocol/chosen-ids
    #[test]
    fn an_application_may_make_other_ids() {
        for id in ["a", "node-1.abc_~", "123e4567-e89b-42d3-a456-426614174000", "__proto__"] {
            assert_eq!(Sid::parse(id).unwrap().as_str(), id);
        }
        assert_ne!(Sid::parse("a"), Sid::parse("aa"));
    }

    // proves: protocol/ids
    #[test]
    fn what_has_not_the_form_of_an_id_is_none() {
        for text in ["", "a b", "aaaaaaaaaaaaaaaaaaa/", "a\0", "é", "a;b", "a%20", &"a".repeat(37)] {
            assert_eq!(Sid::parse(text), None, "{text:?}");
        }
    }
}
