//! Listeners beside the clients': for those who operate a server, or look into it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How many connections there may be at once; others wait.
const CONNECTIONS: usize = 128;

/// How long a connection may idle, and how long a request's head may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests for as long as it is polled. `whose` names the listener in the log.
pub(crate) async fn serve<A, B>(listener: TcpListener, whose: &'static str, answer: A)
where
    A: Fn(Request<Incoming>) -> Response<B> + Clone + Send + Sync + 'static,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    connection(stream, whose, answer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for {whose} could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<A, B>(stream: TcpStream, whose: &str, answer: A)
where
    A: Fn(Request<Incoming>) -> Response<B>,
    B: http_body::Body<Data = Bytes, Error = Infallible> + 'static,
{
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection for {whose} failed");
    }
}
