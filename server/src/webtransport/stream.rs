//! The stream of a client's session, as bytes in both directions.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::NO_ERROR;
use super::http3::{ClosedOnDrop, Session};

/// A stream, and the connection that it belongs to, which ends with it.
pub(super) struct Stream {
    connection: ClosedOnDrop,
    send: Sending,
    receive: RecvStream,
    /// Ready when the client ends the session; `None` after that.
    ends: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A side that is being written to, or that waits until the client has all of it.
enum Sending {
    Open(SendStream),
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    Ended,
}

impl Stream {
    pub(super) fn new(session: Session, (send, receive): (SendStream, RecvStream)) -> Stream {
        let Session { connection, answer, mut ends, settings } = session;
        let ends = Box::pin(async move {
            // The session's other streams are there as long as this one.
            let _open = (answer, settings);
            // What is said about the session is that it ends, and then the stream ends too.
            while let Ok(Some(_)) = ends.read_chunk(1024, true).await {}
        });
        Stream { connection, send: Sending::Open(send), receive, ends: Some(ends) }
    }

    fn open(&mut self) -> io::Result<Pin<&mut SendStream>> {
        match &mut self.send {
            Sending::Open(send) => Ok(Pin::new(send)),
            Sending::Ending(_) | Sending::Ended => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = AsyncRead::poll_read(Pin::new(&mut self.receive), cx, buf);
        if read.is_pending()
            && let Some(ends) = &mut self.ends
        {
            ready!(ends.as_mut().poll(cx));
            self.ends = None;
        }
        match self.ends {
            Some(_) => read,
            // Nothing more comes.
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self.open()?, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self.open()?, cx)
    }

    /// Ends the connection once the client has all that was written: its end drops what is still on its way, and there is
    /// nothing else by which a client would notice it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Sending::Open(_) = self.send
            && let Sending::Open(mut send) = std::mem::replace(&mut self.send, Sending::Ended)
        {
            drop(send.finish());
            // A client that has gone takes nothing.
            self.send = Sending::Ending(Box::pin(async move { drop(send.stopped().await) }));
        }
        if let Sending::Ending(ending) = &mut self.send {
            ready!(ending.as_mut().poll(cx));
            self.send = Sending::Ended;
            self.connection.close(NO_ERROR, b"");
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.connection.remote_address()).finish_non_exhaustive()
    }
}
