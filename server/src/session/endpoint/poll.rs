//! A poll: it claims its session's door, waits until the session has something for it, and answers with that.

use std::sync::Arc;
use std::time::Duration;

use engineio::memory::Budget;
use engineio::session::OpenError;
use engineio::{Application, Jsonp, Payload, Refusal};
use http::Response;
use http::request::Parts;
use tokio::sync::oneshot;

use super::Endpoint;
use crate::http::answers::Packed;
use crate::http::body::Body;
use crate::http::compression::Encoding;
use crate::session::wires::{OpenGet, SessionHandle, reply_channel};

/// A GET that has claimed its door.
pub(super) struct Polling {
    get: OpenGet,
    answer: oneshot::Receiver<Payload>,
    jsonp: Option<Jsonp>,
    /// How its answer may be compressed.
    encoding: Option<Encoding>,
}

impl<A: Application> Endpoint<A> {
    /// Claims the door for a GET.
    pub(super) fn claim_poll(
        &self,
        parts: &Parts,
        handle: Arc<SessionHandle>,
        jsonp: Option<Jsonp>,
    ) -> Result<Polling, OpenError> {
        let (waiting, answer) = reply_channel();
        let get = handle.open_get(waiting)?;
        let compresses = self.http.compression.is_some();
        let encoding = if compresses { Encoding::accepted(&parts.headers) } else { None };
        Ok(Polling { get, answer, jsonp, encoding })
    }

    /// Waits until the session has something for a GET.
    pub(super) async fn await_poll(&self, polling: Polling) -> Result<Response<Body>, Refusal> {
        let Polling { get, answer, jsonp, encoding } = polling;
        let payload = answer.await.map_err(|_| Refusal::SessionUnknown)?;
        let memory = self.engine.config.memory_budget;
        // A script is a copy, so a payload and all of its escapes may be in memory at once.
        let most = payload.len() * if jsonp.is_some() { 3 } else { 1 };
        let long = get.begin(payload.len(), most);
        let is_cut = || long.as_ref().is_some_and(|long| long.is_cut());
        if jsonp.is_some() {
            until_admitted(most, &self.engine.memory(), is_cut).await;
        }
        if is_cut() {
            return Err(Refusal::SessionUnknown);
        }
        // The guard moves into the answer's body. If this future is dropped before that, the client went away.
        let packed = Packed::new(payload, jsonp);
        let packed = match encoding {
            Some(_) => packed.compress(encoding, self.http.compression, &self.http.compressors, memory).await,
            None => packed,
        };
        Ok(packed.response(|payload, held| Body::for_poll(payload, held, get, long)))
    }
}

/// How often a poll that waits for memory checks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until that many more bytes may be held for a client, or it is evicted.
async fn until_admitted(bytes: usize, memory: &Budget, is_evicted: impl Fn() -> bool) {
    while !memory.admits(bytes) && !is_evicted() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
