//! A connection, before it speaks HTTP and after.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::admission::ConnectionPlace;
use crate::net::head_watch::Watched;
use crate::net::stall::StallLimit;

/// A connection over TLS.
#[cfg(feature = "tls")]
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<Connection>;
#[cfg(not(feature = "tls"))]
use crate::net::no_tls_stream::TlsStream;

/// A connection: as it was accepted, or as hyper gave it back after an upgrade. The latter is the same where
/// the connection was ours or plain TCP's, and otherwise what is left of another server's layers.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Its place among the server's connections, which it gives back in the end.
    _place: Option<ConnectionPlace>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
    Upgraded(Box<TokioIo<Upgraded>>),
}

impl From<Stream> for Connection {
    fn from(stream: Stream) -> Connection {
        Connection { stream, _place: None }
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Connection {
        Stream::Tcp(stream).into()
    }
}

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Connection {
        Stream::Unix(stream).into()
    }
}

impl From<TlsStream> for Connection {
    fn from(stream: TlsStream) -> Connection {
        Stream::Tls(Box::new(stream)).into()
    }
}

impl Connection {
    /// Takes a connection back from hyper, with what hyper had already read of it.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Connection, Vec<u8>) {
        let upgraded = match upgraded.downcast::<TokioIo<Watched<StallLimit<Connection>>>>() {
            Ok(parts) => {
                let (io, rest) = parts.io.into_inner().into_parts();
                return (io.into_inner(), [&parts.read_buf[..], &rest].concat());
            }
            Err(upgraded) => upgraded,
        };
        // Whoever uses hyper itself does it mostly like this.
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (parts.io.into_inner().into(), parts.read_buf.to_vec()),
            Err(upgraded) => (Stream::Upgraded(Box::new(TokioIo::new(upgraded))).into(), Vec::new()),
        }
    }

    /// The connection, which has that place.
    pub(crate) fn counted(self, place: ConnectionPlace) -> Connection {
        Connection { _place: Some(place), ..self }
    }

    /// Ends our side and reads until the peer has ended its own.
    pub(crate) async fn drain(&mut self) {
        poll_fn(|cx| self.poll_drain(cx)).await;
    }

    /// The same, for a task that has a future of its own.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Once it has ended, it ends again at no cost.
        if ready!(Pin::new(&mut *self).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        loop {
            // What is read counts for nothing, so no connection has memory for it while it waits.
            let mut room = [0; 1024];
            let mut rest = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut *self).poll_read(cx, &mut rest)) {
                Ok(()) if !rest.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// Calls a method of the stream, whichever it is.
macro_rules! forward {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io.stream {
            Stream::Tcp(ref mut $stream) => $call,
            Stream::Unix(ref mut $stream) => $call,
            Stream::Tls(ref mut $stream) => $call,
            Stream::Upgraded(ref mut $stream) => $call,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => Pin::new(stream).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Upgraded(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
