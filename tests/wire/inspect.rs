//! The inspector: what a page gets, who may look, and that nobody waits for one that is slow.

use std::net::SocketAddr;
use std::sync::Arc;

use engineio::EngineConfig;
use socketio_server::inspector::{Inspector, InspectorConfig};
use socketio_server::journal::{Entry, Journal, Record};
use socketio_tests::{Connection, Response, TestServer};
use tokio::net::{TcpListener, TcpSocket};

use crate::WEBSOCKET;

/// An echo server with an inspector.
struct Inspected {
    server: TestServer,
    journal: Arc<Journal>,
    inspector: SocketAddr,
}

impl Inspected {
    async fn with(config: InspectorConfig) -> Inspected {
        let inspector = Inspector::new(config);
        let journal = Journal::new([inspector.sink()], false).expect("a thread");
        let observer = journal.clone();
        let server =
            TestServer::echo_with(EngineConfig::default(), |builder| builder.observer(observer)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(inspector.listen(listener).expect("an address").serve());
        Inspected { server, journal, inspector: address }
    }

    async fn new() -> Inspected {
        Inspected::with(InspectorConfig::default()).await
    }

    async fn ask(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.ask_by("localhost", target, headers).await
    }

    /// The same by this name of the inspector's.
    async fn ask_by(&self, host: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut connection = Connection::open(self.inspector).await;
        host.clone_into(&mut connection.host);
        connection.request("GET", target, headers, b"").await
    }

    async fn watch(&self) -> Page {
        Page::over(Connection::open(self.inspector).await, &[]).await
    }

    /// One session by WebSocket that says this, hears it again, and leaves.
    async fn visit(&self, text: &str) {
        let mut websocket = self.server.websocket(WEBSOCKET).await;
        websocket.next_text().await;
        websocket.text(format!("4{text}")).await;
        assert_eq!(websocket.next_text().await, format!("4{text}"));
    }
}

/// A page that watches.
struct Page {
    connection: Connection,
    /// What came of an event that is not whole yet.
    begun: String,
    lines: Vec<String>,
    id: String,
}

impl Page {
    async fn over(mut connection: Connection, headers: &[(&str, &str)]) -> Page {
        let headers = [&[("Accept", "text/event-stream")], headers].concat();
        "localhost".clone_into(&mut connection.host);
        let response = connection.request("GET", "/records", &headers, b"").await;
        assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(response.header("access-control-allow-origin"), None);
        Page { connection, begun: String::new(), lines: Vec::new(), id: String::new() }
    }

    /// Reads one event.
    async fn event(&mut self) {
        let end = loop {
            if let Some(end) = self.begun.find("\n\n") {
                break end;
            }
            let chunk = self.connection.chunk().await;
            self.begun.push_str(std::str::from_utf8(&chunk).expect("events don't end within a character"));
        };
        for line in self.begun[..end].lines() {
            match line.split_once(": ") {
                Some(("data", line)) => self.lines.push(line.to_owned()),
                Some(("id", id)) => id.clone_into(&mut self.id),
                _ => panic!("{line:?} is no field of an event"),
            }
        }
        self.begun.drain(..end + 2);
    }

    /// Reads until a line holds this.
    async fn until(&mut self, text: &str) {
        let mut read = 0;
        while !self.lines[read..].iter().any(|line| line.contains(text)) {
            read = self.lines.len();
            self.event().await;
        }
    }

    /// Everything that came, as the journal that it is.
    fn records(&self) -> Vec<Record> {
        let journal = self.lines.join("\n") + "\n";
        socketio_server::journal::read(journal.as_bytes()).expect("a journal").1
    }
}

// proves: security/inspector
#[tokio::test]
async fn what_is_pasted_is_explained_to_the_page_alone() {
    let inspected = Inspected::new().await;
    let ask = async |method: &str, headers: &[(&str, &str)], body: &[u8]| {
        let mut connection = Connection::open(inspected.inspector).await;
        "localhost".clone_into(&mut connection.host);
        connection.request(method, "/explain?eio=4&from=client", headers, body).await
    };
    let answer = ask("POST", &[], b"42[\"connect\"]").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(json["messages"][0]["broken"]["rule"]["id"], "RESERVED_EVENT");
    assert_eq!(json["messages"][0]["parts"][1]["meaning"], "type 2, EVENT");
    assert_eq!(ask("POST", &[], &[b'4'; 300_000]).await.status, 413);
    let get = ask("GET", &[], b"").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(ask("POST", &[("Origin", "http://evil.example")], b"40").await.status, 403);
}

// proves: features/wish/traffic
#[tokio::test]
async fn a_page_gets_the_header_what_was_before_it_and_what_comes_while_it_watches() {
    let inspected = Inspected::new().await;
    inspected.visit("before").await;
    let mut page = inspected.watch().await;
    page.event().await;
    assert!(page.lines[0].starts_with("{\"journal\":1,"), "{:?}", page.lines);
    page.until("4before").await;
    inspected.visit("while it watches").await;
    page.until("4while it watches").await;
    let records = page.records();
    assert!(records.iter().zip(1..).all(|(record, n)| record.n == n), "none is missing");
    assert!(matches!(records[0].entry, Entry::Request { .. }));
}

// proves: features/wish/traffic, security/inspector
#[tokio::test]
async fn a_page_that_does_not_read_loses_records_and_holds_up_nobody() {
    let inspected = Inspected::with(InspectorConfig { memory: 300_000, ..InspectorConfig::default() }).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let stream = socket.connect(inspected.inspector).await.expect("a connection");
    let mut idle = Page::over(Connection::over(stream), &[]).await;
    let mut reading = inspected.watch().await;
    let mut websocket = inspected.server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    // Each time four records of this length, until no buffer on the way can hold them.
    let long = format!("4{}", "x".repeat(100_000));
    for _ in 0..60 {
        websocket.text(&long).await;
        assert_eq!(websocket.next_text().await, long);
    }
    websocket.text("4the end").await;
    assert_eq!(websocket.next_text().await, "4the end");
    reading.until("4the end").await;
    idle.until("4the end").await;
    let (mut numbers, mut lost) = (0, 0);
    let records = idle.records();
    for record in &records {
        match record.entry {
            Entry::Lost { records } => lost += records,
            _ => numbers += 1,
        }
    }
    assert!(records.windows(2).all(|two| two[0].n < two[1].n));
    assert_eq!(
        records.last().map(|record| record.n),
        Some(numbers + lost),
        "each that is missing is counted"
    );
    assert!(lost > 0, "everything came");
    let opened =
        |page: &Page| page.records().iter().any(|record| matches!(record.entry, Entry::Opened { .. }));
    assert!(opened(&inspected.late("4the end").await), "a page that comes late knows how the session began");
}

impl Inspected {
    /// A page that comes now, and reads up to this.
    async fn late(&self, text: &str) -> Page {
        let mut page = self.watch().await;
        page.until(text).await;
        page
    }
}

#[tokio::test]
async fn a_page_that_comes_back_goes_on_where_it_was() {
    let inspected = Inspected::new().await;
    inspected.visit("once").await;
    let seen = inspected.late("4once").await;
    inspected.visit("twice").await;
    let connection = Connection::open(inspected.inspector).await;
    let mut back = Page::over(connection, &[("Last-Event-ID", &seen.id)]).await;
    back.until("4twice").await;
    let (before, after) = (seen.records(), back.records());
    assert_eq!(after[0].n, before.last().expect("records").n + 1);
    // The id of another server's event, which was there before this one.
    let connection = Connection::open(inspected.inspector).await;
    let mut stranger = Page::over(connection, &[("Last-Event-ID", "1-7")]).await;
    stranger.until("4twice").await;
    assert_eq!(stranger.records()[0].n, 1);
}

#[tokio::test]
async fn so_many_pages_may_watch_and_one_more_when_one_of_them_has_gone() {
    let inspected = Inspected::new().await;
    let mut pages = Vec::new();
    for _ in 0..16 {
        pages.push(inspected.watch().await);
    }
    let refused = inspected.ask("/records", &[]).await;
    assert_eq!((refused.status, refused.text().contains("too many pages")), (503, true));
    drop(pages.pop());
    // The server learns of it in its own time.
    while inspected.ask("/records", &[]).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_journal_hides_is_hidden_here() {
    let inspected = Inspected::new().await;
    let target = "/socket.io/?EIO=4&transport=polling&token=hunter2";
    let headers = [("Cookie", "id=hunter2"), ("Authorization", "Bearer hunter2")];
    let opened = inspected.server.connect().await.request("GET", target, &headers, b"").await;
    let target = format!("{target}&sid={}", opened.sid());
    inspected.server.post(&target, "40{\"token\":\"hunter2\"}").await;
    inspected.visit("the end").await;
    let page = inspected.late("4the end").await;
    let text = page.lines.concat();
    assert!(text.contains("*******") && !text.contains("hunter2"), "{text}");
    inspected.journal.finish();
}

// proves: security/inspector
#[tokio::test]
async fn the_page_and_its_files_may_load_nothing_from_elsewhere() {
    let inspected = Inspected::new().await;
    let page = inspected.ask("/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let script = page.text().split("src=\"").nth(1).and_then(|rest| rest.split('"').next());
    let script = inspected.ask(&format!("/{}", script.expect("a script")), &[]).await;
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    for file in [page, script] {
        let policy = file.header("content-security-policy").expect("a policy");
        for rule in ["default-src 'self'", "connect-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(rule), "{policy}");
        }
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(inspected.ask("/chat.js", &[]).await.status, 404);
    assert_eq!(inspected.server.get("/records").await.status, 404, "clients are shown nothing");
}

// proves: security/inspector
#[tokio::test]
async fn without_a_token_nobody_comes_in_by_a_name_of_elsewhere_or_from_another_page() {
    let inspected = Inspected::new().await;
    let foreign = inspected.ask_by("rebound.example", "/records", &[]).await;
    assert_eq!((foreign.status, foreign.text().contains("localhost or 127.0.0.1")), (403, true));
    assert_eq!(inspected.ask_by("rebound.example", "/", &[]).await.status, 403);
    let foreign = inspected.ask("/records", &[("Origin", "http://localhost:3000")]).await;
    assert_eq!((foreign.status, foreign.text().contains("other origins")), (403, true));
    assert_eq!(inspected.ask("/records", &[("Sec-Fetch-Site", "cross-site")]).await.status, 403);
}

// proves: security/inspector
#[tokio::test]
async fn with_a_token_only_who_has_it_comes_in() {
    let token = "correct-horse-battery-staple";
    let inspected =
        Inspected::with(InspectorConfig { token: Some(token.into()), ..InspectorConfig::default() }).await;
    for target in ["/", "/records", "/inspect.js", "/nothing", "/?token=wrong", "/records?token=wrong"] {
        let refused = inspected.ask(target, &[]).await;
        assert_eq!((refused.status, refused.text().contains("needs its token")), (401, true), "{target}");
    }
    let entered = inspected.ask(&format!("/?token={token}"), &[]).await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
    let cookie = entered.header("set-cookie").expect("a cookie");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    assert_eq!(inspected.ask("/", &[("Cookie", cookie)]).await.status, 200);
    let host = "inspector.example";
    assert_eq!(inspected.ask_by(host, "/records", &[("Cookie", cookie)]).await.status, 200);
    let bearer = format!("Bearer {token}");
    assert_eq!(inspected.ask_by(host, "/records", &[("Authorization", &bearer)]).await.status, 200);
}

// proves: security/operators-addresses
#[tokio::test]
async fn the_page_comes_however_many_clients_ask_for_it_and_do_not_read() {
    let inspected = Inspected::new().await;
    let _deaf = crate::metrics::deaf(inspected.inspector, "/", 140).await;
    crate::metrics::answered(inspected.inspector, "/").await;
}
