//! The chat, which is what the server serves without options.

use socketio_tests::{Connection, Received, WebSocket};

use crate::program::{Program, connect};

#[tokio::test]
async fn plain_websockets_and_socketio_clients_meet() {
    let mut program = Program::server(["--listen", "127.0.0.1:0"]);
    let address = program.address().await;
    let (mut guest, _) = connect(Connection::open(address).await, "40").await;
    assert!(guest.next_text().await.starts_with(r#"42["welcome""#));
    let mut plain = WebSocket::open(address, "/ws").await;
    plain.text("hello").await;
    let heard = guest.next_text().await;
    assert!(heard.ends_with(r#","text":"hello"}]"#), "{heard}");
    guest.text(r#"42["message","hello, you"]"#).await;
    assert_eq!(plain.next_text().await, "hello, you");

    program.signal("TERM").await;
    plain.expect_close_and_answer(1001).await;
    assert_eq!(guest.next().await, Received::Close(None));
    drop(guest);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}
