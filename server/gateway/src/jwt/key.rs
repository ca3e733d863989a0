//! The keys that tokens are signed with, and how they are written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};

use crate::reading;

/// The shortest secret of HS256, in bytes.
const SHORTEST_SECRET: usize = 32;

#[derive(Clone)]
pub(super) struct Key {
    /// The key's name, if it has one. A token may name its key.
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
}

/// The keys in a text: a PEM, a JWK set, or a secret.
pub(super) fn read_keys(text: &str) -> Option<Vec<Key>> {
    let alone = |key| vec![Key { id: None, key }];
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with('{') {
        return read_set(text);
    }
    // Some tools write about the key before it.
    if let Some(at) = text.find("-----BEGIN") {
        let pem = &text.as_bytes()[at..];
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem));
        return key.ok().map(alone);
    }
    if is_public(text) {
        return None;
    }
    let secret = text.as_bytes();
    (secret.len() >= SHORTEST_SECRET).then(|| DecodingKey::from_secret(secret).ok()).flatten().map(alone)
}

/// Whether a text that is no key in PEM seems to be a public key all the same. As a secret, it would let anyone in.
fn is_public(text: &str) -> bool {
    let decoded = STANDARD.decode(text.split_ascii_whitespace().collect::<String>());
    let is_der = decoded.is_ok_and(|bytes| match bytes[..] {
        [0x30, length, ref rest @ ..] if length < 0x80 => rest.len() == usize::from(length),
        [0x30, 0x81, length, ref rest @ ..] => rest.len() == usize::from(length),
        [0x30, 0x82, high, low, ref rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([high, low])),
        _ => false,
    });
    is_der || text.contains("\"kty\"") || text.starts_with("ssh-") || text.starts_with("ecdsa-")
}

/// The keys of a JWK set that can be used.
pub(super) fn read_set(text: &str) -> Option<Vec<Key>> {
    let set: JwkSet = reading::read(text.as_bytes()).ok()?;
    let key = |jwk: &Jwk| {
        // What is for encryption signs nothing.
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        if let DecodingKeyKind::SecretOrDer(secret) = key.kind()
            && key.family() == AlgorithmFamily::Hmac
            && secret.len() < SHORTEST_SECRET
        {
            return None;
        }
        Some(Key { id: jwk.common.key_id.clone(), key })
    };
    Some(set.keys.iter().filter_map(key).collect())
}
