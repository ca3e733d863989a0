//! Connections to the API, and their orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::Api;

/// How many connections may be open at once. Others wait.
const MAX_CONNECTIONS: usize = 1024;

/// How long a request's head may take. A connection may be idle for as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// The largest head, in bytes.
const MAX_HEAD: usize = 16_384;

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long requests may take to be finished when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

impl Api {
    /// Answers until `stop` is ready, and then finishes the requests that it is in the middle of.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let stopping = watch::Sender::new(());
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut stop = pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (api, stopped) = (self.clone(), stopping.subscribe());
                    tokio::spawn(async move {
                        connection(stream, api, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the API could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let _ = stopping.send(());
        let _ = tokio::time::timeout(LAST_REQUESTS, stopping.closed()).await;
    }
}

async fn connection(stream: TcpStream, api: Api, mut stopped: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let api = &api;
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = &mut serving => served,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the API failed");
    }
}
