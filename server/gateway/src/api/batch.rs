//! `POST /api/batch`: several operations, in order. All of them are checked before the first is done.

use serde::{Deserialize, Deserializer, Serialize};

use super::fault::{Code, Fault};
use super::{Api, Count, Reply};
use crate::operations::{MAIN, Operation, Prepared};
use crate::reading::list;

/// How many operations a batch may have.
const MAX_OPERATIONS: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    #[serde(deserialize_with = "operations")]
    operations: Vec<Operation>,
}

fn operations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Operation>, D::Error> {
    list(deserializer, "operations")
}

#[derive(Serialize)]
struct Results {
    results: Vec<Count>,
}

impl Api {
    pub(super) fn batch(&self, batch: Batch) -> Result<Reply, Fault> {
        if batch.operations.len() > MAX_OPERATIONS {
            let message = format!("a batch may have at most {MAX_OPERATIONS} operations");
            return Err(Fault::new(Code::BadField, message).at("operations"));
        }
        let mut prepared = Vec::with_capacity(batch.operations.len());
        for (at, operation) in batch.operations.into_iter().enumerate() {
            let name = operation.name();
            let place = format!("operations[{at}].{name}");
            let text = self.0.node.notes.then(|| operation.describe());
            let one =
                operation.prepare(&self.0.io, MAIN).map_err(|wrong| Fault::from(wrong).within(&place))?;
            if let Prepared::Emit(emit) = &one
                && emit.timeout.is_some()
            {
                let message = "a batch doesn't wait for clients: ask them with a request of its own";
                return Err(Fault::new(Code::BadField, message).at("timeout").within(&place));
            }
            prepared.push((one, name, text));
        }
        let scope = self.0.node.scope();
        let run = |(one, name, text): &(Prepared, &str, Option<String>)| {
            if let Some(text) = text {
                self.note(name, one.broadcast(), text);
            }
            Count { sockets: one.run(), scope }
        };
        let results = prepared.iter().map(run).collect();
        Ok(Reply::ok(&Results { results }))
    }
}
