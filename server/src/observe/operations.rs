//! Answers operators, on a separate address: `/metrics`, `/healthz`, `/readyz`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;

use crate::net::side_listener;
use crate::observe::metrics::Metrics;
use crate::site::Site;

/// Answers questions about a server: [`Server::operations`](crate::Server::operations) makes it.
///
/// - `/metrics`: numbers for Prometheus;
/// - `/healthz`: 200 as long as the process answers;
/// - `/readyz`: 200, and 503 while the server drains, so that nothing sends new clients its way.
///
/// ```no_run
/// use std::sync::Arc;
/// use socketio::Io;
/// use socketio_server::{Metrics, Server};
/// use tokio::net::TcpListener;
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = Arc::new(Metrics::default());
/// let server = Server::builder().socketio("/socket.io/", Io::new()).observer(metrics.clone()).build()?;
/// // `/metrics`, `/healthz` and `/readyz`, at an address of their own.
/// tokio::spawn(server.operations(metrics).serve(TcpListener::bind("127.0.0.1:9090").await?));
/// server.serve(TcpListener::bind("0.0.0.0:3000").await?, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operations {
    site: Arc<Site>,
    metrics: Arc<Metrics>,
    more: Vec<WriteMetrics>,
}

/// Writes metrics of an application.
type WriteMetrics = Arc<dyn Fn(&mut String) + Send + Sync>;

impl Operations {
    pub(crate) fn new(site: Arc<Site>, metrics: Arc<Metrics>) -> Operations {
        Operations { site, metrics, more: Vec::new() }
    }

    /// Adds metrics of your own after the server's. The function writes them as Prometheus reads them, with names that
    /// the server doesn't use.
    #[must_use]
    pub fn metrics(mut self, write: impl Fn(&mut String) + Send + Sync + 'static) -> Operations {
        self.more.push(Arc::new(write));
        self
    }

    /// Answers requests until the future is dropped. It has no access control: make sure that only the right
    /// people reach the address.
    pub async fn serve(self, listener: TcpListener) {
        let admission = self.site.admission.clone();
        let answer = move |request: http::Request<_>| {
            std::future::ready(self.answer(request.method(), request.uri().path()))
        };
        side_listener::serve(listener, "metrics", admission, answer).await;
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (status, text) = match path {
            _ if !matches!(*method, Method::GET | Method::HEAD) => {
                (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".to_owned())
            }
            "/metrics" => {
                let mut text = self.metrics.text(&self.site);
                self.more.iter().for_each(|write| write(&mut text));
                (StatusCode::OK, text)
            }
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
