//! The lab's HTTP: what agents ask, what people look at, and clients that name their case in the URL.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use socketio_explain::page as explainer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::agent::{Agent, SAW};
use crate::lab::{Lab, NextCase};
use crate::peer::AgentObservation;
use crate::record::Recorder;
use crate::report::{self, Journals, ReportPage};
use crate::wire::connection::{self, Arrival};
use crate::wire::head::Head;
use crate::wire::request::Request;

/// The most connections at a time.
const CONNECTIONS: usize = 1_000;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// How long the head of a first request may take.
const FIRST: Duration = Duration::from_secs(10);

/// Serves a lab, without end.
///
/// # Errors
/// None yet: a connection that fails ends alone.
pub async fn serve(lab: Arc<Lab>, listener: TcpListener) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(lab.clone(), stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A client's, if its first request names a case; else an agent's or a browser's.
async fn connection(lab: Arc<Lab>, stream: TcpStream) {
    let Ok(Some(target)) = timeout(FIRST, first_target(&stream)).await else { return };
    let head = Head { target, ..Head::default() };
    let refusal = match (head.query("case"), head.query("transport")) {
        (Some(id), Some(transport)) => {
            let agent = Agent::of_client(&head);
            match agent.and_then(|agent| lab.by_url(&agent, &id, &transport)) {
                Ok(entry) => return entry.enter(stream.into(), BytesMut::new()).await,
                Err(why) => Some(why + "\n"),
            }
        }
        _ => None,
    };
    let (sender, mut arrivals) = mpsc::channel(1);
    let reader = connection::read(stream.into(), BytesMut::new(), 0, Arc::new(Recorder::idle()), sender);
    let answers = async {
        while let Some(arrival) = arrivals.recv().await {
            match (arrival, &refusal) {
                (Arrival::Request(request), Some(why)) => {
                    // A request that comes later may be of another case.
                    let headers = [("Content-Type", TEXT), ("Connection", "close")];
                    request.answer(400, &headers, why.as_bytes()).await;
                }
                (Arrival::Request(request), None) => answer(&lab, request).await,
                _ => {}
            }
        }
    };
    tokio::join!(reader, answers);
}

/// The target of the first request, which stays where it is.
async fn first_target(stream: &TcpStream) -> Option<String> {
    let mut bytes = [0; 2048];
    loop {
        let read = stream.peek(&mut bytes).await.ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&bytes[..read]);
        if let Some((line, _)) = text.split_once("\r\n") {
            return line.split(' ').nth(1).map(str::to_owned);
        }
        if read == bytes.len() {
            return None;
        }
        // There is no way to wait for more than was peeked at.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn answer(lab: &Arc<Lab>, request: Request) {
    let head = request.head.clone();
    match (&*head.method, head.path()) {
        ("OPTIONS", _) => request.preflight().await,
        ("GET", "/") => page(request, report::page(lab, ReportPage::Live)).await,
        ("GET", "/next") => next(lab, request).await,
        ("POST", "/saw") => saw(lab, request).await,
        ("GET", "/results.json") => {
            let journals = head.query("journals").map_or(Journals::None, |_| Journals::Short);
            reply(request, 200, JSON, report::json(lab, journals).to_string().as_bytes()).await;
        }
        ("GET", "/junit.xml") => reply(request, 200, "application/xml", report::junit(lab).as_bytes()).await,
        ("POST", "/explain") => explain(request).await,
        ("GET", "/report.html") => page(request, report::page(lab, ReportPage::Whole(Journals::Short))).await,
        ("GET", "/journal") => match journal(lab, &head) {
            Some(journal) => reply(request, 200, "application/jsonl", journal.as_bytes()).await,
            None => reply(request, 404, TEXT, b"no such outcome: name `agent` and `case`\n").await,
        },
        (method, path) => match path.strip_prefix('/').and_then(explainer::file) {
            Some((kind, content)) if method == "GET" => reply(request, 200, kind, content.as_bytes()).await,
            _ => {
                let known =
                    b"the lab has /, /next, /saw, /results.json, /junit.xml, /report.html, /journal, /explain\n";
                reply(request, 404, TEXT, known).await;
            }
        },
    }
}

/// Says what a person has pasted into the page's explainer.
async fn explain(request: Request) {
    let body = request.body.clone();
    let query = request.head.target.split_once('?').map_or(String::new(), |(_, query)| query.to_owned());
    // It takes a while if the input is long.
    let read = tokio::task::spawn_blocking(move || explainer::answer(&query, &body));
    let (status, answer) = match read.await {
        Ok(answer) => (200, answer),
        Err(_) => (500, explainer::problem("the explanation failed, which is a fault of the lab")),
    };
    reply(request, status, "application/json", answer.as_bytes()).await;
}

async fn reply(request: Request, status: u16, kind: &str, body: &[u8]) {
    request.answer(status, &[("Content-Type", kind), ("Cache-Control", "no-store")], body).await;
}

/// A page may load nothing but the explainer, and run only that and its own script.
async fn page(request: Request, text: String) {
    let headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        (
            "Content-Security-Policy",
            "default-src 'none'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
             script-src 'self' 'unsafe-inline'",
        ),
        ("X-Content-Type-Options", "nosniff"),
    ];
    request.answer(200, &headers, text.as_bytes()).await;
}

async fn next(lab: &Arc<Lab>, mut request: Request) {
    let agent = match Agent::of_request(&request.head) {
        Ok(agent) => agent,
        Err(why) => return reply(request, 400, TEXT, format!("{why}\n").as_bytes()).await,
    };
    let next = tokio::select! {
        biased;
        // It may ask again by another connection.
        () = request.abandoned() => return,
        next = lab.next(&agent) => next,
    };
    match next {
        NextCase::Case(case) => reply(request, 200, JSON, case.to_string().as_bytes()).await,
        NextCase::Done => {
            reply(request, 200, JSON, b"{\"done\":true}").await;
            lab.told(&agent.name);
        }
        NextCase::Refused(why) => reply(request, 503, TEXT, format!("{why}\n").as_bytes()).await,
        NextCase::Mistaken(why) => reply(request, 400, TEXT, format!("{why}\n").as_bytes()).await,
    }
}

async fn saw(lab: &Arc<Lab>, request: Request) {
    let told = match report_of(&request.body) {
        Ok((run, observation)) => lab.saw(run, observation).await,
        Err(why) => Err(why),
    };
    match told {
        Ok(true) => reply(request, 200, JSON, b"{}").await,
        // A report that comes after its case is no mistake of the agent's.
        Ok(false) => reply(request, 200, JSON, b"{\"over\":true}").await,
        Err(why) => reply(request, 400, TEXT, format!("{why}\n").as_bytes()).await,
    }
}

/// What an agent reports, and of which run.
fn report_of(body: &[u8]) -> Result<(u64, AgentObservation), String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Saw {
        run: String,
        saw: String,
        #[serde(default)]
        args: Vec<serde_json::Value>,
    }
    let Saw { run, saw, args } = serde_json::from_slice(body).map_err(|error| {
        format!("not a report, such as {{\"run\":\"1\",\"saw\":\"connect\",\"args\":[]}}: {error}")
    })?;
    if !SAW.contains(&saw.as_str()) {
        return Err(format!("`saw` has no word `{saw}`: {}", SAW.join(", ")));
    }
    let run =
        run.parse().map_err(|_| format!("there was no run `{run}`: `run` is in the answer to /next"))?;
    Ok((run, AgentObservation { saw, args }))
}

fn journal(lab: &Lab, head: &Head) -> Option<String> {
    let (agent, case) = (head.query("agent")?, head.query("case")?);
    let all = lab.outcomes();
    let (_, outcomes, _) = all.into_iter().find(|(one, ..)| one.name == agent)?;
    outcomes
        .into_iter()
        .find(|outcome| outcome.case == case)
        .map(|outcome| outcome.journal.whole().to_owned())
}
