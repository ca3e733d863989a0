//! The keys that tokens are signed with, and how they are written.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};

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
    if text.starts_with("-----BEGIN") {
        let pem = text.as_bytes();
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem));
        return key.ok().map(alone);
    }
    if text.starts_with('{') {
        return read_set(text);
    }
    let secret = text.as_bytes();
    (secret.len() >= SHORTEST_SECRET).then(|| DecodingKey::from_secret(secret).ok()).flatten().map(alone)
}

/// The keys of a JWK set that can be used.
pub(super) fn read_set(text: &str) -> Option<Vec<Key>> {
    let set: JwkSet = serde_json::from_str(text).ok()?;
    let key = |jwk| {
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
