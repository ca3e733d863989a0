//! Tokens that say who a client is: JWTs, signed by the service that logs users in. The server asks no backend.

mod key;
mod remote;
mod ring;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, Validation, decode, decode_header};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use socketio::{ConnectError, Socket};

use crate::told::Told;
use crate::web::{Authorities, UrlError, WebClient};
use key::{Key, read_keys};
use remote::KeySet;

/// How far the clocks of those who sign and of this machine may be apart, in seconds.
const LEEWAY: u64 = 10;

/// The keys that tokens are signed with, and what becomes of their claims.
#[derive(Clone)]
pub struct Jwt {
    keys: Arc<KeySet>,
    told: Arc<Mutex<Told<&'static str>>>,
    /// The audience that a token must be for, if there is one.
    pub audience: Option<String>,
    /// Who must have issued it, if that matters.
    pub issuer: Option<String>,
    /// The claim that lists the rooms to join. `rooms`.
    pub rooms: String,
    /// The claims that are kept as the socket's data, under the same names. `sub`.
    pub data: Vec<String>,
}

/// Why keys can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum JwtError {
    /// The file can't be read.
    File(PathBuf, std::io::Error),
    /// It is neither a public key in PEM, nor a JWK set, nor a secret that is long enough. It is not told.
    Unfit,
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwtError::File(path, error) => write!(f, "can't read the key in {}: {error}", path.display()),
            JwtError::Unfit => f.write_str(
                "must be a secret of 32 or more bytes (HS256), a public key in PEM (RS256 with 2048 bits or more, ES256, EdDSA), or a JWK set",
            ),
        }
    }
}

impl std::error::Error for JwtError {}

/// Why a token lets nobody in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Expired,
    /// No key has the name that the token gives to its own.
    UnknownKey(String),
    /// The keys have never been fetched.
    NoKeys,
    /// The same as `UnknownKey`, but the key may have been published since the keys were fetched.
    NotFetched(String),
    /// No key is for the token's algorithm.
    NoKeyFor(Algorithm),
    Other(ErrorKind),
}

impl Rejected {
    /// The reason, by which the log counts them.
    fn reason(&self) -> &'static str {
        match self {
            Rejected::Expired => "expired",
            Rejected::UnknownKey(_) => "unknown key",
            Rejected::NoKeys => "its keys could not be fetched yet",
            Rejected::NotFetched(_) => "unknown key, and the keys could not be fetched again yet",
            Rejected::NoKeyFor(_) => "no key for its algorithm",
            Rejected::Other(kind) => match kind {
                ErrorKind::InvalidSignature => "wrong signature",
                ErrorKind::ImmatureSignature => "not valid yet",
                ErrorKind::InvalidAudience => "wrong audience",
                ErrorKind::InvalidIssuer => "wrong issuer",
                ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
                ErrorKind::InvalidClaimFormat(_) => "a claim has a wrong type",
                _ => "not a JWT",
            },
        }
    }

    /// What there is to say about it, which is nothing of the token but the name of its key.
    fn details(&self) -> Option<String> {
        match self {
            Rejected::UnknownKey(id) | Rejected::NotFetched(id) => {
                Some(format!("kid {:?}", id.chars().take(64).collect::<String>()))
            }
            Rejected::NoKeyFor(algorithm) => Some(format!("alg {algorithm:?}")),
            Rejected::Other(
                ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim),
            ) => Some(claim.clone()),
            Rejected::Expired | Rejected::NoKeys | Rejected::Other(_) => None,
        }
    }
}

impl From<Error> for Rejected {
    fn from(error: Error) -> Rejected {
        match error.into_kind() {
            ErrorKind::ExpiredSignature => Rejected::Expired,
            other => Rejected::Other(other),
        }
    }
}

/// What a token says.
pub(crate) struct Claims {
    pub(crate) subject: Option<Value>,
    pub(crate) rooms: Vec<String>,
    pub(crate) data: Map<String, Value>,
    /// When it expires.
    pub(crate) expires: SystemTime,
}

/// Who a socket is by its token; kept with the socket.
pub(crate) struct Identity {
    pub(crate) subject: Option<Value>,
    pub(crate) expires: SystemTime,
}

impl Jwt {
    /// A key as text: a public key in PEM, a JWK set, or a secret.
    ///
    /// # Errors
    /// [`JwtError::Unfit`].
    pub fn new(key: &str) -> Result<Jwt, JwtError> {
        ring::install();
        let keys = read_keys(key.trim()).filter(|keys| !keys.is_empty()).ok_or(JwtError::Unfit)?;
        Ok(Jwt::with(KeySet::fixed(keys)))
    }

    /// The JWK set at a URL, such as `https://login.example/.well-known/jwks.json`. It is fetched when the gateway
    /// starts, every ten minutes, and when a token names another key, but not more often than every 10 s. While it
    /// can't be fetched, the keys from before are good; while there are none, clients are closed and come back.
    ///
    /// # Errors
    /// If the URL can't be called.
    pub fn from_url(url: &str, authorities: &Authorities) -> Result<Jwt, UrlError> {
        ring::install();
        let web = WebClient::new(url, authorities, 1)?;
        if web.is_exposed() {
            tracing::warn!(
                url = web.place(),
                "the keys of JWTs come without TLS, so that others on the network can let anybody in: use https"
            );
        }
        Ok(Jwt::with(KeySet::remote(web)))
    }

    fn with(keys: KeySet) -> Jwt {
        Jwt {
            keys: Arc::new(keys),
            told: Arc::new(Mutex::new(Told::new())),
            audience: None,
            issuer: None,
            rooms: "rooms".to_owned(),
            data: vec!["sub".to_owned()],
        }
    }

    /// Starts to fetch the keys, if they are at a URL.
    pub(crate) fn start(&self) {
        if self.keys.is_remote() {
            tokio::spawn(KeySet::keep_fresh(Arc::downgrade(&self.keys)));
        }
    }

    pub(crate) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.keys.trust(authorities)
    }

    /// Checks tokens with the keys of another from now on.
    pub(crate) fn take_keys(&self, other: &Jwt) {
        self.keys.set(other.keys.get());
    }

    /// The same of a file.
    ///
    /// # Errors
    /// See [`JwtError`].
    pub fn from_file(path: &Path) -> Result<Jwt, JwtError> {
        let text = fs::read_to_string(path).map_err(|error| JwtError::File(path.to_owned(), error))?;
        Jwt::new(&text)
    }

    /// The claims of a token. A key that nobody knows yet may have been published since: it is waited for that long.
    pub(crate) async fn claims_of(&self, token: &str, limit: Duration) -> Result<Claims, Rejected> {
        let came = Instant::now();
        match self.check(token) {
            Err(Rejected::UnknownKey(_) | Rejected::NoKeys) if self.keys.is_remote() => {
                let tried = tokio::time::timeout(limit, self.keys.refresh()).await.ok().flatten();
                match self.check(token) {
                    Err(Rejected::UnknownKey(id))
                        if !tried.is_some_and(|tried| tried.is_later_than(came)) =>
                    {
                        Err(Rejected::NotFetched(id))
                    }
                    checked => checked,
                }
            }
            checked => checked,
        }
    }

    /// Reads a token, and checks it.
    pub(crate) fn check(&self, token: &str) -> Result<Claims, Rejected> {
        let header = decode_header(token)?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        // Only keys of the token's own kind: a public key that is taken for a secret would let anyone sign.
        let of_kind = |key: &&Key| algorithm(key.key.family()) == header.alg;
        let named = |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        let keys = self.keys.get();
        let mut last = match &header.kid {
            _ if keys.is_empty() => Rejected::NoKeys,
            Some(id) if !keys.iter().any(|key| named(&key)) => Rejected::UnknownKey(id.clone()),
            _ => Rejected::NoKeyFor(header.alg),
        };
        for key in keys.iter().filter(of_kind).filter(named) {
            match decode::<BTreeMap<String, Value>>(token, &key.key, &validation) {
                Ok(token) => return self.claims(token.claims),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    fn claims(&self, mut claims: BTreeMap<String, Value>) -> Result<Claims, Rejected> {
        let wrong = |claim: &str| Rejected::Other(ErrorKind::InvalidClaimFormat(claim.to_owned()));
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or_else(|| wrong("exp"))?;
        let expires = Duration::try_from_secs_f64(expires).map_err(|_| wrong("exp"))?;
        let expires =
            UNIX_EPOCH.checked_add(expires + Duration::from_secs(LEEWAY)).ok_or_else(|| wrong("exp"))?;
        let subject = claims.get("sub").filter(|subject| !subject.is_null()).cloned();
        let rooms = match claims.get(&self.rooms) {
            None => Vec::new(),
            Some(rooms) => serde_json::from_value(rooms.clone()).map_err(|_| wrong(&self.rooms))?,
        };
        let data = self.data.iter().filter_map(|name| claims.remove_entry(name)).collect();
        Ok(Claims { subject, rooms, data, expires })
    }

    /// Lets a client in if it has a token that is right, with rooms and data. The token's key may be fetched for that
    /// long.
    pub(crate) async fn admit(&self, socket: &Socket, limit: Duration) -> Result<(), ConnectError> {
        let refused =
            |code: &str, message: String| Err(ConnectError::new(message).with_data(json!({ "code": code })));
        let Some(token) = token(socket) else {
            log_refusal(socket, "no token", None);
            return refused("token_missing", "send a token: auth: { token }".to_owned());
        };
        let claims = match self.claims_of(&token, limit).await {
            Ok(claims) => claims,
            Err(rejected) => {
                // The client may well be right, so it comes back.
                if matches!(rejected, Rejected::NoKeys | Rejected::NotFetched(_)) {
                    self.tell_of_keys(&rejected);
                    return Err(ConnectError::new(rejected.reason()).close_session());
                }
                log_refusal(socket, rejected.reason(), rejected.details().as_deref());
                return match rejected {
                    Rejected::Expired => refused("token_expired", "the token has expired".to_owned()),
                    _ => refused("token_invalid", "the token is not valid".to_owned()),
                };
            }
        };
        let Claims { subject, rooms, data, expires } = claims;
        socket.insert(Identity { subject, expires });
        for (key, value) in data {
            let _ = socket.set_data(key, value);
        }
        if let Err(error) = socket.join(rooms) {
            log_refusal(socket, "too many rooms", None);
            return refused("too_many_rooms", error.to_string());
        }
        Ok(())
    }

    /// Logs that tokens can't be checked, once a minute.
    fn tell_of_keys(&self, rejected: &Rejected) {
        let reason = rejected.reason();
        let Some(left_out) = self.told.lock().say(reason, Instant::now()) else { return };
        tracing::warn!(
            reason,
            details = rejected.details(),
            left_out = Some(left_out).filter(|left_out| *left_out > 0),
            "a client's JWT can't be checked: the client is closed, and comes back"
        );
    }

    /// Whether a client may come back for a socket: only with a token of the same user. The new token counts from then
    /// on.
    pub(crate) fn renew(&self, socket: &Socket) -> bool {
        let claims = token(socket).and_then(|token| self.check(&token).ok());
        let (Some(claims), Some(identity)) = (claims, socket.get::<Identity>()) else { return false };
        // Those who don't say who they are may be anyone.
        if claims.subject.is_none() || claims.subject != identity.subject {
            return false;
        }
        socket.insert(Identity { subject: claims.subject, expires: claims.expires });
        true
    }
}

/// Logs why a token is refused. Clients aren't told, as they might be trying what gets them in.
fn log_refusal(socket: &Socket, reason: &str, details: Option<&str>) {
    tracing::info!(
        reason,
        details,
        namespace = socket.namespace().name(),
        socket = socket.id(),
        address = socket.handshake().address.map(tracing::field::display),
        "a client's JWT is refused"
    );
}

/// The token that a client has sent: `auth: { token }`, or `Authorization: Bearer TOKEN`.
fn token(socket: &Socket) -> Option<String> {
    let handshake = socket.handshake();
    let auth: Value = handshake.auth().unwrap_or_default();
    if let Some(token) = auth.get("token") {
        return token.as_str().map(str::to_owned);
    }
    let (scheme, token) = handshake.headers.get("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The one algorithm for keys of a kind.
fn algorithm(family: AlgorithmFamily) -> Algorithm {
    match family {
        AlgorithmFamily::Hmac => Algorithm::HS256,
        AlgorithmFamily::Rsa => Algorithm::RS256,
        AlgorithmFamily::Ec => Algorithm::ES256,
        AlgorithmFamily::Ed => Algorithm::EdDSA,
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwt({} keys)", self.keys.get().len())
    }
}

#[cfg(test)]
pub(crate) mod tests;
