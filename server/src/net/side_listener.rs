//! Listeners for operators.
//!
//! A connection here has the same limits as one of a client, but doesn't count for the clients' number. A
//! request is never refused because others hold all slots: see [`slots`](crate::net::slots).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::net::admission::Admission;
use crate::net::head_watch::Watched;
use crate::net::http_connection::http_connection;
use crate::net::slots::{Slot, Slots};
use crate::net::stall::StallLimit;

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests for as long as it is polled. `whose` names the listener in the log.
pub(crate) async fn serve<A, F, B>(
    listener: TcpListener,
    whose: &'static str,
    admission: Arc<Admission>,
    answer: A,
) where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let slots = Slots::new(admission.side_slots);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (slot, answer, admission) = (slots.enter(), answer.clone(), admission.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, whose, &slot, admission, answer) => {}
                        () = slot.evicted() => tracing::debug!("a connection for {whose} made room for another"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for {whose} could not be accepted");
                // There may be no file descriptor left.
                slots.evict_one();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<A, F, B>(
    stream: TcpStream,
    whose: &str,
    slot: &Slot,
    admission: Arc<Admission>,
    answer: A,
) where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: http_body::Body<Data = Bytes, Error = Infallible> + 'static,
{
    let io = StallLimit::new(slot.track(stream), admission.clone());
    let (io, signals) = Watched::new(io, admission.clone(), None);
    let service = service_fn(|request| {
        // Tools of operators don't send ambiguous requests.
        let answer = (!signals.ambiguous()).then(|| answer(request));
        async {
            match answer {
                Some(answer) => Ok(answer.await),
                None => Err(Ambiguous),
            }
        }
    });
    let http = http_connection(&admission.limits);
    if let Err(error) = http.serve_connection(TokioIo::new(io), service).await {
        tracing::debug!(%error, "a connection for {whose} failed");
    }
}

/// A request can be read in two ways.
#[derive(Debug)]
struct Ambiguous;

impl std::fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a request can be read in two ways")
    }
}

impl std::error::Error for Ambiguous {}
