//! What a server serves: its endpoints, the client's files, its pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use engineio::{Limit, LimitHits};
use futures_util::future::join_all;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use socketio::Io;

use crate::http::answers::{as_bytes, unreadable};
use crate::http::client_files::{self, ClientFiles};
use crate::http::cors::Cors;
use crate::http::folder::Folder;
use crate::http::mount::Mount;
use crate::http::proxies::TrustedProxies;
use crate::http::settings::HttpSettings;
use crate::net::admission::Admission;
use crate::net::drain::Drain;
use crate::net::head_watch::Refuser;

/// Answers a request for a page, if there is a page at that path.
pub(crate) type Pages = dyn Fn(&Method, &str, &HeaderMap) -> Option<Response<Bytes>> + Send + Sync;

/// What a server serves.
pub(crate) struct Site {
    pub(crate) endpoints: Vec<Arc<dyn Mount>>,
    /// The Socket.IO paths, under which the client's files are found.
    pub(crate) client_paths: Vec<Box<str>>,
    pub(crate) client_files: Option<ClientFiles>,
    /// By their paths, without the slash at the end.
    pub(crate) folders: Vec<(Box<str>, Folder)>,
    /// The settings of HTTP for all that is served.
    pub(crate) http: Arc<HttpSettings>,
    pub(crate) pages: Option<Box<Pages>>,
    pub(crate) drain: Drain,
    pub(crate) admission: Arc<Admission>,
    /// What bounds a connection that has come before its request.
    #[cfg(feature = "webtransport")]
    pub(crate) engine: Arc<engineio::Engine>,
    pub(crate) proxies: TrustedProxies,
    /// Counts of how often clients met each limit.
    pub(crate) hits: Vec<Arc<LimitHits>>,
    /// The applications of the Socket.IO endpoints, each once.
    pub(crate) ios: Vec<Io>,
    /// The server is stopping.
    pub(crate) draining: AtomicBool,
}

/// What a request asks for.
pub(crate) enum Resource {
    Endpoint(Arc<dyn Mount>),
    /// A file or a page.
    Ready(Response<Bytes>),
}

impl Site {
    /// What a request asks for, if this server has it. Files and pages are answered at once, since only they know
    /// whether they have the path.
    pub(crate) fn find(&self, request: &Parts) -> Option<Resource> {
        let path = request.uri.path();
        if let Some(endpoint) = self.endpoints.iter().find(|endpoint| endpoint.serves(path)) {
            return Some(Resource::Endpoint(endpoint.clone()));
        }
        let name = self
            .client_paths
            .iter()
            .find_map(|client_path| path.strip_prefix(client_path.trim_end_matches('/'))?.strip_prefix('/'));
        let file = name.and_then(|name| {
            let files = self.client_files.as_ref();
            let mut response = client_files::answer(files, &request.method, name, &request.headers)?;
            if let Some(cors) = &self.http.cors {
                cors.grant(cors.judge(request), response.headers_mut());
            }
            Some(response)
        });
        let folder = || {
            let answer = |(at, folder): &(Box<str>, Folder)| {
                folder.answer(at, &request.method, path, &request.headers)
            };
            self.folders.iter().find_map(answer)
        };
        let page = || self.pages.as_ref().and_then(|pages| pages(&request.method, path, &request.headers));
        file.or_else(folder).or_else(page).map(Resource::Ready)
    }

    /// Drains. `last` is polled once all clients are gone. Returns when it ends, or at the timeout.
    pub(crate) async fn drain(&self, last: impl Future<Output = ()>) {
        // Who has read the line finds it so.
        self.draining.store(true, Ordering::Release);
        tracing::info!(sessions = self.sessions(), wait = ?self.drain.wait, "draining");
        if !self.drain.wait.is_zero() {
            tokio::time::sleep(self.drain.wait).await;
        }
        let schedule = Arc::new(self.drain.schedule(self.sessions()));
        let drained = async {
            tokio::select! {
                biased;
                _ = join_all(self.endpoints.iter().map(|endpoint| endpoint.drain(schedule.clone()))) => {
                    self.emptied().await;
                }
                // All may leave before their turn.
                () = self.emptied() => {}
            }
            last.await;
        };
        if tokio::time::timeout(self.drain.timeout, drained).await.is_err() {
            tracing::warn!(sessions = self.sessions(), "some clients had not left by the drain timeout");
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// How often clients met a limit, on all endpoints.
    pub(crate) fn limit_hits(&self, limit: Limit) -> u64 {
        self.hits.iter().map(|hits| hits.get(limit)).sum()
    }

    /// Calls `each` with the bytes that wait to be sent to each session, as the send budget counts them.
    pub(crate) fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        self.endpoints.iter().for_each(|endpoint| endpoint.each_queue(each));
    }

    /// Waits until no session is left.
    async fn emptied(&self) {
        for endpoint in &self.endpoints {
            endpoint.emptied().await;
        }
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.endpoints.iter().map(|endpoint| endpoint.sessions()).sum()
    }
}

/// Its `Origin` is known if it is needed.
impl Refuser for Site {
    fn needs_origin(&self) -> bool {
        self.http.cors.as_ref().is_some_and(Cors::is_list)
    }

    fn refusal_of_unread(&self, status: StatusCode, origin: Option<&[u8]>) -> Bytes {
        let mut response = unreadable(status);
        if let Some(cors) = &self.http.cors {
            cors.grant(cors.judge_unread(origin), response.headers_mut());
        }
        as_bytes(&response)
    }
}
