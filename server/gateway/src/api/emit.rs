//! `POST /api/emit`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::{Api, Count, Reply};
use crate::node::Scope;
use crate::operations::{Emit, MAIN, Written, answer};

/// How many bytes the answers of clients may have together.
const MAX_ANSWERS: usize = 16_000_000;

#[derive(Serialize)]
struct Answers {
    answers: Vec<Answer>,
    scope: Scope,
    /// Other nodes that did not say in time how many clients they asked.
    silent_nodes: usize,
}

#[derive(Serialize)]
struct Answer {
    /// Clients of other nodes answer without a name.
    socket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl Api {
    pub(super) async fn emit(&self, emit: Emit) -> Result<Reply, Fault> {
        let text = self.0.node.notes.then(|| emit.describe());
        let emit = emit.prepare(&self.0.io, MAIN)?;
        if let Some(text) = text {
            self.note("emit", &emit.broadcast, &text);
        }
        let Some(asking) = emit.timeout.and_then(|timeout| emit.ask(timeout)) else {
            return Ok(Reply::ok(&Count { sockets: emit.send(), scope: self.0.node.scope() }));
        };
        let mut asking = asking;
        let (mut answers, mut bytes) = (Vec::new(), 0);
        while let Some(next) = asking.next().await {
            let (socket, result) = answer(next);
            let socket = socket.map(|id| (*id).to_owned());
            let written = result.map(|args| Written::of(&args)).and_then(|written| {
                bytes +=
                    written.args.get().len() + written.attachments.iter().map(String::len).sum::<usize>();
                if bytes > MAX_ANSWERS { Err("too_large") } else { Ok(written) }
            });
            answers.push(match written {
                Ok(Written { args, attachments }) => {
                    Answer { socket, args: Some(args), attachments, error: None }
                }
                Err(error) => Answer { socket, args: None, attachments: Vec::new(), error: Some(error) },
            });
        }
        Ok(Reply::ok(&Answers { answers, scope: Scope::Cluster, silent_nodes: asking.silent_nodes() }))
    }
}
