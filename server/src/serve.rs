//! A server on its own listeners: connections, and their orderly end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use engineio::Limit;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;

use crate::http::answers::{as_bytes, closing, refused_by};
use crate::http::watched_answer::WatchedAnswer;
use crate::net::admission::ConnectionPermit;
use crate::net::connection::Connection;
use crate::net::head_watch::Watched;
use crate::net::http_connection::http_connection;
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::proxy_header::{self, ProxyHeaderError, Whose};
use crate::net::stall::StallLimit;
use crate::net::tls::Tls;
use crate::server::Server;
use crate::service::Service;
#[cfg(feature = "webtransport")]
use crate::webtransport::WebTransport;

/// How long to wait after a connection could not be accepted, usually because there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a refused connection may take to close.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// The answer to a PROXY header of somebody who may not send one.
const STRANGERS_HEADER: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\
    Content-Length: 55\r\n\r\nThe sender of the PROXY header is not a trusted proxy.\n";

/// How long connections have for their last requests once all sessions are gone.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `shutdown` is ready, and then drains. It waits for the
    /// [`drain_wait`](crate::Builder::drain_wait). Then it refuses new sessions with 503, and closes the present ones
    /// after sending what is queued for them, many of them [one after the other](crate::Builder::drain_spread); polls
    /// that wait are answered. It returns when all of them are gone, or at the
    /// [`drain_timeout`](crate::Builder::drain_timeout).
    pub async fn serve(self, listener: impl Into<Listener>, shutdown: impl Future<Output = ()>) {
        self.serve_all([listener.into()], shutdown).await;
    }

    /// The same on several listeners at once. A client may use several of them for one session.
    pub async fn serve_all(
        self,
        listeners: impl IntoIterator<Item = Listener>,
        shutdown: impl Future<Output = ()>,
    ) {
        let service = self.service();
        // Each connection holds a receiver. The first signal ends it after its current request, the second at once.
        // The sender knows when all are gone.
        let stop = watch::Sender::new(());
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, service.clone(), stop.clone()));
        }
        #[cfg(feature = "webtransport")]
        let endpoints = self.webtransport.iter().map(WebTransport::endpoint).collect();
        #[cfg(feature = "webtransport")]
        for listener in self.webtransport {
            accepting.spawn(crate::webtransport::accept(listener, service.clone(), stop.clone()));
        }
        shutdown.await;
        let site = service.site();
        site.drain(async {
            // A polling client is told of the end in the answer to a GET, so connections were accepted until now.
            accepting.shutdown().await;
            // It fails without receivers: then there are no connections.
            let _ = stop.send(());
            // All clients have been told. A connection may finish its current request.
            if tokio::time::timeout(LAST_REQUESTS, stop.closed()).await.is_err() {
                let _ = stop.send(());
            }
        })
        .await;
        accepting.shutdown().await;
        #[cfg(feature = "webtransport")]
        crate::webtransport::end(endpoints).await;
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
                let permit = match site.admission.connection(counted) {
                    Ok(permit) => permit,
                    Err(limit) => {
                        if listener.encryption().is_none() {
                            tokio::spawn(turn_away(io, limit, farewells.clone()));
                        }
                        continue;
                    }
                };
                let tls = listener.encryption().cloned();
                let peer = Peer { address, secure: tls.is_some() };
                let stopping = stop.subscribe();
                if listener.expects_proxy_header() {
                    let arrived = Arrived { io, permit, peer, tls };
                    tokio::spawn(behind_proxy(arrived, service.clone(), stopping));
                } else {
                    tokio::spawn(connection(io.counted(permit), tls, service.for_peer(peer), stopping));
                }
            }
            Err(error) => {
                tracing::warn!(%listener, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Tells a client that there is no room for its connection, unless many are told already.
async fn turn_away(io: Connection, limit: Limit, farewells: Arc<Semaphore>) {
    if let Ok(_permit) = farewells.try_acquire() {
        say_goodbye(io, &as_bytes(&closing(refused_by(limit)))).await;
    }
}

/// Answers, and then reads what the client has sent: closing a socket with unread bytes resets it, and the client might
/// never see the answer.
async fn say_goodbye(mut io: Connection, answer: &[u8]) {
    let goodbye = async {
        if io.write_all(answer).await.is_ok() {
            io.drain().await;
        }
    };
    drop(tokio::time::timeout(FAREWELL_TIMEOUT, goodbye).await);
}

/// A connection that was accepted, before it is known whose it is.
struct Arrived {
    io: Connection,
    permit: ConnectionPermit,
    /// Who opened it.
    peer: Peer,
    tls: Option<Tls>,
}

/// Serves a connection of a listener with the PROXY protocol.
async fn behind_proxy(arrived: Arrived, service: Service, mut stopping: watch::Receiver<()>) {
    let Arrived { mut io, mut permit, mut peer, tls } = arrived;
    let site = service.site().clone();
    let admission = &site.admission;
    let address = peer.address.map(tracing::field::display);
    let mut service = service.for_peer(peer);
    if site.proxies.trust(peer.address.map(|address| address.ip())) {
        let reading = tokio::time::timeout(admission.limits.head_timeout, proxy_header::read(&mut io));
        let read = tokio::select! {
            read = reading => read,
            _ = stopping.changed() => return,
        };
        let error = match read {
            // Clients may write what comes then, and a proxy that forwards TCP doesn't look at their fields.
            Ok(Ok(Whose::Proxy)) => {
                service = service.for_peer_alone(peer);
                None
            }
            Ok(Ok(Whose::Client { address, secure })) => {
                peer = Peer { address: Some(address), secure: secure || peer.secure };
                service = service.for_peer(peer);
                None
            }
            // Load balancers connect to see whether somebody listens.
            Ok(Err(ProxyHeaderError::Io(error))) => {
                return tracing::debug!(%error, address, "a connection ended before its PROXY header");
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it takes too long".to_owned()),
        };
        if let Some(error) = error {
            admission.refused_headers.fetch_add(1, Ordering::Relaxed);
            return tracing::warn!(error, address, "a trusted proxy sent no PROXY header that can be used");
        }
        if let Some(address) = peer.address
            && !site.proxies.trust(Some(address.ip()))
            && let Err(limit) = permit.count_for(address.ip())
        {
            if tls.is_none() {
                turn_away(io, limit, admission.farewells.clone()).await;
            }
            return;
        }
    } else {
        let mut beginning = [0; 12];
        let peeked = tokio::select! {
            peeked = tokio::time::timeout(admission.limits.idle_timeout, io.peek(&mut beginning)) => peeked,
            _ = stopping.changed() => return,
        };
        match peeked {
            Ok(Ok(len)) if !proxy_header::begins_header(&beginning[..len]) => {}
            Ok(Ok(_)) => {
                admission.refused_headers.fetch_add(1, Ordering::Relaxed);
                tracing::info!(address, "a PROXY header was refused: its sender is not a trusted-proxy");
                if tls.is_none()
                    && let Ok(_permit) = admission.farewells.try_acquire()
                {
                    say_goodbye(io, STRANGERS_HEADER).await;
                }
                return;
            }
            Ok(Err(_)) => return,
            Err(_) => {
                admission.hits.count(Limit::IdleTimeout);
                return;
            }
        }
    }
    connection(io.counted(permit), tls, service, stopping).await;
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
    let (io, signals) = Watched::new(StallLimit::new(io, admission.clone()), admission.clone(), Some(site));
    let watched_service = service_fn(|mut request: Request<Incoming>| {
        if !request.body().is_end_stream()
            && let Some(given_back) = request.extensions_mut().remove::<OnUpgrade>()
        {
            tokio::spawn(end_in_stages(given_back));
        }
        let answering =
            if signals.ambiguous() { service.refuse_ambiguous(request) } else { service.respond(request) };
        WatchedAnswer::begin(&signals, answering)
    });
    let http = http_connection(&admission.limits);
    let mut connection = pin!(http.serve_connection(TokioIo::new(io), watched_service).with_upgrades());
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
/// that. A request with a body changes no protocol, so nothing else takes it.
async fn end_in_stages(given_back: OnUpgrade) {
    if let Ok(given_back) = given_back.await
        && let Ok(parts) = given_back.downcast::<TokioIo<Watched<StallLimit<Connection>>>>()
    {
        drop(parts.io.into_inner().shutdown().await);
    }
}

/// What `served` returns; `None` if the next signal to stop comes first. A connection's task runs for each request,
/// but the signal comes once. So `stop` is polled once, which registers the task's waker. After that, the numbers of
/// the signals are compared, which is cheaper.
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
            // In a task of its own, so that only the signal wakes this one.
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
