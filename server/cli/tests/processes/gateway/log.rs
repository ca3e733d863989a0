//! What the log says of the backend, of clients and of the API.

use super::*;

#[tokio::test]
async fn the_log_says_which_hook_failed_what_came_and_what_was_expected() {
    let (url, _bodies) = backend_that_answers(NOT_FOUND).await;
    let with_a_query = format!("{url}hooks?token=hidden");
    let options = ["--listen", "127.0.0.1:0", "--webhook", &with_a_query];
    let others =
        ["--webhook-hook=no-connected", "--webhook-hook=no-disconnected", "--webhook-hook=no-node_started"];
    let mut program = Program::server(options.iter().chain(&others).chain(&["--webhook-hook=no-event"]));
    let mut client = WebSocket::open(program.address().await, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(!matches!(client.next().await, socketio_tests::Received::Text(_)), "no refusal: it comes back");
    let line = program.logged("a hook failed: the client is closed, and comes back").await;
    for part in [
        "hook=\"connect\"",
        &format!("url=\"{url}hooks\""),
        "kind=\"bad_answer\"",
        "got 404 Not Found text/html \"<h1>Where?</h1>\", and expected {\"message\": \"...\"}",
        "Is the URL of the webhook right?",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("hidden") && !line.contains("left_out"), "{line}");

    let mut program = Program::server(options.iter().chain(&others).chain(&["--webhook-hook=no-connect"]));
    let mut client = WebSocket::open(program.address().await, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(client.next_text().await.starts_with("40{"));
    for name in ["one", "one", "two"] {
        client.text(format!("42[{name:?}]")).await;
    }
    // Another event is another mistake, also within a minute.
    for name in ["one", "two"] {
        let line = program.logged("a hook failed: the event is lost").await;
        assert!(line.contains(&format!("hook=\"event\" event={name:?} ")), "{line}");
    }
}

#[tokio::test]
async fn the_log_says_why_a_token_is_refused_without_the_token() {
    let key = "a secret of at least 32 characters";
    let mut program = Program::server(["--listen", "127.0.0.1:0", "--jwt-key", key]);
    let address = program.address().await;
    // {"alg":"HS256"} and {"exp":9999999999}, and a signature that is another's.
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for auth in [
        format!("{{\"token\":{token:?}}}"),
        format!("{{\"token\":{token:?}}}"),
        "{\"token\":\"x\"}".into(),
        "{}".into(),
    ] {
        let mut client = WebSocket::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        client.next_text().await;
        client.text(format!("40{auth}")).await;
        assert!(client.next_text().await.contains("\"code\":\"token_"));
    }
    // Each of them, and who it was.
    for reason in ["wrong signature", "wrong signature", "not a JWT", "no token"] {
        let line = program.logged("a client's JWT is refused").await;
        assert!(line.contains(&format!("reason={reason:?}")) && !line.contains("AAAA"), "{line}");
        for part in ["INFO", "namespace=\"/\"", "socket=", "address=127.0.0.1:"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[tokio::test]
async fn the_log_says_whom_the_backend_refused_and_what_it_said() {
    let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 24\r\n\r\n{\"message\":\"who is it?\"}";
    let (url, _bodies) = backend_that_answers(answer).await;
    let mut program = Program::server(["--listen", "127.0.0.1:0", "--webhook", &url]);
    let mut client = WebSocket::open(program.address().await, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert_eq!(client.next_text().await, r#"44{"message":"who is it?"}"#);
    let line = program.logged("the backend refused a client").await;
    let wanted =
        ["INFO", "status=403", "error=\"who is it?\"", "namespace=\"/\"", "address=127.0.0.1:", "socket="];
    for part in wanted {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn the_log_says_what_a_failed_backend_answered_and_asks_about_the_secret() {
    let answer = "HTTP/1.1 500 x\r\ncontent-length: 9\r\n\r\nTraceback";
    let (url, _bodies) = backend_that_answers(answer).await;
    let secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let options = ["--listen", "127.0.0.1:0", "--webhook", &url, "--webhook-secret", secret];
    let mut program = Program::server(options);
    let line = program.logged("a hook failed: it is sent again").await;
    let wanted = "error=500 Internal Server Error \"Traceback\". If it refuses the signature: is its secret the same as webhook-secret?";
    assert!(line.contains(wanted), "{line}");
}

#[tokio::test]
async fn the_log_warns_of_events_that_go_nowhere_once_for_each_name() {
    let open = async |options: &[&str]| {
        let mut program = Program::server(["--listen", "127.0.0.1:0"].iter().chain(options));
        let address = program.address().await;
        let mut client = WebSocket::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        client.next_text().await;
        client.text("40").await;
        assert!(client.next_text().await.starts_with("40{"));
        (program, client)
    };
    let (url, _bodies) = backend().await;
    let rules =
        ["--event", "typing=drop", "--webhook", &url, "--webhook-events", "chat", "--log-level", "debug"];
    let (mut program, mut client) = open(&rules).await;
    for name in ["typing", "caht", "caht", "other"] {
        client.text(format!("42[{name:?}]")).await;
    }
    client.text(r#"421["chat"]"#).await;
    assert_eq!(client.next_text().await, "431[]");
    program.signal("TERM").await;
    let (_, log) = program.ended_with_log().await;
    let warned: Vec<_> = log.iter().filter(|line| line.contains("clients' events are dropped")).collect();
    let reason = "reason=\"it has no rule, and is not in webhook-events\"";
    assert_eq!(warned.len(), 2, "{warned:?}");
    for (line, name) in warned.iter().zip(["caht", "other"]) {
        assert!(
            line.contains("WARN") && line.contains(&format!("event={name:?}")) && line.contains(reason),
            "{line}"
        );
    }
    let each =
        log.iter().filter(|line| line.contains("DEBUG") && line.contains("a client's event is dropped"));
    assert_eq!(each.count(), 4);
    // Without a backend, and if somebody has written down that they are dropped.
    for (options, reason) in [
        (&["--namespace", "/"][..], Some("it has no rule, and there is no backend")),
        (&["--other-events", "drop"], None),
        (&["--webhook", &url, "--webhook-hook", "no-event"], Some("webhook-hook leaves out the hook event")),
    ] {
        let (mut program, mut client) = open(options).await;
        client.text(r#"42["chat"]"#).await;
        if let Some(reason) = reason {
            assert!(program.logged("clients' events are dropped").await.contains(reason), "{reason}");
            continue;
        }
        client.text("41").await;
        program.signal("TERM").await;
        let (_, log) = program.ended_with_log().await;
        assert!(!log.iter().any(|line| line.contains("WARN")), "{log:?}");
    }
}

#[tokio::test]
async fn a_stop_that_waits_for_the_backend_says_so() {
    let options = ["--listen", "127.0.0.1:0", "--webhook", "http://127.0.0.1:1/"];
    let mut program = Program::server(options);
    program.address().await;
    program.logged("a hook failed: it is sent again").await;
    program.signal("TERM").await;
    let line = program.logged("the server waits for the backend to accept its last hooks").await;
    assert!(line.contains("INFO") && line.contains("hooks=1 limit=10s"), "{line}");
}

#[tokio::test]
async fn an_api_request_that_is_refused_is_in_the_log() {
    let (mut program, api, _) = gateway(&["--api-key", KEY]).await;
    assert_eq!(post(api, "/api/emit", r#"{"event":"e","rom":1}"#).await.status, 400);
    let line = program.logged("an API request is refused").await;
    let wanted =
        ["INFO", "method=POST", "path=\"/api/emit\"", "status=400", "code=\"bad_field\"", "at=\"rom\""];
    for part in wanted {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn it_warns_if_anybody_may_connect_from_other_machines() {
    let options = |place, more: &'static [&str]| {
        ["--listen", place, "--api", "127.0.0.1:0"].into_iter().chain(more.iter().copied())
    };
    let warning = "anybody may connect";
    let mut open = Program::server(options(":0", &[]));
    assert!(open.logged(warning).await.contains("set webhook"));
    for mut closed in [
        Program::server(options("127.0.0.1:0", &[])),
        Program::server(options(":0", &["--jwt-key=a secret of at least 32 characters"])),
    ] {
        closed.line("API on ").await;
        closed.address().await;
        closed.signal("TERM").await;
        let (status, log) = closed.ended_with_log().await;
        assert!(status.success() && !log.iter().any(|line| line.contains(warning)), "{log:?}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_told_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for option in ["api", "metrics", "inspect", "listen"] {
        let listen = ["--listen", "127.0.0.1:0"].into_iter().take(if option == "listen" { 0 } else { 2 });
        let options: Vec<_> =
            listen.map(str::to_owned).chain([format!("--{option}"), address.clone()]).collect();
        let (status, log) = Program::server(options).ended().await;
        let told = format!("{option}: can't listen on {address}: ");
        assert!(!status.success() && log.contains(&told), "{told} in {log}");
    }
}
