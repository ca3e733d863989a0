//! The change from HTTP to WebSocket (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engineio::Refusal;
use engineio::observe::{Observers, What};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use sha1_smol::Sha1;

use crate::http::answers::status;
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::net::connection::Connection;

/// What proves that an answer comes from a server that knows WebSocket (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Answers a WebSocket handshake with 101 and the subprotocol that was chosen, and calls `then` with the connection
/// and what was already read of it. Whatever outlives the handshake should spawn its own task in `then`,
/// because the waiting task still holds the handshake's memory.
///
/// # Errors
/// If the handshake is incomplete.
pub(crate) fn switch(
    parts: &mut Parts,
    protocol: Option<HeaderValue>,
    observers: Observers,
    then: impl FnOnce(Connection, Vec<u8>) + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let key = only(&parts.headers, &SEC_WEBSOCKET_KEY).filter(|_| has_key(&parts.headers));
    let version = speaks_our_version(&parts.headers);
    let (Some(key), true, Some(on_upgrade)) = (key, version, parts.extensions.remove::<OnUpgrade>()) else {
        return Err(Refusal::TransportHandshake);
    };
    let accept = accept_key(key.as_bytes());
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let exchange = Exchange::number(parts);
    tokio::spawn(async move {
        match on_upgrade.await {
            Ok(upgraded) => {
                let (io, read) = Connection::from_upgraded(upgraded);
                then(io, read);
            }
            Err(error) => {
                tracing::debug!(%error, "the WebSocket handshake was not completed");
                observers.see(None, || What::Aborted { exchange });
            }
        }
    });
    Ok(response)
}

/// "The base64-encoded value of the SHA-1 hash of the concatenation" of the key and the GUID (RFC 6455, section 4.2.2).
fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::from(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

/// The only version that there is: those before it were drafts.
pub(crate) fn speaks_our_version(headers: &HeaderMap) -> bool {
    only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
}

/// Whether there is "a base64-encoded value that, when decoded, is 16 bytes in length".
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    only(headers, &SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .is_some_and(|key| key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(base64))
}

/// A field that "MUST NOT appear more than once in an HTTP request" (RFC 6455, sections 11.3.1 and 11.3.5).
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut fields = headers.get_all(name).iter();
    fields.next().filter(|_| fields.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_the_one_of_the_rfcs_example() {
        // Section 1.3.
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
