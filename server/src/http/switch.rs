//! The change from HTTP to WebSocket (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engineio::Refusal;
use engineio::observe::{Observers, What};
use engineio::websocket::deflate::{Agreement, PerMessageDeflate};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use sha1_smol::Sha1;

use crate::http::answers::status;
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::net::connection::Connection;

/// The GUID for the proof that the server knows WebSocket (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the server chooses of what a client offers.
#[derive(Default)]
pub(crate) struct Chosen {
    pub(crate) protocol: Option<HeaderValue>,
    pub(crate) deflate: Option<Agreement>,
}

/// What both sides agree on about compression.
pub(crate) fn agree(headers: &HeaderMap, ours: Option<&PerMessageDeflate>) -> Option<Agreement> {
    let fields = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().filter_map(|field| field.to_str().ok());
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Agreement::find(ours?, fields, user_agent)
}

/// Answers a WebSocket handshake with 101 and what was chosen, and calls `then` with the connection and the bytes that
/// were already read from it. In `then`, spawn a task for what outlives the handshake, because the waiting task still
/// holds the handshake's memory.
///
/// # Errors
/// If the handshake is incomplete.
pub(crate) fn switch(
    parts: &mut Parts,
    chosen: Chosen,
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
    if let Some(protocol) = chosen.protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if let Some(Ok(deflate)) = chosen.deflate.map(|deflate| HeaderValue::try_from(deflate.answer())) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, deflate);
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

/// The only version: earlier ones were drafts.
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
