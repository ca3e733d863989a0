//! `socketio-server connect`, as it is called: against our server, and against others that answer badly.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::listeners::Folder;
use crate::program::{Program, SERVER};

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What it does with these arguments: its exit code, and what it printed.
async fn connect(arguments: &[&str]) -> (i32, String, String) {
    with_input(arguments, "").await
}

async fn with_input(arguments: &[&str], input: impl AsRef<[u8]>) -> (i32, String, String) {
    let mut program = Command::new(SERVER)
        .arg("connect")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    drop(program.stdin.take().expect("standard input").write_all(input.as_ref()).await);
    let output = timeout(LIMIT, program.wait_with_output()).await.expect("it ends").expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

/// The lines of `--json`, without what differs each time.
async fn lines(arguments: &[&str]) -> (i32, Vec<Value>) {
    let (code, out, err) = connect(&[arguments, &["--json"]].concat()).await;
    let lines = out.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} {err}"));
        if let Some(fields) = line.as_object_mut() {
            fields.remove("ms");
            fields.remove("id");
        }
        line
    });
    (code, lines.collect())
}

/// Every way in which a client of either revision connects.
const WAYS: [&[&str]; 6] = [
    &["--transports", "polling"],
    &["--transports", "websocket"],
    &[],
    &["--eio", "3", "--transports", "polling"],
    &["--eio", "3", "--transports", "websocket"],
    &["--eio", "3"],
];

#[tokio::test]
async fn events_acknowledgements_and_bytes_go_both_ways_by_each_transport_of_either_revision() {
    let (_server, address) = Program::echo(&[]).await;
    let url = address.to_string();
    let folder = Folder::new();
    let file = folder.file("bytes");
    std::fs::write(&file, [1, 2, 255]).expect("a file");
    let emit = format!(r#"message "hé" {{"a":[1]}} @{}"#, file.display());
    for way in WAYS {
        let script = ["-x", &emit, "-x", r#"? message-with-ack 1 "two""#];
        let (code, mut lines) = lines(&[&[&*url][..], way, &script].concat()).await;
        // When an upgrade is done depends on the machine. Before it, the transport is polling.
        let upgraded = lines[0]["type"] == "upgrade";
        lines.retain(|line| line["type"] != "upgrade");
        if upgraded {
            assert_eq!(lines[0]["transport"], "websocket", "{way:?}");
            lines[0]["transport"] = "polling".into();
        }
        let bytes = json!({"base64": "AQL/"});
        let transport = if way.contains(&"websocket") { "websocket" } else { "polling" };
        let event =
            |name, args| json!({"type": "event", "nsp": "/", "event": name, "args": args, "number": null});
        let expected = [
            json!({"type": "connect", "nsp": "/", "transport": transport}),
            event("auth", json!([{}])),
            event("message-back", json!(["hé", {"a": [1]}, bytes])),
            json!({"type": "ack", "nsp": "/", "event": "message-with-ack", "args": [1, "two"]}),
        ];
        assert_eq!((code, &lines[..]), (0, &expected[..]), "{way:?}");
    }
}

#[tokio::test]
async fn an_upgrade_happens_while_it_waits() {
    let (_server, address) = Program::echo(&[]).await;
    let (code, out, _) = connect(&[&address.to_string(), "-x", "message", "--wait", "2s"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("upgraded to websocket\n"), "{out}");
}

#[tokio::test]
async fn messagepack_namespaces_and_auth_are_options() {
    let (_server, address) = Program::echo(&["--parser", "msgpack"]).await;
    let arguments =
        [&format!("{address}/custom"), "--msgpack", "--auth", r#"{"token":"a"}"#, "-x", "message 1"];
    let (code, lines) =
        lines(&[&arguments[..], &["--wait", "500ms", "--transports", "polling"]].concat()).await;
    assert_eq!(code, 0);
    assert_eq!(lines[1]["args"], json!([{"token": "a"}]), "{lines:?}");
    assert_eq!((&lines[2]["nsp"], &lines[2]["args"]), (&json!("/custom"), &json!([1])), "{lines:?}");
}

#[tokio::test]
async fn in_revision_3_a_namespaces_query_is_not_in_the_servers_answers() {
    let (_server, address) = Program::echo(&[]).await;
    let url = address.to_string();
    let options = ["--eio", "3", "-n", "/custom?a=b", "-x", "/use /custom?a=b", "-x", "? message-with-ack 1"];
    let (code, lines) = lines(&[&[&*url], &options[..]].concat()).await;
    assert_eq!(code, 0, "{lines:?}");
    // The upgrade comes before or after it.
    let ack = lines.iter().find(|line| line["type"] == "ack").expect("an acknowledgement");
    assert_eq!(ack["args"], json!([1]), "{lines:?}");
}

#[tokio::test]
async fn lines_come_from_standard_input_and_questions_are_answered_by_number() {
    let (_server, address) = Program::echo(&[]).await;
    let input = "ask 5\n/raw\n? handshake\n/ack 1 \"yes\"\n/quit\n";
    let (code, out, err) = with_input(&[&format!("{address}/test")], input).await;
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("/test question 5  #1 asks for an answer\n"), "{out}");
    assert!(out.contains("type 2, EVENT"), "the layers: {out}");
    assert!(out.contains("type 3, ACK"), "{out}");
}

#[tokio::test]
async fn the_exit_code_tells_refusal_timeout_and_close_apart() {
    let (_server, address) = Program::echo(&[]).await;
    let url = address.to_string();
    let bad = [&format!("{url}/test"), "--auth", r#"{"token":"bad"}"#, "-x", "message"];
    let (code, lines) = lines(&bad).await;
    // The upgrade comes before or after it.
    let refusal = lines.iter().find(|line| line["message"].is_string()).expect("a refusal");
    assert_eq!((code, &refusal["message"], &refusal["data"]), (3, &json!("refused"), &json!({"code": 7})));

    let (code, _, err) = connect(&[&url, "-x", "message hi"]).await;
    assert_eq!((code, &*err), (2, "error: argument 1 is not JSON: a text needs quotes, \"like this\"\n"));

    let (code, _, err) = connect(&[&url, "--auth", "token=abc"]).await;
    assert_eq!(
        (code, &*err),
        (2, "error: --auth: not the JSON of an object, such as '{\"token\":\"abc\"}'\n")
    );
    let (code, _, err) = connect(&[&url, "--auth", "{\"token\":}"]).await;
    assert!(code == 2 && err.contains("'{\"token\":\"abc\"}': expected value at line 1"), "{err}");

    let (code, out, _) = connect(&[&url, "-x", "? message", "--ack-timeout", "200ms"]).await;
    assert_eq!(code, 4);
    assert!(out.contains("message: no answer within 200ms (--ack-timeout)\n"), "{out}");

    let (code, out, _) = connect(&[&format!("{url}/test"), "-x", "kick true", "--wait", "20s"]).await;
    assert_eq!(code, 5, "{out}");

    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let (code, out, _) = connect(&[&free.to_string(), "-x", "message"]).await;
    assert_eq!(code, 1);
    let why = format!("not connected: {free}: the connection was refused: does the server run");
    assert!(out.starts_with(&why), "{out}");
}

#[tokio::test]
async fn a_server_that_is_none_is_told_in_its_own_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1000]).await;
            let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nno such\x1b[m";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let (code, out, _) = connect(&[&address, "-x", "message"]).await;
    assert_eq!(code, 3);
    assert!(out.starts_with("not connected: the server answered 404"), "{out}");
    assert!(!out.contains('\x1b'), "it does nothing to the terminal: {out:?}");
}

#[tokio::test]
async fn it_connects_again_when_the_connection_is_lost() {
    let (_server, address) = Program::echo(&[]).await;
    let arguments =
        [&address.to_string(), "-x", "/cut", "-x", "? message-with-ack 7", "--transports", "websocket"];
    let (code, out, err) = connect(&arguments).await;
    assert_eq!(code, 0, "{out} {err}");
    assert_eq!(out.matches("connected to / as").count(), 2, "{out}");
    assert!(out.contains("message-with-ack = 7"), "{out}");
}

type WebSocket = WebSocketStream<TcpStream>;

/// A server for one client, which comes by WebSocket. Once it has asked for `/`, `then` goes on.
async fn by_websocket<F: Future<Output = ()> + Send>(
    then: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut client = accept_async(stream).await.expect("a WebSocket");
        let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}"#;
        client.send(Message::text(open)).await.expect("it is open");
        assert_eq!(client.next().await.expect("a CONNECT").expect("a message"), Message::text("40"));
        then(client).await;
    });
    address
}

async fn join(client: &mut WebSocket) {
    client.send(Message::text(r#"40{"sid":"b"}"#)).await.expect("it joins");
}

/// Waits until the client says something.
async fn hear(client: &mut WebSocket) {
    client.next().await.expect("a message").expect("a message");
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_one_that_the_server_ends() {
    let by_websocket_alone = ["--transports", "websocket", "-x", "message", "--wait", "20s"];
    let broken = by_websocket(async |mut client| {
        join(&mut client).await;
        hear(&mut client).await;
    });
    let (code, out, _) = connect(&[&[&*broken.await], &by_websocket_alone[..]].concat()).await;
    assert_eq!(code, 1, "{out}");
    let ended = by_websocket(async |mut client| {
        join(&mut client).await;
        hear(&mut client).await;
        client.close(None).await.expect("a close frame");
        while client.next().await.is_some() {}
    });
    let (code, out, _) = connect(&[&[&*ended.await], &by_websocket_alone[..]].concat()).await;
    assert_eq!(code, 5, "{out}");
}

#[tokio::test]
async fn a_question_that_was_asked_before_the_connection_broke_is_told_to_have_no_answer() {
    let server = by_websocket(async |mut client| {
        join(&mut client).await;
        hear(&mut client).await;
    });
    let arguments =
        [&*server.await, "--transports", "websocket", "--reconnect", "-x", "? message 1", "-x", "message 2"];
    let (code, lines) = lines(&arguments).await;
    assert_eq!(code, 1, "{lines:?}");
    let last = lines.last().expect("a line");
    assert_eq!(*last, json!({"type": "ack_lost", "nsp": "/", "event": "message"}), "{lines:?}");
}

#[tokio::test]
async fn a_namespace_that_gets_no_answer_ends_a_script() {
    let server = by_websocket(async |mut client| while client.next().await.is_some() {});
    let url = server.await;
    let arguments = [&*url, "--transports", "websocket", "-x", "message", "--timeout", "300ms"];
    let (code, out, _) = connect(&[&arguments[..], &["-n", "/a?token=secret"]].concat()).await;
    assert_eq!(code, 4, "{out}");
    let late = |nsp| format!("{nsp} not connected: no answer within 300ms (--timeout)\n");
    assert_eq!(out, late("/") + &late("/a"));
}

#[tokio::test]
async fn a_line_that_is_no_text_is_an_error_and_not_the_end() {
    let (_server, address) = Program::echo(&[]).await;
    let (code, out, err) =
        with_input(&[&address.to_string()], b"message 1\nmessage \"\xff\"\nmessage 2\n").await;
    assert_eq!((code, &*err), (2, "error: line 2 is not UTF-8\n"), "{out}");
}

#[tokio::test]
async fn what_was_sent_last_and_refused_is_told_at_the_end() {
    let (_server, address) = Program::echo(&["--max-payload", "1000"]).await;
    let large = format!("message {:?}", "x".repeat(2000));
    let (code, out, _) = connect(&[&address.to_string(), "--transports", "polling", "-x", &large]).await;
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("disconnected: the server answered 413"), "{out}");
}

/// A server that answers everything like this.
async fn answers(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1000]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn what_opens_no_session_is_told_with_what_to_try() {
    for (answer, advice) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is that the path of the server (--path)"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "is /socket.io/ the path of the server"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n11:0{\"sid\":\"a\"", "add --eio 3"),
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /a\r\n\r\n", "the server redirects"),
        ("\x15\x03\x01\x00\x02\x02\x0a", "Then write https://"),
    ] {
        let (code, out, _) = connect(&[&answers(answer).await, "-x", "message"]).await;
        assert!(out.contains(advice) && [1, 3].contains(&code), "{answer:?}: {code} {out}");
    }
    let (code, _, err) = connect(&["localhost:300o", "-x", "message"]).await;
    assert_eq!(code, 2);
    assert!(err.contains("its port is not a number from 1 to 65535"), "{err}");
}
