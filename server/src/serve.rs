//! A server on its own listeners: connections, and their orderly end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use engineio::Limit;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;

use crate::http::answers::{as_bytes, closing, refused_by};
use crate::http::watched_answer::WatchedAnswer;
use crate::net::connection::Connection;
use crate::net::head_watch::Watched;
use crate::net::http_connection::http_connection;
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::stall::StallLimit;
use crate::net::tls::Tls;
use crate::server::Server;
use crate::service::Service;

/// How long to wait after a failure to accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection that is told so may take to go.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long connections have for their last requests when all sessions are gone.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `shutdown` is ready, and then drains. It waits for the [`drain_wait`](crate::Builder::drain_wait).
    /// Then it refuses new sessions with 503, and closes the present ones after what is queued for them, many of them
    /// [one after the other](crate::Builder::drain_spread); polls that wait are answered. It returns when all of them
    /// are gone, or at the [`drain_timeout`](crate::Builder::drain_timeout).
    pub async fn serve(self, listener: impl Into<Listener>, shutdown: impl Future<Output = ()>) {
        self.serve_all([listener.into()], shutdown).await;
    }

    /// The same on several listeners at once. Sessions know nothing of listeners: a client may use all of
    /// them for one.
    pub async fn serve_all(
        self,
        listeners: impl IntoIterator<Item = Listener>,
        shutdown: impl Future<Output = ()>,
    ) {
        let service = self.into_service();
        // Each connection holds a receiver. The first signal ends it after its present request, the second at once;
        // and the sender knows when all are gone.
        let stop = watch::Sender::new(());
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, service.clone(), stop.clone()));
        }
        shutdown.await;
        let site = service.site();
        site.drain(async {
            // A client that polls learns of the end by a GET, so connections were accepted until now.
            accepting.shutdown().await;
            // Without connections nobody listens, which is as good.
            let _ = stop.send(());
            // Everybody has been told. A connection that is in the middle of a request may finish it.
            if tokio::time::timeout(LAST_REQUESTS, stop.closed()).await.is_err() {
                let _ = stop.send(());
            }
        })
        .await;
        accepting.shutdown().await;
    }
}

/// Takes connections, for ever.
async fn accept(listener: Listener, service: Service, stop: watch::Sender<()>) {
    let farewells = service.site().admission.farewells.clone();
    loop {
        match listener.accept().await {
            Ok((io, address)) => {
                let site = service.site();
                // A proxy's connections are not those of one client.
                let counted =
                    address.map(|address| address.ip()).filter(|address| !site.proxies.trust(Some(*address)));
                let place = site.admission.connection(counted);
                let io = match place {
                    Ok(place) => io.counted(place),
                    Err(limit) => {
                        if let Ok(permit) = farewells.clone().try_acquire_owned()
                            && listener.encryption().is_none()
                        {
                            tokio::spawn(async move {
                                drop(tokio::time::timeout(FAREWELL_TIMEOUT, turn_away(io, limit)).await);
                                drop(permit);
                            });
                        }
                        continue;
                    }
                };
                let tls = listener.encryption().cloned();
                let peer = Peer { address, secure: tls.is_some() };
                tokio::spawn(connection(io, tls, service.for_peer(peer), stop.subscribe()));
            }
            Err(error) => {
                tracing::warn!(%listener, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Tells a connection that there is no room for it. What it has sent is read, since closing a socket with
/// unread bytes resets it, and the client might never see the answer.
async fn turn_away(mut io: Connection, limit: Limit) {
    let refusal = closing(refused_by(limit));
    if io.write_all(&as_bytes(&refusal)).await.is_ok() {
        io.drain().await;
    }
}

/// Serves one connection.
async fn connection(io: Connection, tls: Option<Tls>, service: Service, mut stopping: watch::Receiver<()>) {
    let io = match tls {
        None => io,
        Some(tls) => {
            let shaken = tokio::select! {
                shaken = tls.accept(io) => shaken,
                _ = stopping.changed() => return,
            };
            match shaken {
                Ok(io) => io,
                Err(error) => return tracing::debug!(%error, "a TLS handshake failed"),
            }
        }
    };
    let site = service.site().clone();
    let peer = service.peer();
    let admission = site.admission.clone();
    let (io, signs) = Watched::new(StallLimit::new(io, admission.clone()), admission.clone(), Some(site));
    let service = service_fn(|mut request: Request<Incoming>| {
        if !request.body().is_end_stream()
            && let Some(given_back) = request.extensions_mut().remove::<OnUpgrade>()
        {
            tokio::spawn(end_in_stages(given_back));
        }
        let answering =
            if signs.ambiguous() { service.refuse_ambiguous(request) } else { service.respond(request) };
        WatchedAnswer::begin(&signs, answering)
    });
    let http = http_connection(&admission.limits);
    let mut connection = pin!(http.serve_connection(TokioIo::new(io), service).with_upgrades());
    let served = match unless_stopped(connection.as_mut(), &mut stopping).await {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            match unless_stopped(connection, &mut stopping).await {
                Some(served) => served,
                None => return,
            }
        }
    };
    if let Err(error) = served {
        if error.is_timeout() {
            admission.hits.count(Limit::IdleTimeout);
        } else if error.is_parse_too_large() {
            admission.hits.count(Limit::Head);
        }
        if error.is_parse() {
            let address = peer.and_then(|peer| peer.address).map(tracing::field::display);
            tracing::info!(%error, address, "a request could not be read and was refused");
        } else {
            tracing::debug!(%error, "a connection failed");
        }
    }
}

/// Ends a connection that hyper gives back after its last answer, as it does where `Upgrade` or CONNECT asks for
/// that. A request with a body changes no protocol, so nobody else takes it.
async fn end_in_stages(given_back: OnUpgrade) {
    if let Ok(given_back) = given_back.await
        && let Ok(parts) = given_back.downcast::<TokioIo<Watched<StallLimit<Connection>>>>()
    {
        drop(parts.io.into_inner().shutdown().await);
    }
}

/// What `served` returns; `None` if the next signal to stop comes first. A connection's task runs for each request, but
/// the signal comes once. So `stop` is polled for it once, which has the task woken; after that, the numbers of the
/// signals are compared, which is cheaper.
async fn unless_stopped<F: Future>(
    mut served: Pin<&mut F>,
    stop: &mut watch::Receiver<()>,
) -> Option<F::Output> {
    let signal = stop.clone();
    // It is polled once before the signal comes, and that has to count even if the task's budget is used up.
    let mut told = pin!(unconstrained(stop.changed()));
    let mut waits = false;
    poll_fn(|cx| {
        if let Poll::Ready(served) = served.as_mut().poll(cx) {
            return Poll::Ready(Some(served));
        }
        if std::mem::replace(&mut waits, true) && matches!(signal.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        told.as_mut().poll(cx).map(|_| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::Limits;
    use crate::net::alarm::tests::begun_without_budget;

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_idle_for_its_time_behind_each_answer() {
        let idle_timeout = Duration::from_secs(30);
        let limits = Limits { idle_timeout, ..Limits::default() };
        let service = Server::builder().limits(limits).build().unwrap().into_service();
        let peer = Peer { address: None, secure: false };
        let word = watch::Sender::new(());
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        tokio::spawn(connection(ours.into(), None, service.for_peer(peer), word.subscribe()));
        for _ in 0..3 {
            sleep(idle_timeout * 2 / 3).await;
            theirs.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
            assert!(theirs.read(&mut [0; 4096]).await.unwrap() > 0, "it is there to answer");
        }
        let answered = Instant::now();
        assert_eq!(theirs.read(&mut [0; 4096]).await.unwrap(), 0);
        assert_eq!(answered.elapsed().as_secs(), idle_timeout.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_hears_each_word_to_stop_though_its_task_had_no_budget_left() {
        let second = Duration::from_secs(1);
        let word = watch::Sender::new(());
        let mut stop = word.subscribe();
        for _ in 0..2 {
            let began = Instant::now();
            // In a task of its own, so that nothing but the word wakes this one.
            let word = word.clone();
            let said = tokio::spawn(async move {
                sleep(second).await;
                word.send(()).unwrap();
            });
            let mut served = pin!(std::future::pending::<()>());
            let mut stopped = pin!(unless_stopped(served.as_mut(), &mut stop));
            let stopped = begun_without_budget(|cx| stopped.as_mut().poll(cx));
            assert_eq!(timeout(60 * second, stopped).await, Ok(None));
            assert_eq!(began.elapsed().as_secs(), 1);
            said.await.unwrap();
        }
    }
}
