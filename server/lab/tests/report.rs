//! The results as other programs read them: outcomes of every kind, through a parser of XML that is not ours.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engineio::Revision;
use roxmltree::{Document, Node};
use serde_json::Value;
use socketio_lab::case::Needs;
use socketio_lab::lab::{Lab, NextCase, Options};
use socketio_lab::peer::AgentObservation;
use socketio_lab::report::{self, Journals, ReportPage};
use socketio_lab::run::{Agent, Pace};
use socketio_lab::selection::{CaseSelection, KnownFailures};
use socketio_lab::verdict::Verdict;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What has to be escaped in XML, what can't be, and more than ASCII.
const NAME: &str = "a <client> & its \"name\" \u{1}\u{fffe}é😀";

/// Sends a request, and reads what comes to the end of the body.
async fn get(host: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(host).await.expect("the case's port");
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// A client that opens a session and polls once: enough for 1.2.1, and for no other case.
async fn poll_once(case: &Value) {
    let host = case["url"].as_str().expect("a URL").trim_start_matches("http://").to_owned();
    let query = "/socket.io/?EIO=4&transport=polling";
    let answer = get(&host, query).await;
    let (_, open) = answer.split_once("\r\n\r\n0").expect("an open packet");
    let open: Value = serde_json::from_str(open).expect("JSON");
    get(&host, &format!("{query}&sid={}", open["sid"].as_str().expect("a sid"))).await;
}

/// A lab whose one agent passes 1.2.1, fails 1.4.1 and, as is known, 1.1.1, lacks what 8.2.1 is about, is of another revision than
/// 1.4.9, and in 1.1.3 reports words that no XML may have.
async fn lab() -> Arc<Lab> {
    let only = ["1.2.1", "1.4.1", "1.1.1", "1.1.3", "8.2.1", "1.4.9"].map(str::to_owned).to_vec();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = Options {
        pace: Pace { listen, patience: Duration::from_millis(300), timeout: Duration::from_secs(20) },
        selection: CaseSelection { only, ..CaseSelection::default() },
        known: KnownFailures::read("1.1.1 # why not").expect("a list"),
        seed: None,
        anew: true,
    };
    let lab = Arc::new(Lab::new(options));
    let lacks = vec!["multiplex".to_owned()];
    let agent = Agent { name: NAME.to_owned(), revision: Revision::V4, level: Needs::Driven, lacks };
    while let NextCase::Case(case) = lab.next(&agent).await {
        match case["case"].as_str() {
            Some("1.2.1") => {
                tokio::spawn(async move { poll_once(&case).await });
            }
            Some("1.1.3") => {
                let run = case["run"].as_str().and_then(|run| run.parse().ok()).expect("a number");
                let args = vec!["]]> \u{0} \u{b} <b>".into()];
                assert_eq!(lab.saw(run, AgentObservation { saw: "crash".to_owned(), args }).await, Ok(true));
            }
            _ => {}
        }
    }
    lab
}

fn number(node: Node<'_, '_>, name: &str) -> usize {
    node.attribute(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} in {node:?}"))
}

#[tokio::test]
async fn junit_is_xml_whose_counts_are_those_of_the_outcomes() {
    let lab = lab().await;
    let text = report::junit(&lab);
    let xml = Document::parse(&text).expect("XML");
    let suites: Vec<Node<'_, '_>> =
        xml.root_element().children().filter(|node| node.has_tag_name("testsuite")).collect();
    assert_eq!(suites.len(), 1);
    let suite = suites[0];
    assert_eq!(suite.attribute("name"), Some("a <client> & its \"name\" \u{fffd}\u{fffd}é😀"));
    let tests: Vec<Node<'_, '_>> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let with = |tag: &str| {
        let has = |test: &&Node<'_, '_>| test.children().any(|child| child.has_tag_name(tag));
        let mut ids: Vec<&str> =
            tests.iter().filter(has).filter_map(|test| test.attribute("name")?.split(' ').next()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(with("failure"), ["1.1.3", "1.4.1"]);
    assert_eq!(with("skipped"), ["1.1.1", "1.4.9", "8.2.1"], "a known failure, and what couldn't be run");
    let counts = ["tests", "failures", "skipped"].map(|name| number(suite, name));
    assert_eq!(counts, [6, 2, 3]);
    assert_eq!(tests.len(), 6);
    assert!(tests.iter().all(|test| {
        test.attribute("time").is_some_and(|time| time.parse::<f64>().is_ok())
            && test.attribute("classname").is_some()
    }));
}

#[tokio::test]
async fn json_has_each_outcome_and_the_page_has_the_json() {
    let lab = lab().await;
    let json = report::json(&lab, Journals::Short);
    assert_eq!(json["lab"], 1);
    assert_eq!(json["failed"], true);
    let agent = &json["agents"][0];
    assert_eq!(agent["agent"]["name"], NAME);
    let outcomes = agent["outcomes"].as_array().expect("outcomes");
    let of = |case: &str| outcomes.iter().find(|one| one["case"] == case).expect("an outcome").clone();
    assert_eq!(outcomes.len(), 6);
    assert_eq!(of("1.2.1")["verdict"], Verdict::Pass.as_str());
    assert_eq!(of("8.2.1")["verdict"], Verdict::Unsupported.as_str());
    assert_eq!(of("1.4.9")["verdict"], Verdict::NotRun.as_str());
    assert_eq!(of("1.1.1")["known"], true);
    assert!(of("1.2.1")["journal"].as_str().is_some_and(|journal| journal.lines().count() > 4));
    let page = report::page(&lab, ReportPage::Whole(Journals::Short));
    let (_, rest) = page.split_once("let results = ").expect("the results");
    let (results, _) = rest.split_once(";\n").expect("their end");
    assert_eq!(serde_json::from_str::<Value>(results).expect("JSON"), json);
}
