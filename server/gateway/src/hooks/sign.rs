//! Signatures of hooks, as [Standard Webhooks](https://www.standardwebhooks.com) has them: over `id.timestamp.body`, one
//! for each secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA256};

/// The bytes that a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that hooks are signed with. Two at once let a backend change from one to the other.
#[derive(Clone, Default)]
pub struct Secrets(Vec<hmac::Key>);

/// Why secrets can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SecretsError {
    /// A secret is not of the form `whsec_BASE64`. It is not told.
    Unfit,
    /// The file can't be read.
    File(PathBuf, io::Error),
    /// The file has no secret in it.
    Empty(PathBuf),
}

impl Secrets {
    /// These secrets: `whsec_` and 24 to 64 bytes in base64 each.
    ///
    /// # Errors
    /// [`SecretsError::Unfit`].
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Secrets, SecretsError> {
        let one = |secret: &str| {
            let bytes = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
            let bytes = bytes.filter(|bytes| BYTES.contains(&bytes.len()));
            bytes.map(|bytes| hmac::Key::new(HMAC_SHA256, &bytes)).ok_or(SecretsError::Unfit)
        };
        secrets.into_iter().map(|secret| one(secret.as_ref())).collect::<Result<_, _>>().map(Secrets)
    }

    /// The secrets in a file, one in each line. Empty lines, and those that begin with `#`, are ignored.
    ///
    /// # Errors
    /// See [`SecretsError`].
    pub fn from_file(path: &Path) -> Result<Secrets, SecretsError> {
        let text = fs::read_to_string(path).map_err(|error| SecretsError::File(path.to_owned(), error))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secrets = Secrets::new(lines)?;
        if secrets.0.is_empty() { Err(SecretsError::Empty(path.to_owned())) } else { Ok(secrets) }
    }

    /// All of these and of others.
    #[must_use]
    pub fn and(mut self, others: Secrets) -> Secrets {
        self.0.extend(others.0);
        self
    }

    /// Whether there is no secret. Hooks are then not signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl fmt::Display for SecretsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretsError::Unfit => f.write_str(
                "a secret must be whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)",
            ),
            SecretsError::File(path, error) => {
                write!(f, "can't read the secrets in {}: {error}", path.display())
            }
            SecretsError::Empty(path) => write!(f, "there is no secret in {}", path.display()),
        }
    }
}

impl std::error::Error for SecretsError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the specification of Standard Webhooks.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_that_of_the_specification() {
        let signed = |secrets: &[&str]| {
            let secrets = Secrets::new(secrets).unwrap();
            secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
        };
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(&[SECRET]), signature);
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let both = signed(&[other, SECRET]);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!((first, second), (signed(&[other]).as_str(), signature));
        assert_eq!(signed(&[]), "");
    }

    #[test]
    fn a_secret_is_long_enough_and_base64() {
        for unfit in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
            assert!(matches!(Secrets::new([unfit]), Err(SecretsError::Unfit)), "{unfit}");
        }
        assert!(Secrets::new([SECRET]).is_ok());
    }
}
