//! Ids of sessions and sockets: 20 characters of base64url, 120 bits from the operating system.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;

/// The id of a session: 20 characters of base64url. It is a secret, since whoever knows it speaks as the
/// client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid([u8; Sid::LEN]);

impl Sid {
    /// Characters in an id.
    pub const LEN: usize = 20;

    /// A new id from `random`, which is the operating system's source outside of tests:
    /// 120 bits, so that ids can't be guessed and don't collide.
    ///
    /// # Panics
    /// If the random source fails, which for the operating system's means that nothing can be secret.
    #[must_use]
    pub fn random(random: &mut impl TryRng) -> Sid {
        let mut bytes = [0; Sid::LEN / 4 * 3];
        assert!(random.try_fill_bytes(&mut bytes).is_ok(), "the random source failed");
        let mut sid = [0; Sid::LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut sid);
        debug_assert_eq!(written, Ok(Sid::LEN));
        Sid(sid)
    }

    /// A new id from the operating system's random source.
    #[must_use]
    pub fn generate() -> Sid {
        Sid::random(&mut rand::rngs::SysRng)
    }

    /// Reads an id that a client sent; `None` if it has another form than ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Sid> {
        let bytes: [u8; Sid::LEN] = text.as_bytes().try_into().ok()?;
        let ours = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        bytes.iter().all(ours).then_some(Sid(bytes))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only base64url characters are ever stored.
        std::str::from_utf8(&self.0).unwrap_or_default()
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

    #[test]
    fn an_id_is_twenty_characters_and_reads_back() {
        let sid = Sid::generate();
        assert_eq!(sid.as_str().len(), 20);
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        assert_ne!(Sid::generate(), sid);
    }

    #[test]
    fn what_has_not_the_form_of_an_id_is_none() {
        assert_eq!(Sid::parse(""), None);
        assert_eq!(Sid::parse("zzz"), None);
        assert_eq!(Sid::parse("__proto__"), None);
        assert_eq!(Sid::parse("aaaaaaaaaaaaaaaaaaa/"), None);
        assert_eq!(Sid::parse(&"a".repeat(21)), None);
    }
}
