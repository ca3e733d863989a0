//! What honest clients see, from the handshake to the end.

use std::io::Write;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;

use super::*;
use crate::journal::{Journal, JournalConfig};
use crate::{Denied, Hooks, Metrics, RequestHead};

/// A file in memory.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// proves: features/web-transport, protocol/webtransport-open
#[tokio::test]
async fn metrics_and_journal_show_a_session() {
    let (metrics, page) = (Arc::new(Metrics::default()), Page::default());
    let journal = Journal::lines(Box::new(page.clone()), JournalConfig::default()).unwrap();
    let server = Echo::with(Server::builder().observer(metrics.clone()).observer(journal.clone())).await;
    let mut client = server.stream("0").await;
    assert!(client.hears().await.starts_with("0{\"sid\":\""));
    client.says("4hi").await;
    assert_eq!(client.hears().await, "4hi");
    let text = metrics.text(server.service.site());
    for sample in [
        "socketio_sessions{transport=\"webtransport\"} 1",
        "socketio_sessions_opened_total{transport=\"webtransport\"} 1",
        "socketio_connections 1",
        "socketio_packets_total{direction=\"in\",type=\"message\"} 1",
    ] {
        assert!(text.lines().any(|line| line == sample), "no {sample} in {text}");
    }
    journal.finish();
    let text = String::from_utf8(page.0.lock().clone()).unwrap();
    let packets = text.lines().filter(|line| line.contains("\"carrier\":\"webtransport\""));
    assert!(packets.count() >= 3, "the open packet, and a message both ways: {text}");
}

// proves: features/web-transport, security/web-transport
#[tokio::test]
async fn hooks_see_a_stream_as_a_request_and_may_refuse_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let hooks = Hooks::new().allow_request(move |request: RequestHead| {
        let first = note.lock().is_empty();
        note.lock().push((
            request.uri().path().to_owned(),
            request.query().get("transport").map(|name| name.to_string()),
            request.peer().secure,
        ));
        async move { if first { Err(Denied::new("not you")) } else { Ok(()) } }
    });
    let server = Echo::with(Server::builder().hooks(hooks)).await;
    assert_eq!(server.stream("0").await.code().await, 403);
    assert!(server.stream("0").await.hears().await.starts_with('0'));
    let asked = ("/engine.io/".to_owned(), Some("webtransport".to_owned()), true);
    assert_eq!(*seen.lock(), [asked.clone(), asked]);
}

// proves: protocol/webtransport-open
#[tokio::test]
async fn a_stream_for_a_session_that_is_not_there_is_refused() {
    let server = Echo::new().await;
    let client = server.stream(r#"0{"sid":"AAAAAAAAAAAAAAAAAAAA"}"#).await;
    assert_eq!(client.code().await, 400);
    for wrong in ["1", "2probe", "0{}", "4hi"] {
        assert_eq!(server.stream(wrong).await.code().await, 0x100, "{wrong}");
    }
}

// proves: features/web-transport, protocol/webtransport-open
#[tokio::test]
async fn a_client_that_polls_upgrades() {
    let server = Echo::new().await;
    let mut http = TcpStream::connect(server.tcp).await.unwrap();
    let request =
        "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    http.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(r#""upgrades":["websocket","webtransport"]"#), "{answer}");
    let sid = answer.split_once(r#""sid":""#).and_then(|(_, rest)| rest.split('"').next()).unwrap();
    let mut client = server.stream(&format!(r#"0{{"sid":"{sid}"}}"#)).await;
    client.says("2probe").await;
    assert_eq!(client.hears().await, "3probe");
    client.says("5").await;
    client.says("4hi").await;
    assert_eq!(client.hears().await, "4hi");
}

// proves: security/certificates
#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let server = Echo::new().await;
    let old = server.certificate.trust();
    let mut client = server.stream("0").await;
    client.hears().await;
    server.certificate.renew();
    server.tls.reload().unwrap();
    // It is read when the next client comes.
    assert!(server.stream("0").await.hears().await.starts_with('0'));
    assert!(connect(server.udp, old).await.is_err());
    client.says("4still here").await;
    assert_eq!(client.hears().await, "4still here");
}

// proves: features/web-transport
#[tokio::test]
async fn a_session_that_its_client_ends_is_over() {
    let server = Echo::new().await;
    let mut client = server.stream("0").await;
    client.hears().await;
    // Its request's stream ends, and the session with it.
    client.connection.request.0.finish().unwrap();
    assert_eq!(client.code().await, 0x100);
    while server.service.sessions() > 0 {
        tokio::task::yield_now().await;
    }
}

// proves: features/web-transport
#[test]
fn clients_are_told_of_the_end_before_the_runtime_is_gone() {
    let certificate = Certificate::new();
    let config = crate::webtransport::quic::config(&certificate.tls().config()).unwrap();
    let clients = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let serving = std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
            tell.send(endpoint.local_addr().unwrap()).unwrap();
            let _connection = endpoint.accept().await.unwrap().await.unwrap();
            drop(stopped.await);
            end(vec![endpoint]).await;
        });
    });
    let client = clients.block_on(quic(told.recv().unwrap(), certificate.trust())).unwrap();
    stop.send(()).unwrap();
    serving.join().unwrap();
    // If it had not been told, its connection would time out.
    assert_eq!(clients.block_on(closed(&client)), 0x100);
}
