//! The connections to the servers of a cluster: how they are made, and what becomes of a server that is away.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::connection::ClusterConnection;
use super::servers::Dialled;
use crate::link::address::Address;
use crate::link::slots::SLOTS;
use crate::link::{Connection, Push, Task};

/// How long to wait before servers are asked again who has which slots.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// How long a new connection to a server is waited for.
pub(super) const DIAL_PATIENCE: Duration = Duration::from_secs(1);
/// After how long they are asked again in any case.
pub(super) const SURVEYED_ANEW: Duration = Duration::from_secs(30);
/// How long a server that could not be reached is left alone.
pub(super) const AWAY: Duration = Duration::from_secs(1);

/// A connection, or who tries to make one.
pub(super) type Taken = Result<Box<dyn Connection>, Option<JoinHandle<Dialled>>>;

impl ClusterConnection {
    /// The connection to a server, taken out for as long as it is used. Whoever gets none gives it back to
    /// [`try_later`](ClusterConnection::try_later).
    pub(super) fn take(&mut self, address: &Address) -> Task<Taken> {
        if let Some(connection) = self.connections.remove(address) {
            return Box::pin(ready(Ok(connection)));
        }
        let (mut trying, patience) = match self.away.remove(address) {
            Some(trying) => (trying, Duration::ZERO),
            None => (tokio::spawn(self.servers.dial(address, Arc::clone(&self.on_push))), DIAL_PATIENCE),
        };
        Box::pin(async move {
            match timeout(patience, &mut trying).await {
                Ok(Ok(Ok(connection))) => Ok(connection),
                Ok(_) => Err(None),
                Err(_) => Err(Some(trying)),
            }
        })
    }

    /// A server could not be reached, or not yet.
    pub(super) fn try_later(&mut self, address: Address, trying: Option<JoinHandle<Dialled>>) {
        // There was no connection to it, so nothing is subscribed to there.
        self.home.take_if(|home| *home == address);
        let trying = trying.unwrap_or_else(|| {
            let (servers, on_push) = (Arc::clone(&self.servers), Arc::clone(&self.on_push));
            let address = address.clone();
            tokio::spawn(async move {
                sleep(AWAY).await;
                servers.dial(&address, on_push).await
            })
        });
        self.away.insert(address, trying);
    }

    /// The server for ordinary pub/sub: any that has slots.
    pub(super) fn home(&mut self) -> Option<Address> {
        let slots = &self.slots;
        let any = || slots.server(rand::rng().random_range(0..SLOTS)).cloned();
        self.home = self.home.take().or_else(any);
        self.home.clone()
    }

    /// Takes what was found about the servers, or has somebody look: if some slot is without one, and now and then.
    pub(super) async fn search(&mut self) {
        match self.search.take() {
            Some(search) if search.is_finished() => {
                self.surveyed = Instant::now();
                if let Ok(Ok(slots)) = search.await {
                    self.slots = slots;
                    self.lacks_servers = false;
                    let all = self.slots.all();
                    // A server that has left the cluster hears nothing from it, and doesn't say so.
                    if self.home.as_ref().is_some_and(|home| !all.contains(home)) {
                        (self.on_push)(Push::Lost);
                    }
                }
            }
            None if self.lacks_servers || self.surveyed.elapsed() > SURVEYED_ANEW => {
                let servers = Arc::clone(&self.servers);
                self.search = Some(tokio::spawn(async move {
                    sleep(PAUSE).await;
                    servers.survey().await
                }));
            }
            search => self.search = search,
        }
    }
}
