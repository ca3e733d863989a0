//! HTTP/3, as far as WebTransport needs it: a client's request for a session, the answer, and the stream that it opens
//! then (draft-ietf-webtrans-http3).
//!
//! ```text
//!   a stream of ours ─▶ settings
//!   its first stream ─▶ CONNECT ─▶ 200   it stays open as long as the session
//!   its second       ─▶ 41, the number of the first, and packets
//! ```
//!
//! What else the client opens is left alone. Its own settings change nothing here, and QPACK's streams stay silent,
//! since there is no table to be changed.

use std::borrow::Cow;
use std::ops::Deref;

use quinn::{Connection, RecvStream, SendStream};
use tokio::io::AsyncReadExt as _;
use wtransport_proto::frame::Frame;
use wtransport_proto::headers::Headers;
use wtransport_proto::session::{SessionRequest, SessionResponse};
use wtransport_proto::settings::Settings;
use wtransport_proto::varint::VarInt;

use super::{Error, NO_ERROR};

/// The kind of a stream that settings come on.
const CONTROL: u8 = 0;

/// The kinds of frames.
const HEADERS: u64 = 0x01;
const WEBTRANSPORT: u64 = 0x41;

/// The longest fields of a request, in bytes.
const LONGEST: u64 = 16 * 1024;

/// A connection that ends when this is dropped. Otherwise it would go on for as long as the client keeps it: each stream
/// that is left over holds it.
pub(super) struct ClosedOnDrop(Connection);

impl Deref for ClosedOnDrop {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close(NO_ERROR, b"");
    }
}

/// A connection whose client has asked for a session.
pub(super) struct Asked {
    pub(super) request: SessionRequest,
    session: Session,
}

/// A session of WebTransport.
pub(super) struct Session {
    pub(super) connection: ClosedOnDrop,
    /// What is said about the session itself.
    pub(super) answer: SendStream,
    pub(super) ends: RecvStream,
    pub(super) settings: SendStream,
}

impl Asked {
    /// Waits for the request.
    pub(super) async fn on(connection: Connection) -> Result<Asked, Error> {
        let connection = ClosedOnDrop(connection);
        let mut settings = connection.open_uni().await?;
        settings.write_all(&our_settings()).await?;
        let (answer, mut ends) = connection.accept_bi().await?;
        let fields = loop {
            match (varint(&mut ends).await?, varint(&mut ends).await?) {
                (_, LONGEST..) => return Err("the fields of its request are too long".into()),
                (HEADERS, len) => break bytes(&mut ends, len).await?,
                // "Endpoints MUST NOT consider these frames to have any meaning upon receipt" (RFC 9114, section 7.2.8).
                (kind, len) if kind > 0x20 && (kind - 0x21) % 0x1f == 0 => drop(bytes(&mut ends, len).await?),
                _ => return Err("its first stream is no request".into()),
            }
        };
        let fields = Headers::with_frame(&Frame::new_headers(Cow::Owned(fields)));
        let request =
            SessionRequest::try_from(fields.map_err(|code| format!("its fields can't be read: {code}"))?)?;
        Ok(Asked { request, session: Session { connection, answer, ends, settings } })
    }

    /// Refuses it, and waits until the client has the answer. Then the connection ends.
    pub(super) async fn refuse(mut self, response: SessionResponse) -> Result<(), Error> {
        self.session.respond(&response).await?;
        self.session.answer.finish()?;
        self.session.answer.stopped().await?;
        Ok(())
    }

    /// Accepts it.
    pub(super) async fn accept(mut self) -> Result<Session, Error> {
        self.session.respond(&SessionResponse::ok()).await?;
        Ok(self.session)
    }
}

impl Session {
    async fn respond(&mut self, response: &SessionResponse) -> Result<(), Error> {
        Ok(self.answer.write_all(&written(&response.headers().generate_frame())).await?)
    }

    /// The stream that the client opens for packets.
    pub(super) async fn stream(&self) -> Result<(SendStream, RecvStream), Error> {
        let (send, mut receive) = self.connection.accept_bi().await?;
        let (kind, session) = (varint(&mut receive).await?, varint(&mut receive).await?);
        if kind != WEBTRANSPORT || session != u64::from(self.ends.id()) {
            return Err("its stream is not for its session".into());
        }
        Ok((send, receive))
    }
}

fn our_settings() -> Vec<u8> {
    let (none, one) = (VarInt::from_u32(0), VarInt::from_u32(1));
    let settings = Settings::builder()
        .qpack_max_table_capacity(none)
        .qpack_blocked_streams(none)
        .enable_connect_protocol()
        .enable_webtransport()
        .enable_h3_datagrams()
        .webtransport_max_sessions(one);
    [&[CONTROL], &written(&settings.build().generate_frame())[..]].concat()
}

fn written(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // There is always room in one of these.
    drop(frame.write(&mut bytes));
    bytes
}

/// A number whose first two bits say how long it is (RFC 9000, section 16).
async fn varint(stream: &mut RecvStream) -> Result<u64, Error> {
    let first = stream.read_u8().await?;
    let mut number = u64::from(first & 0x3f);
    for _ in 1..1 << (first >> 6) {
        number = number << 8 | u64::from(stream.read_u8().await?);
    }
    Ok(number)
}

/// So many bytes. Memory is only taken for those that have come.
async fn bytes(stream: &mut RecvStream, len: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    if stream.take(len).read_to_end(&mut bytes).await? as u64 == len {
        return Ok(bytes);
    }
    Err("its stream ends too soon".into())
}
