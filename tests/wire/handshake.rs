//! The handshake and its refusals: exact bodies, codes, statuses, and the order of the checks.

use engineio::EngineConfig;
use socketio_server::{ClientFiles, Cors};
use socketio_tests::{Received, Response, TestServer, WebSocket};

use crate::{POLLING, WEBSOCKET, echo, probing};

async fn refused(server: &TestServer, method: &str, target: &str, status: u16, body: &str) {
    let response = server.connect().await.request(method, target, &[], b"").await;
    assert_eq!((response.status, response.text()), (status, body), "{method} {target}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{method} {target}");
}

const TRANSPORT_UNKNOWN: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const SESSION_UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const HANDSHAKE_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

// proves: features/web-transport
#[tokio::test]
async fn a_handshake_by_polling_gets_the_open_packet() {
    let server = echo().await;
    let response = server.get(POLLING).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let sid = response.sid();
    let open = r#"{"sid":"SID","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    assert_eq!(response.text(), format!("0{}", open.replace("SID", &sid)));
}

#[tokio::test]
async fn a_handshake_by_websocket_offers_no_upgrades() {
    let server = echo().await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    let open = websocket.next_text().await;
    assert!(open.starts_with(r#"0{"sid":""#) && open.contains(r#""upgrades":[],"#), "{open}");
}

// proves: features/eio3
#[tokio::test]
async fn a_handshake_in_revision_3_is_a_payload_with_a_length() {
    let server = echo().await;
    let response = server.get("/engine.io/?EIO=3&transport=polling").await;
    let text = response.text();
    let (length, packet) = text.split_once(':').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), packet.len());
    assert!(packet.starts_with("0{"), "{packet}");
}

// proves: protocol/no-cors
#[tokio::test]
async fn no_cors_header_is_sent_unless_asked_for() {
    let server = echo().await;
    let response =
        server.connect().await.request("GET", POLLING, &[("Origin", "http://evil.example")], b"").await;
    assert_eq!(response.status, 200);
    let cors = |(name, _): &&(String, String)| name.starts_with("access-control-");
    assert_eq!(response.headers.iter().find(cors), None);
}

// proves: protocol/order-of-checks, protocol/revisions
#[tokio::test]
async fn the_transport_is_checked_first_then_the_session_the_method_and_the_revision() {
    let server = echo().await;
    let get = "GET";
    refused(&server, get, "/engine.io/", 400, TRANSPORT_UNKNOWN).await;
    refused(&server, get, "/engine.io/?EIO=9&sid=x", 400, TRANSPORT_UNKNOWN).await;
    refused(&server, get, "/engine.io/?EIO=4&transport=constructor", 400, TRANSPORT_UNKNOWN).await;
    refused(&server, get, "/engine.io/?EIO=9&transport=polling&sid=zzz", 400, SESSION_UNKNOWN).await;
    refused(&server, get, "/engine.io/?EIO=4&transport=polling&sid=__proto__", 400, SESSION_UNKNOWN).await;
    let long = format!("{POLLING}&sid={}", "a".repeat(8_000));
    refused(&server, get, &long, 400, SESSION_UNKNOWN).await;
    for method in ["POST", "DELETE"] {
        refused(&server, method, "/engine.io/?transport=polling", 400, HANDSHAKE_METHOD).await;
    }
    refused(&server, get, "/engine.io/?EIO=9&transport=websocket", 400, BAD_REQUEST).await;
    for eio in ["5", "04", "four"] {
        refused(&server, get, &format!("/engine.io/?transport=polling&EIO={eio}"), 400, UNSUPPORTED).await;
    }
}

#[tokio::test]
async fn a_head_handshake_is_refused() {
    let server = echo().await;
    let mut connection = server.connect().await;
    connection.send("HEAD", POLLING, &[("Connection", "close")], b"").await;
    let answer = connection.closed().await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn of_two_transports_the_last_wins() {
    let server = echo().await;
    let target = "/engine.io/?EIO=4&transport=polling&transport=websocket";
    refused(&server, "GET", target, 400, BAD_REQUEST).await;
}

#[tokio::test]
async fn an_empty_sid_is_a_handshake() {
    let server = echo().await;
    assert_eq!(server.get(&format!("{POLLING}&sid=")).await.status, 200);
}

// proves: protocol/revisions
#[tokio::test]
async fn another_revision_than_the_sessions_is_code_3() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    for other in ["EIO=3", "EIO=5", "x=y"] {
        refused(&server, "GET", &target.replace("EIO=4", other), 400, BAD_REQUEST).await;
    }
    // And the session never noticed.
    assert_eq!(server.post(&target, "4hello").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4hello");
}

// proves: protocol/revisions
#[tokio::test]
async fn a_client_that_names_no_eio_or_2_speaks_revision_3_in_all_its_requests() {
    let server = echo().await;
    for eio in ["", "EIO=&", "EIO=2&", "EIO=3&"] {
        let opened = server.get(&format!("/engine.io/?{eio}transport=polling&b64=1")).await;
        let target = format!("/engine.io/?{eio}transport=polling&sid={}", opened.sid());
        assert_eq!(server.post(&target, "6:4polls").await.text(), "ok", "{eio}");
        assert_eq!(server.get(&target).await.text(), "6:4polls", "{eio}");
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe", "{eio}");
        websocket.text("5").await;
        // Bytes have their type in front in revision 3 alone.
        websocket.binary([4, 1, 2]).await;
        assert_eq!(websocket.next().await, Received::Binary(vec![4, 1, 2]), "{eio}");

        let mut websocket = server.websocket(&format!("/engine.io/?{eio}transport=websocket")).await;
        assert!(websocket.next_text().await.starts_with("0{"), "{eio}");
        websocket.text("2").await;
        assert_eq!(websocket.next_text().await, "3", "{eio}");
    }
}

// proves: features/connection-error, protocol/refused-websocket
#[tokio::test]
async fn a_refused_websocket_gets_the_status_and_body_of_a_refused_poll() {
    let server = echo().await;
    for (target, body) in [
        ("/engine.io/?EIO=4&transport=foo", TRANSPORT_UNKNOWN),
        ("/engine.io/?EIO=4&transport=__proto__", TRANSPORT_UNKNOWN),
        ("/engine.io/?EIO=5&transport=websocket", UNSUPPORTED),
        ("/engine.io/?EIO=x&transport=websocket", UNSUPPORTED),
        ("/engine.io/?EIO=4&transport=websocket&sid=zzz", SESSION_UNKNOWN),
        ("/engine.io/?EIO=4&transport=polling", BAD_REQUEST),
    ] {
        let (response, _) = WebSocket::handshake(server.address(), target, &[]).await;
        assert_eq!((response.status, response.text()), (400, body), "{target}");
    }
}

// proves: ws/refused, protocol/refused-websocket, protocol/two-fields
#[tokio::test]
async fn an_unfinished_websocket_handshake_is_refused_with_the_version_that_is_spoken() {
    let server = echo().await;
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let version = ("Sec-WebSocket-Version", "13");
    let switch = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    for rest in [
        vec![version],
        vec![version, ("Sec-WebSocket-Key", "abc")],
        vec![key, ("Sec-WebSocket-Version", "7")],
        vec![key, key, version],
        vec![key, version, version],
    ] {
        let headers = [&switch[..], &rest].concat();
        let response = server.connect().await.request("GET", WEBSOCKET, &headers, b"").await;
        assert_eq!((response.status, response.text()), (400, BAD_REQUEST), "{rest:?}");
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
}

// proves: features/path, ws/path, protocol/path
#[tokio::test]
async fn the_path_is_exact_but_for_its_last_slash() {
    let server = echo().await;
    assert_eq!(server.get("/engine.io?EIO=4&transport=polling").await.status, 200);
    for other in ["/engine.io-admin/", "/engine.iox/", "/engine.io/x", "/engine.io/../x", "/"] {
        assert_eq!(server.get(&format!("{other}?EIO=4&transport=polling")).await.status, 404, "{other}");
    }
}

// proves: features/eio3, protocol/revisions
#[tokio::test]
async fn a_revision_can_be_switched_off() {
    let config = engineio::EngineConfig { revision_3: false, ..Default::default() };
    let server = TestServer::echo(config).await;
    for eio in ["EIO=3&", "EIO=2&", "EIO=&", ""] {
        refused(&server, "GET", &format!("/engine.io/?{eio}transport=polling"), 400, UNSUPPORTED).await;
    }
    assert_eq!(server.get(POLLING).await.status, 200);
}

// proves: features/wish/size-limit
#[tokio::test]
async fn revision_3_is_told_the_payload_limit_too() {
    let server = echo().await;
    assert!(
        server.get("/engine.io/?EIO=3&transport=polling").await.text().contains(r#""maxPayload":1000000"#)
    );
}

// proves: protocol/no-deflate
#[tokio::test]
async fn by_default_compression_of_messages_is_not_agreed_on() {
    let server = echo().await;
    for offer in ["permessage-deflate; client_max_window_bits", "constructor"] {
        let headers = [("Sec-WebSocket-Extensions", offer)];
        let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &headers).await;
        assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
    }
}

#[tokio::test]
async fn the_client_files_are_missed_with_a_hint() {
    let server = echo().await;
    let missing = server.get("/socket.io/socket.io.js").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("--client-dir"), "{}", missing.text());
    for other in ["/socket.io/../socket.io.js", "/socket.io/%2e%2e/x", "/socket.io/socket.io.js/../../x"] {
        let response = server.get(other).await;
        assert_eq!((response.status, response.text()), (404, ""), "{other}");
    }
}

// proves: protocol/client-files-cors
#[tokio::test]
async fn the_client_files_can_be_read_by_the_pages_that_may_connect_and_by_no_others() {
    let package = std::env::temp_dir().join(format!("socketio-client-files-{}", std::process::id()));
    let dist = package.join("dist");
    std::fs::create_dir_all(&dist).expect("a folder");
    std::fs::write(package.join("package.json"), r#"{"version":"4.8.4"}"#).expect("a file");
    std::fs::write(dist.join("socket.io.js"), "/* io */").expect("a file");
    let files = ClientFiles::read(&dist);
    std::fs::remove_dir_all(&package).expect("the folder goes");
    let (files, cors) =
        (files.expect("the client's files"), Cors::new(["https://app.example"]).expect("an origin"));
    let server =
        TestServer::echo_with(EngineConfig::default(), |server| server.client_files(files).cors(cors)).await;
    let ask = async |origin: &str| {
        let mut connection = server.connect().await;
        connection.request("GET", "/socket.io/socket.io.js", &[("Origin", origin)], b"").await
    };
    let granted = |answer: &Response| {
        let varies = |(name, value): &(String, String)| name == "vary" && value == "Origin";
        let origin = answer.header("access-control-allow-origin").map(str::to_owned);
        (answer.status, origin, answer.headers.iter().any(varies))
    };
    let allowed = ask("https://app.example").await;
    assert_eq!(granted(&allowed), (200, Some("https://app.example".to_owned()), true));
    assert_eq!(allowed.text(), "/* io */");
    // A script can be loaded from anywhere; what is refused is to read it.
    assert_eq!(granted(&ask("https://other.example").await), (200, None, true));
}
