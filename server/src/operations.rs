//! What whoever operates a server asks it, on an address of its own: `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::site::Site;

/// How long a connection may idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers questions about a server: [`Server::operations`](crate::Server::operations) makes it.
///
/// - `/metrics`: numbers for Prometheus;
/// - `/healthz`: 200 as long as the process answers;
/// - `/readyz`: 200, and 503 while the server drains, so that nothing sends new clients its way.
#[derive(Clone)]
pub struct Operations {
    site: Arc<Site>,
    metrics: Arc<Metrics>,
}

impl Operations {
    pub(crate) fn new(site: Arc<Site>, metrics: Arc<Metrics>) -> Operations {
        Operations { site, metrics }
    }

    /// Answers for as long as it is polled. There is no access control here: let only those reach the
    /// address who may know.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(self.clone().connection(TokioIo::new(stream)))),
                Err(error) => {
                    tracing::warn!(%error, "a connection for metrics could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self, io: TokioIo<tokio::net::TcpStream>) {
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            let response = self.answer(request.method(), request.uri().path());
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .serve_connection(io, service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection for metrics failed");
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (status, text) = match path {
            _ if !matches!(*method, Method::GET | Method::HEAD) => {
                (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".to_owned())
            }
            "/metrics" => (StatusCode::OK, self.metrics.text(&self.site)),
            "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
            "/readyz" if self.site.is_draining() => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
            }
            "/readyz" => (StatusCode::OK, "ready\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, "/metrics, /healthz or /readyz\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}
