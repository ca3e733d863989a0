//! The parts that are kept of the request that opens a session or a plain WebSocket.

use std::time::SystemTime;

use engineio::HandshakeRequest;
use http::request::Parts;

use crate::http::exchange::copy;
use crate::http::hooks::RequestHead;
use crate::net::peer::Peer;

/// The parts that are kept of the request that opens a session.
pub(crate) fn handshake(parts: &Parts, peer: Peer, head: Option<&RequestHead>) -> HandshakeRequest {
    let url = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    HandshakeRequest {
        time: SystemTime::now(),
        address: peer.address,
        secure: peer.secure,
        url: url.into(),
        headers: copy(&parts.headers),
        attached: head.map(RequestHead::attached).unwrap_or_default(),
    }
}
