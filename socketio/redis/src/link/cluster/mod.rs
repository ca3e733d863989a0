//! A Redis Cluster: each command goes to the server that has the slot of its channel or key.
//!
//! A connection to it is one connection to each server that is needed. When one of them is lost, all are opened
//! again: the code that uses the connection has to handle that anyway.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use self::connection::ClusterConnection;
use self::servers::{Dialling, Servers};
use super::address::{Address, View};
use super::client::Server;
use super::newest::{GRACE, PATIENCE, newest};
use super::slots::Slots;
use super::{Connection, Dial, LinkError, OnPush, Task};

mod connection;
mod dialling;
mod routing;
mod servers;
#[cfg(test)]
mod tests;

/// How many of the servers that were found are asked.
const MOST: usize = 16;

/// The servers of a cluster, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct RedisCluster {
    /// Those that were given, and what they have in common: user, password, TLS.
    seeds: Arc<[Server]>,
    /// Those that were found.
    known: Arc<Mutex<Vec<Address>>>,
}

impl RedisCluster {
    pub(crate) fn of(seeds: Vec<Server>) -> RedisCluster {
        RedisCluster { seeds: seeds.into(), known: Arc::default() }
    }

    /// Asks the servers which has which slots, and believes the newest answer: of one that sees the cluster, and of those
    /// the one with the greatest epoch.
    async fn ask_all(&self) -> Result<Slots, LinkError> {
        let known = self.known.lock().clone();
        let servers = known.iter().take(MOST).map(|address| self.server(address));
        let servers = servers.chain(self.seeds.iter().cloned());
        let views = newest(servers.map(|server| async move { server.view().await }), PATIENCE, age).await?;
        let mut view = views.into_iter().next().ok_or_else(|| LinkError("there is no server".into()))?;
        // The servers that were given may all have been cut off. So those that they name are asked as well.
        let named = view.masters().into_iter().filter(|address| !known.contains(address)).take(MOST);
        let named = named.map(|address| self.server(&address));
        let more = newest(named.map(|server| async move { server.view().await }), GRACE, age).await;
        if let Some(newer) = more.into_iter().flatten().next().filter(|other| age(other) > age(&view)) {
            view = newer;
        }
        *self.known.lock() = view.masters();
        Ok(Slots { ranges: view.ranges, moved: HashMap::new() })
    }

    fn server(&self, address: &Address) -> Server {
        self.seeds[0].at(address)
    }
}

fn age(view: &View) -> (bool, u64) {
    (view.is_ok, view.epoch)
}

impl Servers for RedisCluster {
    fn survey(&self) -> Task<Result<Slots, LinkError>> {
        let cluster = self.clone();
        Box::pin(async move { cluster.ask_all().await })
    }

    fn dial(&self, address: &Address, on_push: OnPush) -> Dialling {
        self.server(address).dial(on_push)
    }
}

impl Dial for RedisCluster {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let servers = Arc::new(self.clone());
        Box::pin(async move {
            let connection = ClusterConnection::open(servers, on_push).await?;
            Ok(Box::new(connection) as Box<dyn Connection>)
        })
    }

    fn is_cluster(&self) -> bool {
        true
    }
}
