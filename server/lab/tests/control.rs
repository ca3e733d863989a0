//! What the lab answers agents, and clients that name their case in the URL: over HTTP, as they ask.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engineio::Revision;
use serde_json::Value;
use socketio_lab::case::{Case, CaseTransport, Document, Needs, Source};
use socketio_lab::control;
use socketio_lab::lab::{Lab, NextCase, Options};
use socketio_lab::peer::LabPeer;
use socketio_lab::report;
use socketio_lab::run::{Agent, CaseRun, Outcome, Pace};
use socketio_lab::selection::{CaseSelection, KnownFailures};
use socketio_lab::verdict::Verdict;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(20);

fn lab(only: &[&str], patience: Duration) -> Arc<Lab> {
    lab_at(Ipv4Addr::LOCALHOST, only, patience)
}

fn lab_at(ip: Ipv4Addr, only: &[&str], patience: Duration) -> Arc<Lab> {
    let only = only.iter().map(|id| (*id).to_owned()).collect();
    let listen = SocketAddr::from((ip, 0));
    Arc::new(Lab::new(Options {
        pace: Pace { listen, patience, timeout: LIMIT },
        selection: CaseSelection { only, ..CaseSelection::default() },
        known: KnownFailures::default(),
        seed: None,
        anew: true,
    }))
}

/// The lab at an address.
async fn served(lab: &Arc<Lab>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(control::serve(lab.clone(), listener));
    address
}

/// The status and the body of an answer.
async fn ask(to: SocketAddr, method: &str, target: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).await.expect("the lab");
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).await.expect("a request");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(LIMIT, read).await.expect("an answer in time").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{target}: {answer:?}"));
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

fn agent(name: &str, lacks: &[&str]) -> Agent {
    let lacks = lacks.iter().map(|word| (*word).to_owned()).collect();
    Agent { name: name.to_owned(), revision: Revision::V4, level: Needs::Driven, lacks }
}

async fn outcome(lab: &Arc<Lab>, agent: &str) -> Outcome {
    let mut changes = lab.watch();
    loop {
        let all = lab.outcomes();
        let found = all
            .into_iter()
            .find(|(one, ..)| one.name == agent)
            .and_then(|(_, outcomes, _)| outcomes.first().cloned());
        if let Some(outcome) = found {
            return outcome;
        }
        timeout(LIMIT, changes.changed()).await.expect("an outcome in time").expect("the lab");
    }
}

#[tokio::test]
async fn a_misspelt_word_of_an_agent_is_told_with_those_that_exist() {
    let lab = lab(&["1.1.1"], Duration::from_millis(100));
    let at = served(&lab).await;
    for (query, problem) in [
        ("", "name the agent"),
        ("?agent=a&lacks=poling", "`lacks` has no word `poling`: polling,"),
        ("?agent=a&level=bogus", "`level` is passive, echo or driven"),
        ("?agent=a&eio=5", "`eio` is 3 or 4"),
        ("?agent=a&lack=ack", "there is no parameter `lack`"),
    ] {
        let (status, told) = ask(at, "GET", &format!("/next{query}"), "").await;
        assert_eq!(status, 400, "{query}");
        assert!(told.contains(problem) && told.ends_with('\n'), "{query}: {told}");
    }
    let (status, case) = ask(at, "GET", "/next?agent=a", "").await;
    let run = serde_json::from_str::<Value>(&case).expect("JSON")["run"].as_str().expect("a run").to_owned();
    assert_eq!(status, 200);
    for (report, problem) in [
        ("{".to_owned(), "not a report, such as"),
        (format!(r#"{{"run":"{run}","saw":"bogus"}}"#), "`saw` has no word `bogus`: connect,"),
        (format!(r#"{{"run":"{run}","saw":"connect","arg":[]}}"#), "unknown field `arg`"),
        (r#"{"run":"77","saw":"connect"}"#.to_owned(), "there was no run 77"),
        (r#"{"run":"one","saw":"connect"}"#.to_owned(), "there was no run `one`"),
    ] {
        let (status, told) = ask(at, "POST", "/saw", &report).await;
        assert_eq!(status, 400, "{report}");
        assert!(told.contains(problem), "{report}: {told}");
    }
    outcome(&lab, "a").await;
    let late = format!(r#"{{"run":"{run}","saw":"connect"}}"#);
    assert_eq!(ask(at, "POST", "/saw", &late).await, (200, "{\"over\":true}".to_owned()));
}

#[tokio::test]
async fn a_client_that_names_its_case_in_the_url_chooses_the_transport_and_is_told_what_is_wrong() {
    let lab = lab(&[], Duration::from_millis(300));
    let at = served(&lab).await;
    let target = |rest: &str| format!("/socket.io/?EIO=4&{rest}");
    for (query, problem) in [
        ("transport=polling&case=9.9.9", "there is no case 9.9.9"),
        ("transport=polling&case=7.1.1", "an agent of the level `driven`"),
        ("transport=polling&case=1.1.1&lacks=poling", "`lacks` has no word `poling`"),
        ("transport=polling&case=2.1.1&lacks=polling", "a client that has `polling`"),
        // It is about a WebSocket.
        ("transport=polling&case=3.1.1&agent=polls", "this case is about a session by WebSocket"),
    ] {
        let (status, told) = ask(at, "GET", &target(query), "").await;
        assert_eq!(status, 400, "{query}");
        assert!(told.contains(problem), "{query}: {told}");
    }
    let wrong = outcome(&lab, "polls").await;
    assert!(wrong.verdict == Verdict::NotRun && wrong.needs_words(), "{wrong:?}");
    let about = lab.cases().find(|case| case.about.id == "3.1.1").expect("the case").about.clone();
    assert!(report::line(&about, &wrong, false).contains("a session by WebSocket"));
    // Nothing in this one says how.
    let (status, open) = ask(at, "GET", &target("transport=polling&case=1.1.1&agent=a"), "").await;
    assert!(status == 200 && open.starts_with("0{"), "{status} {open}");
    let sid =
        serde_json::from_str::<Value>(&open[1..]).expect("JSON")["sid"].as_str().expect("a sid").to_owned();
    let session = target(&format!("transport=polling&case=1.1.1&agent=a&sid={sid}"));
    let (connected, packets) = tokio::join!(ask(at, "POST", &session, "40"), ask(at, "GET", &session, ""));
    assert_eq!((connected.0, packets.0), (200, 200));
    assert_eq!(outcome(&lab, "a").await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn an_agent_has_its_last_answer_before_the_lab_is_done_with_it() {
    // Each of its cases is over at once.
    let lab = lab(&["8.2.1"], Duration::from_millis(300));
    let agent = agent("a", &["multiplex"]);
    assert_eq!(lab.next(&agent).await, NextCase::Done);
    let done = lab.done(Some("a"));
    tokio::pin!(done);
    assert!(timeout(Duration::from_millis(50), &mut done).await.is_err(), "the answer isn't written");
    lab.told("a");
    timeout(LIMIT, done).await.expect("it is done");
}

#[tokio::test]
async fn an_agent_that_stops_early_or_runs_nothing_leaves_a_gap() {
    let nobody = lab(&["1.1.1"], Duration::from_millis(100));
    assert_eq!(nobody.gaps(), [(None, "no agent asked for a case".to_owned())]);

    let lab = lab(&["1.1.1", "8.2.1"], Duration::from_millis(100));
    let lacking = agent("lacking", &["multiplex", "websocket"]);
    assert!(matches!(lab.next(&lacking).await, NextCase::Case(_)));
    let early = (Some("lacking".to_owned()), "it stopped early, after 0 of 2 cases".to_owned());
    assert_eq!(lab.gaps(), [early]);
    let junit = report::junit(&lab);
    assert!(junit.contains("errors=\"1\"") && junit.contains("<error message=\"it stopped early"), "{junit}");
    assert_eq!(lab.next(&lacking).await, NextCase::Done);
    assert_eq!(lab.gaps(), [], "one case was run, and failed");
    assert!(!report::junit(&lab).contains("<error"));
    let summary = report::summary(&lab);
    assert_eq!(summary, "lacking: 1 fail, 1 unsupported\n  failed and a must: 1.1.1\n");
}

#[tokio::test]
async fn only_cases_that_are_unsupported_are_no_run() {
    let lab = lab(&["8.2.1"], Duration::from_millis(100));
    assert_eq!(lab.next(&agent("a", &["multiplex"])).await, NextCase::Done);
    let (_, told) = &lab.gaps()[0];
    assert_eq!(told, "no case was run: 1 of 1 are unsupported or not-run");
}

#[tokio::test]
async fn what_an_agent_writes_is_in_the_journal_of_its_case() {
    let lab = lab(&["1.1.1"], Duration::from_millis(100));
    assert!(lab.wrote("too early").is_empty());
    assert!(matches!(lab.next(&agent("a", &[])).await, NextCase::Case(_)));
    assert_eq!(lab.wrote("Exception in thread main"), ["1.1.1"]);
    let journal = outcome(&lab, "a").await.journal;
    assert!(journal.short.contains("Exception in thread main") && !journal.short.contains("too early"));
    assert!(
        journal.short.contains("fail: expected a request that opens a session; seen: none came within 100ms")
    );
}

/// A client that connects by polling and names its case in the URL: the status and the body of the answer to its handshake.
async fn connects(at: SocketAddr, rest: &str) -> (u16, String) {
    let session = format!("/socket.io/?EIO=4&transport=polling&{rest}");
    let (status, open) = ask(at, "GET", &session, "").await;
    if status == 200 {
        let open: Value = serde_json::from_str(&open[1..]).expect("JSON");
        let session = format!("{session}&sid={}", open["sid"].as_str().expect("a sid"));
        tokio::join!(ask(at, "POST", &session, "40"), ask(at, "GET", &session, ""));
    }
    (status, open)
}

#[tokio::test]
async fn a_client_that_comes_back_after_the_verdict_does_not_change_it() {
    let lab = lab(&[], Duration::from_millis(300));
    let at = served(&lab).await;
    assert_eq!(connects(at, "case=1.1.1&agent=a").await.0, 200);
    assert_eq!(outcome(&lab, "a").await.verdict, Verdict::Pass);
    // It reconnects, and is stopped at once.
    let (status, told) = ask(at, "GET", "/socket.io/?EIO=4&transport=polling&case=1.1.1&agent=a", "").await;
    assert_eq!(
        (status, &*told),
        (400, "case 1.1.1 is over for this agent: to run it again, name another, as in agent=NAME-2\n")
    );
    assert_eq!(lab.progress()[0]["of"], 1, "nothing runs");
    assert_eq!(outcome(&lab, "a").await.verdict, Verdict::Pass);
    assert_eq!(connects(at, "case=1.1.1&agent=a-2").await.0, 200);
    assert_eq!(outcome(&lab, "a-2").await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_refused_client_may_use_its_connection_for_no_other_case() {
    let lab = lab(&[], Duration::from_millis(300));
    let mut stream = TcpStream::connect(served(&lab).await).await.expect("the lab");
    let asked = stream.write_all(b"GET /?case=9.9.9&transport=polling HTTP/1.1\r\nHost: lab\r\n\r\n").await;
    asked.expect("a request");
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("it is closed").expect("an answer");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn clients_of_one_name_may_run_two_cases_at_a_time() {
    let lab = lab(&[], LIMIT);
    let at = served(&lab).await;
    let target = |case: &str| format!("/socket.io/?EIO=4&transport=polling&case={case}");
    let (status, open) = ask(at, "GET", &target("1.1.1"), "").await;
    assert!(status == 200 && open.starts_with("0{"), "{status} {open}");
    assert_eq!(ask(at, "GET", &target("1.1.2"), "").await.0, 200);
    let open: Value = serde_json::from_str(&open[1..]).expect("JSON");
    let session = format!("{}&sid={}", target("1.1.1"), open["sid"].as_str().expect("a sid"));
    assert_eq!(ask(at, "POST", &session, "40").await, (200, "ok".to_owned()), "the session is still there");
}

#[tokio::test]
async fn a_case_that_finds_no_port_waits() {
    // Nobody here has this address: RFC 5737.
    let lab = lab_at([192, 0, 2, 1].into(), &["1.1.1"], Duration::from_millis(100));
    for _ in 0..2 {
        let NextCase::Refused(why) = lab.next(&agent("a", &[])).await else { panic!("there is a port") };
        assert!(why.starts_with("there is no port to listen on: "), "{why}");
    }
    assert_eq!(lab.gaps(), [(Some("a".to_owned()), "it stopped early, after 0 of 1 cases".to_owned())]);
}

#[tokio::test]
async fn an_agent_that_asks_twice_gets_the_case_once() {
    let lab = lab(&["1.1.1", "1.1.2"], Duration::from_millis(300));
    let at = served(&lab).await;
    assert!(ask(at, "GET", "/next?agent=a", "").await.1.contains("\"1.1.1\""));
    for _ in 0..10 {
        let mut given_up = TcpStream::connect(at).await.expect("the lab");
        given_up.write_all(b"GET /next?agent=a HTTP/1.1\r\nHost: lab\r\n\r\n").await.expect("a request");
    }
    let (_, case) = ask(at, "GET", "/next?agent=a", "").await;
    assert!(case.contains("\"1.1.2\""), "{case}");
    assert_eq!(lab.progress()[0]["of"], 2);
    assert_eq!(ask(at, "GET", "/next?agent=a", "").await.1, "{\"done\":true}");
}

#[tokio::test]
async fn an_agent_that_is_started_again_begins_anew() {
    let lab = lab(&["1.1.1", "8.2.1"], Duration::from_millis(50));
    let agent = agent("a", &["multiplex"]);
    for round in 1..3 {
        assert!(matches!(lab.next(&agent).await, NextCase::Case(_)), "round {round}");
        assert_eq!(lab.next(&agent).await, NextCase::Done);
        assert_eq!(outcome(&lab, "a").await.round, round);
        // It asks again because it had no answer.
        assert_eq!(lab.next(&agent).await, NextCase::Done);
        lab.told("a");
    }
    assert!(matches!(lab.next(&agent).await, NextCase::Case(_)));
    // It stops in the middle, and can do more when it comes back.
    let more = Agent { lacks: Vec::new(), ..agent };
    for case in ["1.1.1", "8.2.1"] {
        let NextCase::Case(next) = lab.next(&more).await else { panic!("{case}") };
        assert_eq!(next["case"], case);
    }
    assert_eq!(lab.outcomes()[0].0, more);
}

#[tokio::test]
async fn an_agent_of_a_command_that_is_started_again_has_had_its_cases_or_is_told_what_is_wrong() {
    let mut lab = lab(&["1.1.1"], Duration::from_millis(50));
    Arc::get_mut(&mut lab).expect("nobody else has it").options.anew = false;
    let at = served(&lab).await;
    assert!(ask(at, "GET", "/next?agent=a", "").await.1.contains("\"1.1.1\""));
    for _ in 0..2 {
        assert_eq!(ask(at, "GET", "/next?agent=a", "").await, (200, "{\"done\":true}".to_owned()));
    }
    let (status, told) = ask(at, "GET", "/next?agent=a&lacks=ack", "").await;
    assert_eq!(status, 400);
    assert_eq!(told, "a began with another eio, level or lacks: give this agent another name\n");
}

#[tokio::test]
async fn a_client_that_sends_without_end_fails_and_fills_no_memory() {
    let source = Source::Document(Document::EngineIo4, "Heartbeat");
    let case = Case::<LabPeer>::new("1.1.1", "leaves", "The client leaves.", source, |peer| {
        Box::pin(async move {
            peer.join().await?;
            peer.gives_up_within(LIMIT).await.map(drop)
        })
    });
    let pace = Pace { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), patience: LIMIT, timeout: LIMIT };
    let case = Arc::new(case);
    let run =
        CaseRun::begin(case, &agent("a", &[]), CaseTransport::WebSocket, pace, 1).await.expect("a port");
    let mut stream = opens(run.invitation["url"].as_str().expect("a URL")).await;
    // A frame of the message `4`, masked with zeros, and at the end a close frame.
    let frames = [[0x81, 0x81, 0, 0, 0, 0, b'4'].repeat(100_001), vec![0x88, 0x80, 0, 0, 0, 0]].concat();
    stream.write_all(&frames).await.expect("frames");
    let outcome = timeout(LIMIT, run.outcome).await.expect("it ends").expect("an outcome");
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert_eq!(outcome.expected, "the client sends at most 100000 packets and 128 MiB");
}

/// A WebSocket client that joins.
async fn opens(url: &str) -> TcpStream {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.expect("the case's port");
    let head = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("a request");
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).await.expect("a CONNECT");
    stream
}

/// A WebSocket client that joins, and leaves at the first event.
async fn leaves(url: &str) {
    let mut stream = opens(url).await;
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("[\"ack\",1]") {
        assert!(stream.read_buf(&mut came).await.expect("more") > 0);
    }
}

#[tokio::test]
async fn a_case_is_over_soon_after_its_client_has_left() {
    let lab = lab(&["11.1.9"], LIMIT - Duration::from_secs(1));
    let NextCase::Case(case) = lab.next(&agent("a", &[])).await else { panic!("a case") };
    leaves(case["url"].as_str().expect("a URL")).await;
    let outcome = outcome(&lab, "a").await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.took < 5_000, "{} ms", outcome.took);
    assert!(outcome.seen.starts_with("the client had left: "), "{}", outcome.seen);
}
