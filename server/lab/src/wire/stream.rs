//! A connection in two halves: over TCP, or in memory, where a test's clock can be virtual.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// How many bytes may be under way in memory, in each direction.
const UNDER_WAY: usize = 256 << 10;

/// A connection.
#[derive(Debug)]
pub struct Stream {
    /// What comes.
    pub read: ReadHalf,
    /// What goes.
    pub write: WriteHalf,
    /// The other side's address, if it has one.
    pub address: Option<String>,
}

/// What comes on a connection.
#[derive(Debug)]
pub struct ReadHalf(Half<OwnedReadHalf>);

/// What goes on a connection. Dropping it says that nothing more comes: a FIN.
#[derive(Debug)]
pub struct WriteHalf(Half<OwnedWriteHalf>);

#[derive(Debug)]
enum Half<T> {
    Tcp(T),
    /// One direction, and whether it was cut off.
    Memory(DuplexStream, Arc<AtomicBool>),
}

/// A network in memory. It has one place to listen at, and nothing on it takes time.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Option<mpsc::UnboundedSender<Stream>>>>);

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        let address = stream.peer_addr().ok().map(|address| address.to_string());
        drop(stream.set_nodelay(true));
        let (read, write) = stream.into_split();
        Stream { read: ReadHalf(Half::Tcp(read)), write: WriteHalf(Half::Tcp(write)), address }
    }
}

impl WriteHalf {
    /// Has the other side see a reset: dropping this half would send a FIN.
    pub fn cut(self) {
        match self.0 {
            Half::Tcp(half) => {
                drop(half.as_ref().set_zero_linger());
                half.forget();
            }
            Half::Memory(_, cut) => cut.store(true, Ordering::Relaxed),
        }
    }
}

impl Memory {
    /// Connects to who listens. `None` if nobody does.
    #[must_use]
    pub fn connect(&self) -> Option<Stream> {
        let (to_server, from_client) = direction();
        let (to_client, from_server) = direction();
        let address = Some("memory".to_owned());
        let servers = Stream { read: from_client, write: to_client, address };
        self.0.lock().as_ref()?.send(servers).ok()?;
        Some(Stream { read: from_server, write: to_server, address: None })
    }

    /// Listens, until the receiver is dropped.
    pub(crate) fn listen(&self) -> mpsc::UnboundedReceiver<Stream> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.lock() = Some(sender);
        receiver
    }
}

/// A duplex stream of which one direction is used: each end can be dropped alone, as the halves of TCP can.
fn direction() -> (WriteHalf, ReadHalf) {
    let (write, read) = duplex(UNDER_WAY);
    let cut = Arc::new(AtomicBool::new(false));
    (WriteHalf(Half::Memory(write, cut.clone())), ReadHalf(Half::Memory(read, cut)))
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Half::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
            Half::Memory(stream, cut) => {
                let before = buffer.filled().len();
                let read = ready!(Pin::new(stream).poll_read(cx, buffer));
                if buffer.filled().len() == before && buffer.remaining() > 0 && cut.load(Ordering::Relaxed) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Poll::Ready(read)
            }
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Half::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
            Half::Memory(stream, _) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Half::Tcp(half) => Pin::new(half).poll_flush(cx),
            Half::Memory(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Half::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Half::Memory(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn an_end_in_memory_is_a_fin_and_a_cut_is_a_reset() {
        let network = Memory::default();
        assert!(network.connect().is_none());
        let mut listener = network.listen();
        for cut in [false, true] {
            let mut client = network.connect().unwrap();
            let mut server = listener.recv().await.unwrap();
            server.write.write_all(b"last").await.unwrap();
            if cut {
                server.write.cut();
            } else {
                drop(server.write);
            }
            let mut read = Vec::new();
            let ended = client.read.read_to_end(&mut read).await;
            assert_eq!(read, b"last");
            assert_eq!(
                ended.map_err(|error| error.kind()).err(),
                cut.then_some(io::ErrorKind::ConnectionReset)
            );
            client.write.write_all(b"the other direction is open").await.unwrap();
        }
        drop(listener);
        assert!(network.connect().is_none());
    }
}
