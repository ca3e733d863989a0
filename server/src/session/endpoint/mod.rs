//! One path that serves Engine.IO: its settings, its sessions, and what runs on them. It answers each request by the
//! rules of the protocol, or passes it to the session that it names.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::{Application, CloseReason, Engine};
use http::request::Parts;

use crate::http::mount::{Answering, Mount, RequestBody};
use crate::http::settings::HttpSettings;
use crate::net::admission::Admission;
use crate::net::drain::DrainSchedule;
use crate::net::peer::Peer;
use crate::session::registry::Registry;

mod open;
mod poll;
mod post;
mod post_body;
mod probe;
mod request;

/// One path that serves Engine.IO.
#[derive(Debug)]
pub(crate) struct Endpoint<A> {
    path: Box<str>,
    engine: Arc<Engine>,
    http: Arc<HttpSettings>,
    admission: Arc<Admission>,
    application: A,
    registry: Arc<Registry>,
    /// No new sessions: the server is stopping.
    draining: AtomicBool,
}

impl<A: Application> Endpoint<A> {
    pub(crate) fn new(
        path: &str,
        application: A,
        engine: Arc<Engine>,
        http: Arc<HttpSettings>,
        admission: Arc<Admission>,
    ) -> Endpoint<A> {
        Endpoint {
            path: path.strip_suffix('/').unwrap_or(path).into(),
            registry: Arc::new(Registry::new(engine.observers.clone())),
            engine,
            http,
            admission,
            application,
            draining: AtomicBool::new(false),
        }
    }

    /// Whether `path` is this endpoint's.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.http.trailing_slash.allows(&self.path, path)
    }

    /// Refuses new sessions, and ends each present one at its scheduled time with `server shutting down`. A polling
    /// client is told by its parked poll, or else by the next.
    pub(crate) async fn drain(&self, schedule: &DrainSchedule) {
        self.draining.store(true, Ordering::Release);
        for handle in self.registry.entries() {
            schedule.next().await;
            if let Some(handle) = handle.upgrade() {
                handle.mailbox.close(CloseReason::ServerShuttingDown);
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until no session is left.
    pub(crate) async fn emptied(&self) {
        self.registry.emptied().await;
    }

    /// Calls `each` with what waits to be sent to each session.
    pub(crate) fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        self.registry.for_each(|handle| each(handle.mailbox.cost()));
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.registry.len()
    }
}

/// How the [site](crate::site) calls an endpoint, whatever its application. The methods that do the work have the same
/// names: `call` is in [`request`], the others are above.
impl<A: Application> Mount for Endpoint<A> {
    fn serves(&self, path: &str) -> bool {
        Endpoint::serves(self, path)
    }

    fn call(self: Arc<Self>, head: Parts, body: RequestBody, peer: Peer) -> Answering {
        Endpoint::call(self, head, body, peer)
    }

    fn drain(&self, schedule: Arc<DrainSchedule>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { Endpoint::drain(self, &schedule).await })
    }

    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Endpoint::emptied(self))
    }

    fn sessions(&self) -> usize {
        Endpoint::sessions(self)
    }

    fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        Endpoint::each_queue(self, each);
    }
}
