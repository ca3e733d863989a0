//! A request on a connection of its own, which tells when it is on its way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Sends a request, and gives the answer's status, whether its body is binary, and the body. Tells `sent` when the
/// request has been written.
pub(super) async fn fetch(
    against: &str,
    request: http::Request<Full<Bytes>>,
    sent: &mpsc::Sender<()>,
) -> Option<(u16, bool, Bytes)> {
    let stream = Telling { stream: TcpStream::connect(against).await.ok()?, written: sent.clone() };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let (response, _) = tokio::join!(
        async move {
            let response = sender.send_request(request).await.ok()?;
            let binary =
                response.headers().get("content-type").is_some_and(|kind| kind == "application/octet-stream");
            let status = response.status().as_u16();
            Some((status, binary, response.into_body().collect().await.ok()?.to_bytes()))
        },
        connection
    );
    response
}

/// A connection that tells when something was written to it.
struct Telling {
    stream: TcpStream,
    written: mpsc::Sender<()>,
}

impl AsyncRead for Telling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Telling {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if written.is_ready() {
            // It may have been told before, and need not be told twice.
            let _ = self.written.try_send(());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
