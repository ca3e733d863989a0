//! Connections to the API, and their orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::Api;

/// How many connections may be open at once. Others wait.
const MAX_CONNECTIONS: usize = 1024;

/// How long a request's head may take. A connection may be idle for as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a request may take from its head to the last byte of its answer. Its body and the answers of clients have
/// shorter limits, so what takes longer is a peer that doesn't read.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3 * 60);

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
                    let _ = stream.set_nodelay(true);
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

async fn connection<S>(stream: S, api: Api, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // When the latest request came.
    let came = Mutex::new(Instant::now());
    let service = service_fn(|request| {
        *came.lock() = Instant::now();
        let api = &api;
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = &mut serving => served,
        () = too_long(&came) => {
            tracing::debug!("a connection to the API is closed: its peer does not read the answer");
            return;
        }
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the API failed");
    }
}

/// Waits until the latest request has taken too long.
async fn too_long(came: &Mutex<Instant>) {
    loop {
        let end = *came.lock() + REQUEST_TIMEOUT;
        if end <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests {
    use socketio::Io;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::api::keys::Keys;
    use crate::node::NodeInfo;

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_peer_does_not_read_the_answer_is_closed() {
        let api = Api::new(Io::new(), NodeInfo::new("here", false), Keys::default());
        let (stop, stopped) = watch::channel(());
        let (mut peer, ours) = duplex(1000);
        let began = Instant::now();
        let serving = tokio::spawn(connection(ours, api, stopped));
        let get = |path: &str| format!("GET /api/{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        // Its peer reads the first answers, and takes its time between them.
        for _ in 0..5 {
            sleep(Duration::from_secs(60)).await;
            peer.write_all(get("info").as_bytes()).await.unwrap();
            assert!(peer.read(&mut [0; 1000]).await.unwrap() > 100);
        }
        peer.write_all(get("openapi.json").as_bytes()).await.unwrap();
        let last = began.elapsed();
        tokio::time::timeout(Duration::from_secs(3600), serving).await.expect("it is closed").unwrap();
        assert_eq!(began.elapsed() - last, REQUEST_TIMEOUT);
        drop(stop);
    }
}
