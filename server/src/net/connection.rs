//! A connection, before it speaks HTTP and after.

use std::fmt::Debug;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::admission::ConnectionPermit;
use crate::net::head_watch::Watched;
use crate::net::stall::StallLimit;

/// A connection over TLS.
#[cfg(feature = "tls")]
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<Connection>;
#[cfg(not(feature = "tls"))]
use crate::net::no_tls_stream::TlsStream;

/// A connection: as it was accepted, or as hyper gave it back after an upgrade. From another HTTP server, it may have
/// that server's layers.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Its permit, which is given back when it is dropped.
    _permit: Option<ConnectionPermit>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
    /// What is left of another server's layers, or of another protocol's.
    Other(Box<dyn ByteStream>),
}

/// Bytes in both directions.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> ByteStream for T {}

impl From<Stream> for Connection {
    fn from(stream: Stream) -> Connection {
        Connection { stream, _permit: None }
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
    /// Any other stream.
    pub(crate) fn from_stream(stream: impl ByteStream + 'static) -> Connection {
        Stream::Other(Box::new(stream)).into()
    }

    /// Takes a connection back from hyper, with what hyper had already read of it.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Connection, Vec<u8>) {
        let upgraded = match upgraded.downcast::<TokioIo<Watched<StallLimit<Connection>>>>() {
            Ok(parts) => {
                let (io, rest) = parts.io.into_inner().into_parts();
                return (io.into_inner(), [&parts.read_buf[..], &rest].concat());
            }
            Err(upgraded) => upgraded,
        };
        // Most programs that use hyper directly have this type.
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (parts.io.into_inner().into(), parts.read_buf.to_vec()),
            Err(upgraded) => (Connection::from_stream(TokioIo::new(upgraded)), Vec::new()),
        }
    }

    /// The same connection, which keeps its place among the server's connections until it is dropped.
    pub(crate) fn counted(self, permit: ConnectionPermit) -> Connection {
        Connection { _permit: Some(permit), ..self }
    }

    /// What comes first, which stays to be read. Of a connection by TCP alone; nothing of others.
    pub(crate) async fn peek(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peek(bytes).await,
            Stream::Unix(_) | Stream::Tls(_) | Stream::Other(_) => Ok(0),
        }
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
            // What is read is discarded, so it needs no memory while it waits.
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
            Stream::Other(ref mut $stream) => $call,
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
            Stream::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
