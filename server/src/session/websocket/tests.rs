//! A WebSocket on a connection: what it keeps, when it yields, and what TLS holds back.

use std::sync::Arc;

use bytestring::ByteString;
use engineio::observe::{Carrier, Observers, Watch};
use engineio::websocket::deflate::{PerMessageDeflate, WINDOW_MEMORY};
use engineio::{Message, Packet, Revision, Sid};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

/// A WebSocket over TLS, and the client's side of it.
async fn over_tls() -> (WebSocket, client::TlsStream<UnixStream>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (ours, theirs) = tokio::join!(
        TlsAcceptor::from(Arc::new(server)).accept(ours.into()),
        TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("test").unwrap(), theirs)
    );
    let io = Connection::from(ours.unwrap());
    (
        WebSocket::new(
            io,
            &[],
            Framing::WebSocket(Revision::V4),
            FrameLimits { message: 1_000_000, fragments: 16 },
        ),
        theirs.unwrap(),
    )
}

// proves: security/deflate-contexts
#[tokio::test]
async fn what_a_connection_keeps_to_inflate_is_its_clients() {
    let (ours, mut client) = UnixStream::pair().unwrap();
    let deflate = PerMessageDeflate { context_takeover: true, ..PerMessageDeflate::default() };
    let agreement = Agreement::find(&deflate, ["permessage-deflate"], None);
    let limits = FrameLimits { message: 1_000, fragments: 1 };
    let mut websocket = WebSocket::new(ours.into(), &[], Framing::WebSocket(Revision::V4), limits)
        .compressing(agreement)
        .within(room(usize::MAX));
    let (observers, sid) = (Observers::default(), Sid::generate());
    let watch = Watch::new(&observers, &sid, Framing::WebSocket(Revision::V4), Carrier::WebSocket);
    // "Hello", as RFC 7692 has it in section 7.2.3.1.
    let hello = b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00";
    client.write_all(hello).await.unwrap();
    let incoming = std::future::poll_fn(|cx| websocket.poll_message(cx, watch)).await;
    assert!(matches!(incoming, Incoming::Message(Message::Text(text)) if text == "Hello"));
    assert_eq!(websocket.take_grown(), Some(WINDOW_MEMORY));
    assert_eq!(websocket.take_grown(), None);

    // Without memory for it, there is no place for the client.
    let (ours, mut client) = UnixStream::pair().unwrap();
    let mut websocket = WebSocket::new(ours.into(), &[], Framing::WebSocket(Revision::V4), limits)
        .compressing(agreement)
        .within(room(0));
    client.write_all(hello).await.unwrap();
    let incoming = std::future::poll_fn(|cx| websocket.poll_message(cx, watch)).await;
    assert!(matches!(incoming, Incoming::Ended(Ending::CROWDED)));
}

// proves: hostile/78
#[tokio::test]
async fn other_tasks_have_their_turn_after_as_many_bytes_as_ever_inflated_or_not() {
    // Four reads a turn, of which the first turn needs one for all of the frames.
    inflate_in_turns(2 * READ, &[2, 2, 1]).await;
    inflate_in_turns(READ / 2, &[6, 8, 3]).await;
}

/// Sends as many messages as are expected in all. Each has that many bytes once it is inflated.
async fn inflate_in_turns(size: usize, turns: &[usize]) {
    let (ours, mut client) = UnixStream::pair().unwrap();
    let mut compressed = Vec::with_capacity(4_000);
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    compress.compress_vec(&vec![0; size], &mut compressed, flate2::FlushCompress::Sync).unwrap();
    compressed.truncate(compressed.len() - 4);
    let head = match u8::try_from(compressed.len()) {
        Ok(len @ ..126) => vec![0xc2, 0x80 | len],
        _ => [&[0xc2, 0xfe][..], &u16::try_from(compressed.len()).unwrap().to_be_bytes()].concat(),
    };
    let frame = [&head[..], &[0; 4], &compressed].concat();
    client.write_all(&frame.repeat(turns.iter().sum())).await.unwrap();
    ours.readable().await.unwrap();

    let agreement = Agreement::find(&PerMessageDeflate::default(), ["permessage-deflate"], None);
    let limits = FrameLimits { message: 1_000_000, fragments: 1 };
    let websocket =
        WebSocket::new(ours.into(), &[], Framing::WebSocket(Revision::V4), limits).compressing(agreement);
    let mut websocket = websocket.within(room(usize::MAX));
    let (observers, sid) = (Observers::default(), Sid::generate());
    let watch = Watch::new(&observers, &sid, Framing::WebSocket(Revision::V4), Carrier::WebSocket);
    for expected in turns {
        websocket.begin_turn();
        let mut messages = 0;
        std::future::poll_fn(|cx| {
            while let Poll::Ready(incoming) = websocket.poll_message(cx, watch) {
                assert!(matches!(incoming, Incoming::Message(_)), "{incoming:?}");
                messages += 1;
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(messages, *expected);
    }
}

/// A budget of so many bytes.
fn room(bytes: usize) -> Budget {
    Budget::new(bytes, Arc::default())
}

#[tokio::test]
async fn what_tls_holds_back_is_not_forgotten() {
    let (mut websocket, mut client) = over_tls().await;
    let text = ByteString::from("x".repeat(10_000));
    let mut sent = 0;
    // The client doesn't read, so that at some time the socket is full and TLS keeps the rest.
    let unsent = loop {
        let frame = Frame::from(&Packet::Message(Message::Text(text.clone())));
        sent += frame.websocket(Revision::V4).len();
        websocket.queue().push_back(frame);
        let written = std::future::poll_fn(|cx| Poll::Ready(websocket.poll_write(cx))).await;
        if written.map(Result::unwrap).is_pending() {
            break websocket.queue().len();
        }
    };
    assert_eq!(unsent, 0, "the frame was taken, though not sent");
    assert!(!websocket.is_drained());
    let mut received = vec![0; sent];
    let write = std::future::poll_fn(|cx| websocket.poll_write(cx));
    let (written, read) = tokio::join!(write, client.read_exact(&mut received));
    assert!(written.is_ok() && read.is_ok());
    assert!(websocket.is_drained());
}
