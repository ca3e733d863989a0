//! A connection, before it speaks HTTP and after.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::admission::ConnectionPlace;
use crate::head_watch::Watched;
use crate::stall::StallLimit;

/// A connection: as it was accepted, or as hyper gave it back after an upgrade. The latter is the same where
/// the connection was ours or plain TCP's, and otherwise what is left of another server's layers.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Io>>),
    Upgraded(Box<TokioIo<Upgraded>>),
    /// One that has a place among the server's connections, and gives it back in the end.
    Counted(Box<Counted>),
}

/// A connection and its place.
#[derive(Debug)]
pub(crate) struct Counted {
    io: Io,
    _place: ConnectionPlace,
}

impl Io {
    /// Takes a connection back from hyper, with what hyper had already read of it.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Io, Vec<u8>) {
        let upgraded = match upgraded.downcast::<TokioIo<Watched<StallLimit<Io>>>>() {
            Ok(parts) => return (parts.io.into_inner().into_inner().into_inner(), parts.read_buf.to_vec()),
            Err(upgraded) => upgraded,
        };
        // Whoever uses hyper itself does it mostly like this.
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (Io::Tcp(parts.io.into_inner()), parts.read_buf.to_vec()),
            Err(upgraded) => (Io::Upgraded(Box::new(TokioIo::new(upgraded))), Vec::new()),
        }
    }

    /// The connection, which has that place.
    pub(crate) fn counted(self, place: ConnectionPlace) -> Io {
        Io::Counted(Box::new(Counted { io: self, _place: place }))
    }

    /// Ends our side and reads until the peer has ended its own.
    pub(crate) async fn drain(mut self) {
        let mut rest = [0; 1024];
        if self.shutdown().await.is_ok() {
            while matches!(self.read(&mut rest).await, Ok(1..)) {}
        }
    }
}

/// Calls a method of the stream, whichever it is.
macro_rules! forward {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io {
            Io::Tcp($stream) => $call,
            Io::Unix($stream) => $call,
            Io::Tls($stream) => $call,
            Io::Upgraded($stream) => $call,
            Io::Counted(counted) => {
                let $stream = &mut counted.io;
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(&mut *self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(&mut *self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(&mut *self, stream => Pin::new(stream).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Io::Tcp(stream) => stream.is_write_vectored(),
            Io::Unix(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
            Io::Upgraded(stream) => stream.is_write_vectored(),
            Io::Counted(counted) => counted.io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(&mut *self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(&mut *self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
