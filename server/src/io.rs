//! The connection under an upgraded request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::head_watch::Watched;

/// A connection that hyper gave back: the socket itself where it can be had, without hyper's layers, and
/// otherwise the upgraded connection as it is.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Upgraded(Box<TokioIo<Upgraded>>),
}

impl Io {
    /// Takes a connection back from hyper, with what hyper had already read of it.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Io, Vec<u8>) {
        match upgraded.downcast::<TokioIo<Watched<TcpStream>>>() {
            Ok(parts) => (Io::Tcp(parts.io.into_inner().into_inner()), parts.read_buf.to_vec()),
            Err(upgraded) => (Io::Upgraded(Box::new(TokioIo::new(upgraded))), Vec::new()),
        }
    }

    /// Ends our side and reads until the peer has ended its own.
    pub(crate) async fn drain(mut self) {
        let mut rest = [0; 1024];
        if self.shutdown().await.is_ok() {
            while matches!(self.read(&mut rest).await, Ok(1..)) {}
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Upgraded(upgraded) => Pin::new(upgraded).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Upgraded(upgraded) => Pin::new(upgraded).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Upgraded(upgraded) => Pin::new(upgraded).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Io::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Upgraded(upgraded) => Pin::new(upgraded).poll_shutdown(cx),
        }
    }
}
