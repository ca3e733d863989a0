//! A server on its own listeners: connections, and their orderly end.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answers::{closing, status};
use crate::head_watch::Watched;
use crate::io::Io;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::server::Server;
use crate::service::Service;
use crate::site::Answering;
use crate::stall::StallLimit;
use crate::tls::Tls;

/// How long a connection may idle between two requests, and a request's head may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long to wait after a failure to accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections have for their last requests when all sessions are gone.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `shutdown` is ready, and then drains: new sessions are refused with 503, present ones are
    /// closed behind what is queued for them and their parked polls answered. It returns when all of them
    /// are gone, or at the drain timeout.
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
        // Each connection holds a receiver. By the first word it ends behind its present request, by the second
        // at once; and the sender knows when all are gone.
        let stop = watch::Sender::new(());
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, service.clone(), stop.clone()));
        }
        shutdown.await;
        let site = service.site();
        site.drain();
        site.drained(async {
            // A client that polls learns of the end by a GET, so connections are accepted meanwhile.
            site.emptied().await;
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
    loop {
        match listener.accept().await {
            Ok((io, address)) => {
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

/// Serves one connection.
async fn connection(io: Io, tls: Option<Tls>, service: Service, mut stopping: watch::Receiver<()>) {
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
    let (io, ambiguous) = Watched::new(StallLimit::new(io));
    let service = service_fn(|request| -> Answering {
        if ambiguous.load(Ordering::Acquire) {
            let refusal = closing(status(StatusCode::BAD_REQUEST));
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        service.respond(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = &mut connection => served,
                _ = stopping.changed() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection failed");
    }
}
