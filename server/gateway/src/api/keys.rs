//! The keys that let a backend in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ring::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq as _;

/// The fewest characters of a key.
const SHORTEST: usize = 16;

/// The keys of the API. Two at once let a backend change from one to the other. What is kept is their digests.
#[derive(Clone, Default)]
pub struct Keys(Vec<Digest>);

/// Why keys can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeysError {
    /// A key is too short, or has characters that a header field can't have. The key is not told.
    Unfit,
    /// The file can't be read.
    File(PathBuf, io::Error),
    /// The file has no key in it.
    Empty(PathBuf),
}

impl Keys {
    /// These keys.
    ///
    /// # Errors
    /// [`KeysError::Unfit`].
    pub fn new(keys: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Keys, KeysError> {
        let one = |key: &str| {
            let fit = key.len() >= SHORTEST && key.bytes().all(|byte| byte.is_ascii_graphic());
            fit.then(|| digest(&SHA256, key.as_bytes())).ok_or(KeysError::Unfit)
        };
        keys.into_iter().map(|key| one(key.as_ref())).collect::<Result<_, _>>().map(Keys)
    }

    /// The keys in a file, one in each line. Empty lines, and those that begin with `#`, are ignored.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn from_file(path: &Path) -> Result<Keys, KeysError> {
        let text = fs::read_to_string(path).map_err(|error| KeysError::File(path.to_owned(), error))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = Keys::new(lines)?;
        if keys.is_empty() { Err(KeysError::Empty(path.to_owned())) } else { Ok(keys) }
    }

    /// All of these and of others.
    #[must_use]
    pub fn and(mut self, others: Keys) -> Keys {
        self.0.extend(others.0);
        self
    }

    /// Whether there is no key. The API then lets everybody in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request has one of the keys: `Authorization: Bearer KEY`.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let Some((scheme, key)) = field.to_str().ok().and_then(|field| field.split_once(' ')) else {
            return false;
        };
        self.has(key.trim()) && scheme.eq_ignore_ascii_case("bearer")
    }

    /// Whether that is one of the keys. It takes as long for a wrong key as for a right one.
    pub(crate) fn has(&self, key: &str) -> bool {
        let given = digest(&SHA256, key.as_bytes());
        let known = self
            .0
            .iter()
            .fold(subtle::Choice::from(0), |known, key| known | key.as_ref().ct_eq(given.as_ref()));
        bool::from(known)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeysError::Unfit => {
                write!(f, "a key must have {SHORTEST} or more ASCII characters, and no spaces")
            }
            KeysError::File(path, error) => write!(f, "can't read the keys in {}: {error}", path.display()),
            KeysError::Empty(path) => write!(f, "there is no key in {}", path.display()),
        }
    }
}

impl std::error::Error for KeysError {}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-key-0123456789";
    const NEW: &str = "new-key-0123456789";

    fn admits(keys: &Keys, fields: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        keys.admit(&headers)
    }

    #[test]
    fn each_of_two_keys_admits_and_nothing_else_does() {
        let keys = Keys::new([OLD, NEW]).unwrap();
        assert!(admits(&keys, &[&format!("Bearer {OLD}")]) && admits(&keys, &[&format!("bearer {NEW}")]));
        for wrong in
            [&["Bearer "][..], &[], &["Bearer old-key-012345678"], &[OLD], &["Basic old-key-0123456789"]]
        {
            assert!(!admits(&keys, wrong), "{wrong:?}");
        }
        let twice = format!("Bearer {OLD}");
        assert!(!admits(&keys, &[&twice, &twice]), "two fields can be read in two ways");
        assert!(admits(&Keys::default(), &[]), "without keys, everybody is let in");
    }

    #[test]
    fn a_file_has_a_key_in_each_line() {
        let path = std::env::temp_dir().join(format!("socketio-gateway-keys-{}", std::process::id()));
        fs::write(&path, format!("# the keys\n\n{OLD}\r\n {NEW}\n")).unwrap();
        let keys = Keys::from_file(&path).unwrap();
        assert!(admits(&keys, &[&format!("Bearer {NEW}")]));
        fs::write(&path, "# none\n").unwrap();
        assert!(matches!(Keys::from_file(&path), Err(KeysError::Empty(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(Keys::from_file(&path), Err(KeysError::File(..))));
        assert!(matches!(Keys::new(["short"]), Err(KeysError::Unfit)));
        assert!(matches!(Keys::new(["with a space in it"]), Err(KeysError::Unfit)));
    }
}
