//! What this design costs before anything of the protocols is in it: the tasks, wakes and system calls of the
//! server, hyper for HTTP, and canned answers.

mod canned;
mod floor {
    pub mod polling;
    pub mod websocket;
}
mod frames;
mod payloads;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use floor::polling::Sessions;
use floor::websocket::{Everybody, Session};

#[derive(Default)]
struct Server {
    everybody: Arc<Everybody>,
    sessions: Arc<Sessions>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    let server = Arc::new(Server::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = server.clone();
        let service = service_fn(move |request| answer(server.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}

async fn answer(
    server: Arc<Server>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    match payloads::parameter(&request, "transport=") {
        Some("websocket") => Ok(switch(&server, request)),
        _ => Ok(server.sessions.answer(request).await),
    }
}

/// Answers with 101. As in the server, the task that waits for the change ends with it.
fn switch(server: &Server, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let everybody = server.everybody.clone();
    let on_upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = on_upgrade.await else { return };
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().expect("what was accepted");
        tokio::spawn(Session::open(parts.io.into_inner(), parts.read_buf.to_vec(), everybody).run());
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(frames::ACCEPT));
    response
}

/// A session's task, which has a timer for heartbeats. No load is there to see one.
#[allow(clippy::manual_async_fn, reason = "an async fn's future has room for each argument twice")]
fn beating(mut poll: impl FnMut(&mut Context<'_>) -> Poll<()>) -> impl Future<Output = ()> {
    async move {
        let mut heartbeat = pin!(sleep(Duration::from_secs(25)));
        poll_fn(|cx| {
            let _ = heartbeat.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| poll(cx)).await;
    }
}
