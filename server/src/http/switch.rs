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

/// What is wrong with the fields of a WebSocket handshake (RFC 6455, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFault {
    /// Not one `Sec-WebSocket-Key` of 16 bytes.
    Key,
    /// Not one `Sec-WebSocket-Version`, or another version than ours.
    Version,
}

impl From<HandshakeFault> for Refusal {
    fn from(fault: HandshakeFault) -> Refusal {
        match fault {
            HandshakeFault::Key | HandshakeFault::Version => Refusal::TransportHandshake,
        }
    }
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
    let key = handshake_key(&parts.headers)?;
    let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(Refusal::TransportHandshake)?;
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

/// The key of a handshake.
///
/// # Errors
/// The first of the handshake's fields that is wrong.
pub(crate) fn handshake_key(headers: &HeaderMap) -> Result<&HeaderValue, HandshakeFault> {
    let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let key = key.ok_or(HandshakeFault::Key)?;
    // The only version: earlier ones were drafts.
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HandshakeFault::Version);
    }
    Ok(key)
}

/// "a base64-encoded value that, when decoded, is 16 bytes in length"
fn is_key(key: &[u8]) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(base64)
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
