//! Listeners for operators.
//!
//! A connection here has the same limits as one of a client, but doesn't count for the clients' number. A
//! request is never refused because strangers hold all places: see [`places`](crate::net::places).

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
use crate::net::places::{Place, Places};
use crate::net::stall::StallLimit;

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests for as long as it is polled. `whose` names the listener in the log.
pub(crate) async fn serve<A, B>(
    listener: TcpListener,
    whose: &'static str,
    admission: Arc<Admission>,
    answer: A,
) where
    A: Fn(Request<Incoming>) -> Response<B> + Clone + Send + Sync + 'static,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let places = Places::new(admission.places_aside);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (place, answer, admission) = (places.enter(), answer.clone(), admission.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, whose, &place, admission, answer) => {}
                        () = place.given_up() => tracing::debug!("a connection for {whose} made places for another"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for {whose} could not be accepted");
                // It may be for want of a file descriptor.
                places.give_one_up();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<A, B>(stream: TcpStream, whose: &str, place: &Place, admission: Arc<Admission>, answer: A)
where
    A: Fn(Request<Incoming>) -> Response<B>,
    B: http_body::Body<Data = Bytes, Error = Infallible> + 'static,
{
    let io = StallLimit::new(place.seat(stream), admission.clone());
    let (io, signs) = Watched::new(io, admission.clone(), None);
    let service = service_fn(|request| {
        // Nobody who operates a server asks in a way that can be read in two.
        let clear = !signs.ambiguous();
        std::future::ready(clear.then(|| answer(request)).ok_or(Ambiguous))
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
