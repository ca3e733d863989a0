//! What hostile clients can't do: take places, wait for ever, or send what is no request.

use std::net::UdpSocket;

use super::*;
use crate::Limits;

/// The first datagram of a client, which goes nowhere.
async fn initial(trust: rustls::ClientConfig) -> Vec<u8> {
    let nowhere = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let connecting = tokio::spawn(connect(nowhere.local_addr().unwrap(), trust));
    let mut datagram = vec![0; 2_000];
    let len = timeout(PATIENCE, nowhere.recv(&mut datagram)).await.expect("a datagram").unwrap();
    connecting.abort();
    datagram.truncate(len);
    datagram
}

// proves: security/web-transport
#[tokio::test]
async fn an_address_takes_no_place_before_it_is_known_to_be_the_clients() {
    let few = Limits { max_connections: Some(2), ..Limits::default() };
    let counted = Limits { connections_per_address: Some(1), ..Limits::default() };
    for limits in [few, counted] {
        let server = Echo::with(Server::builder().limits(limits.clone())).await;
        // One takes half of the places, or its own.
        let mut first = server.stream("0").await;
        first.hears().await;
        assert_eq!(server.connections(), 1);
        let datagram = initial(server.certificate.trust()).await;
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.send_to(&datagram, server.udp).unwrap();
        let (answer, stranger) = tokio::task::spawn_blocking(move || {
            let mut answer = [0; 2_000];
            stranger.recv(&mut answer).map(|_| (answer, stranger))
        })
        .await
        .unwrap()
        .expect("an answer");
        // "Retry": a long header whose type is 3 (RFC 9000, section 17.2.5).
        assert_eq!(answer[0] & 0xf0, 0xf0);
        assert_eq!(server.connections(), 1);
        drop(stranger);
        // Whoever gets what is sent there comes in, as far as there are places.
        let second = connect(server.udp, server.certificate.trust()).await;
        assert_eq!(second.is_ok(), limits.max_connections == Some(2));
    }
}

// proves: security/web-transport
#[tokio::test]
async fn a_first_packet_that_is_longer_than_it_need_be_ends_the_stream() {
    let server = Echo::new().await;
    let connection = server.connect().await;
    let (mut send, _receive) = connection.open().await;
    // The beginning of a packet of 1,025 bytes, and no more.
    send.write_all(b"\x7e\x04\x010").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(closed(&connection.quic).await, 0x100);
    assert!(began.elapsed() < EngineConfig::default().upgrade_timeout, "it waited for the rest");
}

// proves: security/web-transport
#[tokio::test]
async fn a_connection_has_its_place_until_nothing_of_it_is_left() {
    let certificate = Certificate::new();
    let base = crate::webtransport::quic::config(&certificate.tls().config()).unwrap();
    let endpoint = quinn::Endpoint::server(base.clone(), "127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Server::builder().build().unwrap();
    let admission = &server.service().site().admission.clone();
    let connecting = quic(endpoint.local_addr().unwrap(), certificate.trust());
    let place = admission.connection(None).unwrap();
    let accepting = async {
        let incoming = endpoint.accept().await.unwrap();
        incoming.accept_with(crate::webtransport::quic::with_place(&base, place)).unwrap().await
    };
    let (theirs, ours) = tokio::join!(connecting, accepting);
    let (theirs, ours) = (theirs.unwrap(), ours.unwrap());
    let (mut send, _) = theirs.open_bi().await.unwrap();
    send.write_all(b"x").await.unwrap();
    let streams = ours.accept_bi().await.unwrap();
    drop(ours);
    // The client still has its connection, for which nothing is left here but a stream.
    let (mut send, _) = theirs.open_bi().await.unwrap();
    send.write_all(b"x").await.unwrap();
    send.finish().unwrap();
    assert_eq!(send.stopped().await, Ok(None), "it was acknowledged");
    assert_eq!(admission.connections(), 1);
    drop(streams);
    assert!(theirs.closed().await.to_string().contains("closed"));
    while admission.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

// proves: security/web-transport
#[tokio::test]
async fn a_client_that_asks_for_nothing_in_time_is_closed_whatever_it_has_opened() {
    let limits = Limits { head_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = Echo::with(Server::builder().limits(limits)).await;
    let client = quic(server.udp, server.certificate.trust()).await.unwrap();
    let mut streams = Vec::new();
    for begun in [&[0x40][..], &[0x01, 0x7f], &[0x40, 0x41, 0]] {
        let (mut send, receive) = client.open_bi().await.unwrap();
        send.write_all(begun).await.unwrap();
        streams.push((send, receive));
    }
    assert_eq!(closed(&client).await, 0x100);
}

// proves: security/web-transport
#[tokio::test]
async fn a_path_that_is_not_served_gets_its_status() {
    let server = Echo::new().await;
    let client = quic(server.udp, server.certificate.trust()).await.unwrap();
    let (status, _streams) = ask(&client, "/nothing-here/").await;
    assert_eq!((status.as_str(), closed(&client).await), ("404", 0x100));
}

// proves: security/web-transport
#[tokio::test]
async fn what_is_no_request_for_a_session_ends_its_connection() {
    let server = Echo::new().await;
    let too_long = [0x01, 0x80, 0x01, 0x00, 0x00];
    for wrong in [&[0x00, 0x01, 0x00][..], &[0x01, 0x03, 0xff, 0xff, 0xff], &too_long, &[0x04, 0x00]] {
        let client = quic(server.udp, server.certificate.trust()).await.unwrap();
        let (mut send, _receive) = client.open_bi().await.unwrap();
        send.write_all(wrong).await.unwrap();
        assert_eq!(closed(&client).await, 0x100, "{wrong:02x?}");
    }
    // A stream for another session.
    let connection = server.connect().await;
    let (mut send, _receive) = connection.quic.open_bi().await.unwrap();
    send.write_all(&[0x40, 0x41, 4]).await.unwrap();
    assert_eq!(closed(&connection.quic).await, 0x100);
}
