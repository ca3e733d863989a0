//! The way of a client in: a QUIC connection, a request for a WebTransport session, its stream, and the packet on it that
//! says which session of ours it is for. From there on, it is a request like others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::websocket::FrameEvent;
use engineio::webtransport::{StreamOpening, StreamReader};
use engineio::{Framing, Packet, Revision, Sid};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version};
use http_body_util::Empty;
use quinn::{Connecting, VarInt};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use wtransport_proto::session::{SessionRequest, SessionResponse};

use super::http3::Asked;
use super::stream::Stream;
use super::{Error, WebTransport, quic};
use crate::net::connection::Connection;
use crate::net::peer::Peer;
use crate::service::Service;
use crate::session::arrived::Arrived;
use crate::session::websocket::WebSocket;

/// The longest first packet, in bytes. `0{"sid":"…"}` is much shorter, and nobody has let the client in yet.
const FIRST: usize = 1024;

/// Takes connections until the endpoint is closed.
pub(crate) async fn accept(listener: WebTransport, service: Service, stop: watch::Sender<()>) {
    let mut tls = listener.tls.config();
    let mut config = match quic::config(&tls) {
        Ok(config) => config,
        Err(error) => return tracing::error!(%error, "WebTransport can't use its certificate"),
    };
    while let Some(incoming) = listener.endpoint.accept().await {
        let present = listener.tls.config();
        if !Arc::ptr_eq(&tls, &present) {
            // It was read again.
            tls = present;
            match quic::config(&tls) {
                Ok(new) => config = new,
                Err(error) => tracing::error!(%error, "WebTransport goes on with the old certificate"),
            }
        }
        let admission = &service.site().admission;
        // Anyone can write any address on a packet. So before such a one takes a place that others could need, it must
        // show that it gets what is sent there (RFC 9000, section 8.1.2).
        if !incoming.remote_address_validated() && admission.wants_proof() {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "a client could not be asked to try again");
            }
            continue;
        }
        let address = incoming.remote_address();
        let Ok(place) = admission.connection(Some(address.ip())) else {
            incoming.refuse();
            continue;
        };
        let connecting = match incoming.accept_with(quic::with_place(&config, place)) {
            Ok(connecting) => connecting,
            Err(error) => {
                tracing::debug!(%error, ?address, "a client did not get in by WebTransport");
                continue;
            }
        };
        let service = service.for_peer(Peer { address: Some(address), secure: true });
        let mut stopping = stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                came = come(connecting, &service) => if let Err(error) = came {
                    tracing::debug!(%error, ?address, "a client did not get in by WebTransport");
                },
                _ = stopping.changed() => {}
            }
        });
    }
}

/// Lets a client in.
async fn come(connecting: Connecting, service: &Service) -> Result<(), Error> {
    let limits = &service.site().admission.limits;
    let config = &service.site().engine.config;
    let asked = async { Asked::on(connecting.await?).await };
    let asked = within(limits.head_timeout, asked).await??;
    let parts = parts_of(&asked.request).ok_or(StatusCode::NOT_FOUND);
    let parts = parts.and_then(|parts| service.admits(&parts).map(|()| parts));
    // A client that doesn't confirm what it is sent has no longer for that than others for their requests.
    let mut parts = match parts {
        Ok(parts) => parts,
        Err(status) => {
            let response = match status {
                StatusCode::NOT_FOUND => SessionResponse::not_found(),
                _ => SessionResponse::forbidden(),
            };
            return within(limits.head_timeout, asked.refuse(response)).await?;
        }
    };
    let session = within(limits.head_timeout, asked.accept()).await??;
    let ended = session.connection.clone();
    let streams = within(config.upgrade_timeout, session.stream()).await??;
    let mut stream = Stream::new(session, streams);
    let first = within(config.upgrade_timeout, first_packet(&mut stream)).await??;
    let query = query_of(&first).ok_or("its first packet does not open a session")?;
    let target = format!("{}?{query}", parts.uri.path());
    parts.uri = target.parse()?;
    let io = Connection::from_stream(stream);
    let link = WebSocket::new(io, &[], Framing::WebTransport, config.frame_limits())
        .within(service.site().engine.memory());
    let arrived = Arrived::new(link);
    parts.extensions.insert(arrived.clone());
    let answered = service.respond(Request::from_parts(parts, Empty::<Bytes>::new())).await;
    if let Some(unwanted) = arrived.take() {
        // The status is all that there is to say.
        let status = answered.map(|answer| answer.status().as_u16()).unwrap_or_default();
        ended.close(VarInt::from_u32(status.into()), b"refused");
        drop(unwanted);
    }
    Ok(())
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Result<T, Error> {
    Ok(tokio::time::timeout(time, future).await?)
}

/// The request for a session, as one of HTTP/1.1 would be; `None` if that can't be.
fn parts_of(request: &SessionRequest) -> Option<Parts> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers().as_ref().iter().filter(|(name, _)| !name.starts_with(':')) {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    headers.insert(HOST, HeaderValue::try_from(request.authority()).ok()?);
    let mut parts = Request::get(request.path()).version(Version::HTTP_3).body(()).ok()?.into_parts().0;
    parts.headers = headers;
    Some(parts)
}

/// The first packet on a stream. What comes after it is left there.
async fn first_packet(stream: &mut (impl AsyncRead + Unpin)) -> Result<Packet, Error> {
    let mut reader = StreamReader::new(FIRST);
    loop {
        reader.feed(&[stream.read_u8().await?]);
        match reader.next()? {
            None => {}
            Some(FrameEvent::Text(text)) => return Ok(Packet::decode_text(&text, Revision::V4)?),
            Some(_) => return Err("its first packet is binary".into()),
        }
    }
}

/// The query that asks for the same.
fn query_of(first: &Packet) -> Option<String> {
    let query = "EIO=4&transport=webtransport";
    match StreamOpening::of(first)? {
        StreamOpening::Session => Some(query.to_owned()),
        StreamOpening::Upgrade(json) => {
            let named: Map<String, Value> = serde_json::from_str(&json).ok()?;
            // An empty one would ask for a new session.
            let sid = Sid::parse(named.get("sid")?.as_str()?)?;
            let escaped: String = sid.as_str().bytes().map(|byte| format!("%{byte:02X}")).collect();
            Some(format!("{query}&sid={escaped}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use engineio::Query;

    use super::*;

    // proves: protocol/webtransport-open, security/web-transport
    #[test]
    fn the_first_packet_is_a_handshake_or_names_a_session() {
        let query = |data: &str| query_of(&Packet::Open(data.into()));
        assert_eq!(query("").as_deref(), Some("EIO=4&transport=webtransport"));
        let named = query(r#"{"sid":"a&sid=b"}"#);
        assert!(named.is_none_or(|query| Query::new(&query).get("sid").as_deref() == Some("a&sid=b")));
        let named = query(r#"{"sid":"abcdefghijklmnopqrst"}"#).expect("a query");
        assert_eq!(Query::new(&named).get("sid").as_deref(), Some("abcdefghijklmnopqrst"));
        for wrong in ["{}", "abc", r#"{"sid":""}"#, r#"{"sid":1}"#, r#"["sid"]"#] {
            assert_eq!(query(wrong), None, "{wrong}");
        }
        assert_eq!(query_of(&Packet::Ping("probe".into())), None);
    }
}
