//! What whoever operates the server asks it, and reads in its log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use socketio_tests::{Connection, Received, Response, WebSocket};
use tokio::task::JoinSet;

use crate::program::{Program, connect};

async fn get(address: SocketAddr, target: &str) -> Response {
    Connection::open(address).await.request("GET", target, &[], b"").await
}

/// The samples by name and labels, each line held to the format.
async fn metrics(address: SocketAddr) -> BTreeMap<String, f64> {
    let response = get(address, "/metrics").await;
    let kind = response.header("content-type");
    assert_eq!((response.status, kind), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let (mut families, mut samples) = (Vec::new(), BTreeMap::new());
    for line in response.text().lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let family = family.split(' ').next().expect("a name").to_owned();
            assert!(!families.contains(&family), "{family} comes twice");
            families.push(family);
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(families.last().is_some_and(|family| sample.starts_with(family.as_str())), "{line}");
            let before = samples.insert(sample.to_owned(), value.parse().expect("a number"));
            assert_eq!(before, None, "{sample} comes twice");
        }
    }
    samples
}

#[tokio::test]
async fn the_log_names_the_rule_that_a_client_broke() {
    let (mut program, address) = Program::echo(&[]).await;
    assert_eq!(get(address, "/socket.io/?EIO=4&transport=carrier-pigeon").await.status, 400);
    program.logged(r#"rule="UNKNOWN_TRANSPORT" section="Engine.IO protocol 4, \"Query parameters\"""#).await;
    for (wrong, rule) in
        [("9", "UNKNOWN_PACKET_TYPE"), ("42[{}]", "EVENT_NAME"), ("2", "HEARTBEAT_DIRECTION")]
    {
        let (mut websocket, _) = connect(Connection::open(address).await, "40").await;
        websocket.text(wrong).await;
        program.logged(&format!("rule=\"{rule}\"")).await;
    }
    let (mut websocket, _) = connect(Connection::open(address).await, "40").await;
    websocket.raw(WebSocket::frame(0xf1, b"2")).await;
    program.logged(r#"rule="WEBSOCKET_RESERVED_BIT""#).await;
}

// proves: protocol/origins-in-the-log
#[tokio::test]
async fn the_log_names_origins_that_are_kept_out_once_each_and_what_lets_them_in() {
    let ask = async |address, origin| {
        let target = "/socket.io/?EIO=4&transport=polling";
        Connection::open(address).await.request("GET", target, &[("Origin", origin)], b"").await.status
    };
    let (mut program, address) = Program::echo(&[]).await;
    for origin in ["http://a.example", "http://a.example", "http://b.example"] {
        assert_eq!(ask(address, origin).await, 200, "a browser keeps the answer from the page");
    }
    for origin in ["http://a.example", "http://b.example"] {
        let line = program.logged("set cors-origin, or in code Builder::cors").await;
        assert!(line.contains(&format!("origin=\"{origin}\"")), "{line}");
    }

    let (mut program, address) = Program::echo(&["--cors-origin", "http://a.example"]).await;
    assert_eq!(ask(address, "http://a.example").await, 200);
    for origin in ["http://b.example", "http://b.example", "http://c.example"] {
        assert_eq!(ask(address, origin).await, 403);
    }
    for origin in ["http://b.example", "http://c.example"] {
        let line = program.logged("allow it with cors-origin, or in code with Cors::new").await;
        assert!(line.contains(&format!("origin=\"{origin}\"")), "{line}");
    }
}

// proves: features/wish/metrics
#[tokio::test]
async fn metrics_count_and_readiness_ends_with_a_drain() {
    let options = ["--app", "echo", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut program =
        Program::server(options.iter().chain(&["--max-payload", "1000", "--close-timeout", "60s"]));
    let operations = program.line("metrics on http://").await;
    let operations = operations.strip_suffix("/metrics").and_then(|address| address.parse().ok());
    let operations: SocketAddr = operations.expect("an address");
    let address = program.address().await;
    assert_eq!(get(operations, "/healthz").await.text(), "ok\n");
    assert_eq!(get(operations, "/readyz").await.text(), "ready\n");
    assert_eq!(get(operations, "/").await.status, 404);
    assert_eq!(get(address, "/metrics").await.status, 404, "clients are told nothing");
    let mut now = metrics(operations).await;
    assert!(
        now[concat!("socketio_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")] == 1.0,
        "{now:#?}"
    );
    assert!(now["process_resident_memory_bytes"] > 1e6 && now["process_open_fds"] > 3.0, "{now:#?}");
    // These are there from the start, and the last connection may not be gone yet.
    let there =
        ["socketio_namespaces", "socketio_tasks", "socketio_connections", "socketio_build_info", "process_"];
    now.retain(|sample, _| !there.iter().any(|name| sample.starts_with(name)));
    assert!(now.values().all(|value| *value == 0.0), "{now:#?}");

    let (mut websocket, _) = connect(Connection::open(address).await, "40").await;
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket.text(r#"421["message-with-ack",1]"#).await;
    assert_eq!(websocket.next_text().await, "431[1]");
    let polling = get(address, "/socket.io/?EIO=4&transport=polling").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", polling.sid());
    let long = "4".repeat(1001);
    let refused = Connection::open(address).await.request("POST", &target, &[], long.as_bytes()).await;
    assert_eq!(refused.status, 413);
    assert_eq!(get(address, "/socket.io/?EIO=9&transport=polling").await.status, 400);

    let now = metrics(operations).await;
    for (sample, value) in [
        (r#"socketio_sessions{transport="polling"}"#, 1.0),
        (r#"socketio_sessions{transport="websocket"}"#, 1.0),
        ("socketio_sockets", 1.0),
        (r#"socketio_packets_total{direction="in",type="message"}"#, 2.0),
        (r#"socketio_packets_total{direction="out",type="open"}"#, 2.0),
        (r#"socketio_events_total{direction="in"}"#, 1.0),
        (r#"socketio_events_total{direction="out"}"#, 1.0),
        (r#"socketio_refusals_total{code="5"}"#, 1.0),
        (r#"socketio_limit_hits_total{limit="payload"}"#, 1.0),
        (r#"socketio_handler_seconds_bucket{le="+Inf"}"#, 2.0),
        ("socketio_handler_seconds_count", 2.0),
        ("socketio_draining", 0.0),
    ] {
        assert_eq!(now.get(sample), Some(&value), "{sample}: {now:#?}");
    }

    // The polling client doesn't come to be told, so the drain takes its time.
    program.signal("TERM").await;
    program.logged("draining").await;
    assert_eq!(websocket.next().await, Received::Close(None));
    drop(websocket);
    assert_eq!(get(operations, "/readyz").await.status, 503);
    assert_eq!(get(operations, "/healthz").await.status, 200);
    // Each session ends in its own task.
    let ended = r#"socketio_sessions_closed_total{reason="server shutting down"}"#;
    while metrics(operations).await.get(ended) != Some(&2.0) {}
    assert!(get(address, &target).await.text().contains('1'));
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

/// The names of metrics in a text.
fn named_metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("socketio_") || word.starts_with("process_")).collect()
}

// proves: features/wish/metrics
#[tokio::test]
async fn the_dashboard_and_the_alerts_ask_for_metrics_that_exist() {
    // Nobody is at the addresses of Redis and the backend, whose metrics are there nevertheless.
    let mut program = Program::server([
        "--listen=127.0.0.1:0",
        "--metrics=127.0.0.1:0",
        "--recovery=1m",
        "--redis=redis://127.0.0.1:1",
        "--webhook=http://127.0.0.1:1/",
    ]);
    let operations = program.line("metrics on http://").await;
    let operations = operations.strip_suffix("/metrics").and_then(|address| address.parse().ok());
    let response = get(operations.expect("an address"), "/metrics").await;
    let text = response.text();
    let grafana = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana");
    let there: BTreeSet<&str> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    // A family without samples yet has only its type.
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let there: BTreeSet<&str> = there.into_iter().chain(families).collect();
    // Alerts by increase miss the first one of a series that is not there before.
    let alerts = std::fs::read_to_string(grafana.join("alerts.yaml")).expect("a file");
    let increasing: BTreeSet<&str> = alerts.split("increase(").skip(1).flat_map(named_metrics).collect();
    let increasing: BTreeSet<&str> =
        increasing.into_iter().filter(|name| alerts.contains(&format!("increase({name}"))).collect();
    assert!(increasing.len() >= 3, "{increasing:?}");
    for name in increasing {
        let samples = text.lines().filter(|line| line.starts_with(name)).count();
        assert!(samples > 0, "{name} has no sample from the start");
    }
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(grafana.join(file)).expect("a file");
        let named = named_metrics(&text);
        assert!(named.len() > 10, "{named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}: the server has {there:#?}");
        // Every process that Prometheus watches has them: each is asked of the servers alone.
        for (at, name) in text.match_indices("process_") {
            let asked = text[at..].split(['\n', '}']).next().expect("a line");
            assert!(
                asked.contains(r#"{instance=~\"$instance\""#) || asked.contains("socketio_build_info"),
                "{file}: {name} of any program in {asked}"
            );
        }
        // It would take the place of the servers that the dashboard lists.
        assert!(!text.contains("allValue"), "{file}: \"All\" has to be all servers");
    }
}

// proves: hostile/75
#[tokio::test]
async fn a_program_that_stops_lets_clients_in_until_load_balancers_know_and_out_one_after_the_other() {
    const CLIENTS: usize = 501;
    let options =
        ["--app", "echo", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--log-level", "info"];
    let mut program = Program::server(options.iter().chain(&["--drain-wait", "2s", "--drain-spread", "2s"]));
    let operations = program.line("metrics on http://").await;
    let operations = operations.strip_suffix("/metrics").and_then(|address| address.parse().ok());
    let operations: SocketAddr = operations.expect("an address");
    let address = program.address().await;
    let mut sessions = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut websocket, _) = connect(Connection::open(address).await, "40").await;
        sessions.spawn(async move {
            while websocket.next().await != Received::Close(None) {}
            Instant::now()
        });
    }
    program.signal("TERM").await;
    program.logged("draining").await;
    assert_eq!(get(operations, "/readyz").await.status, 503);
    let now = metrics(operations).await;
    let clients = f64::from(u32::try_from(CLIENTS).expect("few"));
    assert_eq!((now["socketio_draining"], now["socketio_drain_left"]), (1.0, clients));
    // Load balancers may not know it yet, so clients still come, until the first has to go.
    let mut came = 0;
    while get(address, "/socket.io/?EIO=4&transport=polling").await.status == 200 {
        came += 1;
    }
    assert!(came > 0);
    let went = sessions.join_all().await;
    let took = went.iter().max().zip(went.iter().min()).map(|(last, first)| last.duration_since(*first));
    // A busy machine may be late to see the first go.
    assert!(took > Some(Duration::from_secs(1)), "{took:?}");
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test]
async fn the_log_tells_no_secrets_and_nobody_forges_its_lines() {
    let (mut program, address) = Program::echo(&["--close-timeout", "100ms"]).await;
    let opened = get(address, "/socket.io/?EIO=4&transport=polling&token=hunter2").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", opened.sid());
    let post = async |body: &str| {
        Connection::open(address).await.request("POST", &target, &[], body.as_bytes()).await
    };
    post(r#"40{"token":"hunter3"}"#).await;
    // Nobody handles it, and it wants an acknowledgement.
    post("421[\"evil\\n\\u001b[31m forged\"]").await;
    let long = "e".repeat(2_000);
    get(address, &format!("/socket.io/?EIO=4&transport={long}")).await;
    post("40/name\n\u{1b}[31m forged,").await;
    get(address, &format!("{target}&transport=websocket")).await;
    let agent = [("User-Agent", "agent\u{1b}[31m forged")];
    Connection::open(address).await.request("GET", "/socket.io/?EIO=4", &agent, b"").await;
    let agent = [("User-Agent", "agent")];
    Connection::open(address).await.request("GET", "/socket.io/?EIO=4", &agent, b"").await;
    get(address, &format!("{target}&transport=websocket")).await;
    get(address, "/socket.io/?EIO=4&transport=polling&sid=stolen-session").await;
    get(address, "/socket.io/?EIO=4&transport=%0a%1b[31m").await;
    post("4nonsense").await;
    program.signal("TERM").await;
    let (_, log) = program.ended_with_log().await;
    let log = log.join("\n");
    assert!(log.contains("request refused") && log.contains("without a handler"), "{log}");
    for secret in [opened.sid().as_str(), "hunter", "stolen-session"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(log.contains("eeee") && !log.contains(&long), "long values are cut: {log}");
    let forged = |line: &str| line.chars().any(char::is_control) || line.starts_with(' ');
    assert!(!log.lines().any(forged), "{log}");
}

// proves: security/inspector
#[tokio::test]
async fn the_inspector_asks_for_the_printed_token_where_other_machines_reach_it() {
    let options = ["--app", "echo", "--listen", "127.0.0.1:0", "--inspect"];
    let mut program = Program::server(options.iter().chain(&["0.0.0.0:0"]));
    let url = program.line("inspector on http://0.0.0.0:").await;
    let (port, token) = url.split_once("/?token=").expect("a token");
    assert_eq!(token.len(), 20);
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    assert_eq!(get(address, "/").await.status, 401);
    assert_eq!(get(address, &format!("/?token={token}")).await.status, 303);

    let mut program = Program::server(options.iter().chain(&["127.0.0.1:0"]));
    let url = program.line("inspector on http://").await;
    let address: SocketAddr = url.strip_suffix('/').and_then(|host| host.parse().ok()).expect("an address");
    let mut connection = Connection::open(address).await;
    "localhost".clone_into(&mut connection.host);
    let page = connection.request("GET", "/", &[], b"").await;
    assert_eq!((page.status, page.text().starts_with("<!doctype html>")), (200, true));
}
