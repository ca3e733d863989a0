//! Where a case listens. A script can shut it, so that clients are refused.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::record::Recorder;
use crate::wire::connection::{self, Arrival};
use crate::wire::stream::{Memory, Stream};

/// How soon a listener that can't accept tries again.
const RETRY: Duration = Duration::from_millis(50);

/// What a URL names in memory: nobody looks it up.
const IN_MEMORY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// A port of the case's own, so that no client of another case comes in.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    spot: Spot,
    entry: Entry,
    /// The task that listens; none while it is shut.
    listening: Option<JoinSet<()>>,
}

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) enum Spot {
    Tcp(SocketAddr),
    Memory(Memory),
}

enum Listener {
    Tcp(TcpListener),
    Memory(mpsc::UnboundedReceiver<Stream>),
}

/// What a connection comes in by.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    recorder: Arc<Recorder>,
    arrivals: mpsc::Sender<Arrival>,
    numbers: Arc<AtomicU64>,
}

impl Entry {
    pub(crate) fn new(recorder: Arc<Recorder>, arrivals: mpsc::Sender<Arrival>) -> Entry {
        Entry { recorder, arrivals, numbers: Arc::default() }
    }

    /// Notes something that neither side sent.
    pub(crate) fn note(&self, name: &str, text: &str) {
        self.recorder.note(None, name, text);
    }

    /// Reads a connection to its end.
    pub(crate) async fn enter(self, stream: Stream, first: BytesMut) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        connection::read(stream, first, number, self.recorder, self.arrivals).await;
    }
}

impl Listener {
    async fn at(spot: &Spot) -> io::Result<Listener> {
        match spot {
            Spot::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
            Spot::Memory(network) => Ok(Listener::Memory(network.listen())),
        }
    }

    async fn accept(&mut self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| stream.into()),
            Listener::Memory(streams) => match streams.recv().await {
                Some(stream) => Ok(stream),
                // Another listens there now.
                None => std::future::pending().await,
            },
        }
    }
}

impl Door {
    /// One whose connections come in by another listener. It can't be shut.
    pub(crate) fn elsewhere(address: SocketAddr, entry: Entry) -> Door {
        Door { address, spot: Spot::Tcp(address), entry, listening: None }
    }

    /// Listens. Over TCP, the port may be 0: any that is free.
    pub(crate) async fn open(spot: Spot, entry: Entry) -> io::Result<Door> {
        let listener = Listener::at(&spot).await?;
        let (address, spot) = match &listener {
            Listener::Tcp(listener) => (listener.local_addr()?, Spot::Tcp(listener.local_addr()?)),
            Listener::Memory(_) => (IN_MEMORY, spot),
        };
        let mut door = Door { address, spot, entry, listening: None };
        door.listen(listener);
        Ok(door)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&mut self, mut listener: Listener) {
        let entry = self.entry.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    accepted = listener.accept() => match accepted {
                        Ok(stream) => drop(connections.spawn(entry.clone().enter(stream, BytesMut::new()))),
                        // There are no descriptors left, for now.
                        Err(_) => sleep(RETRY).await,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        self.listening = Some(task);
    }

    /// Refuses further connections, and drops those that are open.
    pub(crate) async fn shut(&mut self) {
        if let Some(mut task) = self.listening.take() {
            task.shutdown().await;
        }
    }

    /// Listens again, at the same place.
    pub(crate) async fn reopen(&mut self) -> io::Result<()> {
        let listener = Listener::at(&self.spot).await?;
        self.listen(listener);
        Ok(())
    }
}
