//! A Redis Cluster: each command goes to the server that has the slot of its channel or key.
//!
//! A connection to it is one connection to each server that is needed. When one of them is lost, all are opened
//! again: the code that uses the connection has to handle that anyway.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::RngExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::{Address, Server};
use super::slots::{SLOTS, Slots, slot};
use super::{
    Answer, Channel, Command, Connection, Dial, Entry, LinkError, OnPush, Position, Reply, Task, Told,
};

/// How long a slot may be without a server: until a replica takes over, or all of its keys have moved. After that, what is
/// for it fails at once.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same for subscriptions, which are tried again.
const SUBSCRIPTION_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(100);
/// What is said of a command whose slot has no server: as by Redis itself.
const NO_SERVER: &str = "CLUSTERDOWN no server of the cluster has the slot";
/// How long a server that could not be reached is left alone.
const AWAY: Duration = Duration::from_secs(1);
/// How long a server may take to tell which has which slots.
const SURVEY: Duration = Duration::from_secs(2);

/// The servers of a cluster, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct RedisCluster {
    /// Those that were given, and what they have in common: user, password, TLS.
    seeds: Arc<[Server]>,
    /// Those that were found.
    known: Arc<Mutex<Vec<Address>>>,
}

/// What a connection to a cluster needs of its servers.
trait Servers: Send + Sync {
    fn survey(&self) -> Task<Result<Slots, LinkError>>;
    fn dial(&self, address: &Address, on_push: OnPush) -> Dialling;
}

type Dialled = Result<Box<dyn Connection>, LinkError>;
type Dialling = Task<Dialled>;

struct ClusterConnection {
    servers: Arc<dyn Servers>,
    slots: Slots,
    connections: BTreeMap<Address, Box<dyn Connection>>,
    /// Servers that could not be reached. Each is tried again, and nothing waits for that.
    away: BTreeMap<Address, JoinHandle<Dialled>>,
    /// Slots that have been without a server for too long.
    down: BTreeSet<u16>,
    /// Looks for their servers. Nothing waits for that.
    search: Option<JoinHandle<Result<Slots, LinkError>>>,
    on_push: OnPush,
    /// Ordinary pub/sub goes by the server with this slot, so that it keeps its order.
    home: u16,
    /// The server to which the slot of the stream that is read here is being moved.
    moving_to: Option<Address>,
}

/// Where a command goes.
enum Target {
    Slot(u16),
    /// To all servers, and what they tell is added up.
    All,
}

impl RedisCluster {
    pub(crate) fn of(seeds: Vec<Server>) -> RedisCluster {
        RedisCluster { seeds: seeds.into(), known: Arc::default() }
    }

    /// Asks the servers, one after the other, which has which slots.
    async fn ask_all(&self) -> Result<Slots, LinkError> {
        let mut error = LinkError("there is no server".into());
        let known = self.known.lock().clone();
        let found = known.iter().map(|address| self.server(address));
        for server in found.chain(self.seeds.iter().cloned()) {
            match timeout(SURVEY, server.slots()).await {
                Ok(Ok(ranges)) => {
                    *self.known.lock() = ranges.iter().map(|range| range.server.clone()).collect();
                    return Ok(Slots { ranges, moved: HashMap::new() });
                }
                Ok(Err(failed)) => error = failed,
                Err(_) => error = LinkError("a server of the cluster does not answer".into()),
            }
        }
        Err(error)
    }

    fn server(&self, address: &Address) -> Server {
        self.seeds[0].at(address)
    }
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

impl ClusterConnection {
    async fn open(servers: Arc<dyn Servers>, on_push: OnPush) -> Result<ClusterConnection, LinkError> {
        let slots = servers.survey().await?;
        let (connections, home) = (BTreeMap::new(), rand::rng().random_range(0..SLOTS));
        let (away, down) = (BTreeMap::new(), BTreeSet::new());
        Ok(ClusterConnection {
            servers,
            slots,
            connections,
            away,
            down,
            search: None,
            on_push,
            home,
            moving_to: None,
        })
    }

    /// The connection to a server, taken out for as long as it is used.
    fn take(&mut self, address: &Address) -> Dialling {
        if let Some(connection) = self.connections.remove(address) {
            return Box::pin(ready(Ok(connection)));
        }
        let Some(trying) = self.away.remove(address) else {
            return self.servers.dial(address, Arc::clone(&self.on_push));
        };
        if trying.is_finished() {
            return Box::pin(async { trying.await.unwrap_or_else(|_| Err(LinkError("it is away".into()))) });
        }
        self.away.insert(address.clone(), trying);
        Box::pin(ready(Err(LinkError("it is away".into()))))
    }

    /// A server could not be reached.
    fn try_later(&mut self, address: Address) {
        let (servers, on_push) = (Arc::clone(&self.servers), Arc::clone(&self.on_push));
        self.away.entry(address).or_insert_with_key(|address| {
            let address = address.clone();
            tokio::spawn(async move {
                sleep(AWAY).await;
                servers.dial(&address, on_push).await
            })
        });
    }

    /// Looks again which server has which slots, after a while.
    async fn survey(&mut self) {
        sleep(PAUSE).await;
        if let Ok(slots) = self.servers.survey().await {
            self.slots = slots;
        }
    }

    /// Has somebody look for the servers of slots that are without one, and takes what was found.
    async fn search(&mut self) {
        match self.search.take() {
            Some(search) if search.is_finished() => {
                if let Ok(Ok(slots)) = search.await {
                    self.slots = slots;
                }
            }
            None if !self.down.is_empty() => {
                let servers = Arc::clone(&self.servers);
                self.search = Some(tokio::spawn(async move {
                    sleep(AWAY).await;
                    servers.survey().await
                }));
            }
            search => self.search = search,
        }
    }

    /// The slots of commands that have no reply yet.
    fn open_slots(&self, commands: &[Command], replies: &[Option<Reply>]) -> BTreeSet<u16> {
        let open = commands.iter().zip(replies).filter(|(_, reply)| reply.is_none());
        let slot = |(command, _): (&Command, _)| match self.target(command) {
            Target::Slot(slot) => Some(slot),
            Target::All => None,
        };
        open.filter_map(slot).collect()
    }

    /// Sends those commands that have no reply yet, each to its server. Some may have to be sent again.
    async fn send_open(
        &mut self,
        commands: &[Command],
        replies: &mut [Option<Reply>],
    ) -> Result<(), LinkError> {
        let mut by_server: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (at, command) in commands.iter().enumerate().filter(|(at, _)| replies[*at].is_none()) {
            match self.target(command) {
                Target::All => {
                    self.slots
                        .all()
                        .into_iter()
                        .for_each(|server| by_server.entry(server).or_default().push(at));
                }
                Target::Slot(slot) => {
                    if let Some(server) = self.slots.server(slot) {
                        by_server.entry(server.clone()).or_default().push(at);
                    }
                }
            }
        }
        // It takes seconds to find out that a server can't be reached. The others don't wait for that.
        let mut sending = Vec::new();
        for (address, places) in by_server {
            let taken = self.take(&address);
            sending.push(async move {
                let Ok(mut connection) = taken.await else { return (address, places, None) };
                let part: Vec<_> = places.iter().map(|at| commands[*at].clone()).collect();
                let sent = connection.send(&part).await;
                (address, places, Some((connection, sent)))
            });
        }
        let mut lost = None;
        let mut moving: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (address, places, sent) in join_all(sending).await {
            match sent {
                // A server that is away counts nobody. What is for its slots has to wait.
                None => self.try_later(address),
                Some((_, Err(error))) => lost = Some(error),
                Some((connection, Ok(answers))) => {
                    self.connections.insert(address, connection);
                    for (at, answer) in places.into_iter().zip(answers) {
                        match answer.as_ref().err().and_then(|error| asked_to_ask(error)) {
                            Some(server) => moving.entry(server).or_default().push(at),
                            None => self.note(&commands[at], answer, &mut replies[at]),
                        }
                    }
                }
            }
        }
        if let Some(error) = lost {
            return Err(error);
        }
        for (address, places) in moving {
            self.send_asking(&address, &places, commands, replies).await?;
        }
        Ok(())
    }

    /// Sends commands to the server that their slot is being moved to.
    async fn send_asking(
        &mut self,
        address: &Address,
        places: &[usize],
        commands: &[Command],
        replies: &mut [Option<Reply>],
    ) -> Result<(), LinkError> {
        let Ok(mut connection) = self.take(address).await else {
            self.try_later(address.clone());
            return Ok(());
        };
        let asking = places.iter().flat_map(|at| [Command::Asking, commands[*at].clone()]);
        let answers = connection.send(&asking.collect::<Vec<_>>()).await?;
        self.connections.insert(address.clone(), connection);
        for (at, answer) in places.iter().zip(answers.into_iter().skip(1).step_by(2)) {
            self.note(&commands[*at], answer, &mut replies[*at]);
        }
        Ok(())
    }

    /// Notes what a server replied, unless the command has to be sent again.
    fn note(&mut self, command: &Command, answer: Reply, reply: &mut Option<Reply>) {
        match (self.target(command), answer) {
            (Target::All, Ok(Told::Number(more))) => {
                let before = if let Some(Ok(Told::Number(before))) = reply { *before } else { 0 };
                *reply = Some(Ok(Told::Number(before + more)));
            }
            (Target::All, Ok(Told::Names(more))) => {
                let mut names = more;
                if let Some(Ok(Told::Names(before))) = reply {
                    names.append(before);
                }
                names.sort_unstable();
                names.dedup();
                *reply = Some(Ok(Told::Names(names)));
            }
            (Target::All, answer) => *reply = reply.take().or(Some(answer)),
            (Target::Slot(slot), Err(error)) if error.starts_with("MOVED ") => {
                if let Some(server) = error.rsplit(' ').next().and_then(Address::parse) {
                    self.slots.moved.insert(slot, server);
                }
            }
            (Target::Slot(_), Err(error)) if is_passing(&error) => {}
            (Target::Slot(slot), answer) => {
                self.down.remove(&slot);
                *reply = Some(answer);
            }
        }
    }
}

impl Drop for ClusterConnection {
    /// Nobody would take what it has begun.
    fn drop(&mut self) {
        self.away.values().for_each(JoinHandle::abort);
        self.search.iter().for_each(JoinHandle::abort);
    }
}

impl Connection for ClusterConnection {
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> Answer<'a, Vec<Reply>> {
        Box::pin(async move {
            let subscribes =
                |command: &Command| matches!(command, Command::Subscribe(_) | Command::Unsubscribe(_));
            let patience = if commands.iter().all(subscribes) { SUBSCRIPTION_PATIENCE } else { PATIENCE };
            let deadline = Instant::now() + patience;
            let mut replies = vec![None; commands.len()];
            self.search().await;
            loop {
                self.send_open(commands, &mut replies).await?;
                let open = self.open_slots(commands, &replies);
                if open.is_subset(&self.down) {
                    break;
                }
                if timeout_at(deadline, self.survey()).await.is_err() {
                    self.down.extend(open);
                    break;
                }
            }
            let mut answer = |(command, reply): (&Command, Option<Reply>)| match self.target(command) {
                Target::Slot(_) => reply.unwrap_or_else(|| Err(NO_SERVER.into())),
                Target::All => reply.unwrap_or(Ok(Told::Nothing)),
            };
            Ok(commands.iter().zip(replies).map(&mut answer).collect())
        })
    }

    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>> {
        Box::pin(async move {
            loop {
                let (server, mut connection) = self.of_streams(streams.first()).await?;
                match connection.ends(streams).await {
                    Err(error) if self.is_moving(&error) => {}
                    Err(error) => return Err(error),
                    Ok(ends) => {
                        self.connections.insert(server, connection);
                        return Ok(ends);
                    }
                }
            }
        })
    }

    fn read<'a>(
        &'a mut self,
        positions: &'a [Position],
        count: usize,
        patience: Duration,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let stream = positions.first().map(|position| &position.stream);
            loop {
                let (server, mut connection) = self.of_streams(stream).await?;
                match connection.read(positions, count, patience).await {
                    Err(error) if self.is_moving(&error) => {}
                    Err(error) => return Err(error),
                    Ok(read) => {
                        self.connections.insert(server, connection);
                        return Ok(read);
                    }
                }
            }
        })
    }
}

impl ClusterConnection {
    fn target(&self, command: &Command) -> Target {
        Target::Slot(match command {
            // Those who have subscribed may have done so at any server.
            Command::Count(_) | Command::Channels(_) | Command::Ping | Command::Asking => return Target::All,
            Command::Subscribe(channel)
            | Command::Unsubscribe(channel)
            | Command::Publish { channel, .. } => match channel {
                Channel::Sharded(name) => slot(name),
                Channel::Exact(_) | Channel::Pattern(_) => self.home,
            },
            Command::Append { stream, .. } => slot(stream),
            Command::Keep { key, .. } | Command::Take(key) | Command::Forget(key) => slot(key),
            Command::Range { from, .. } => slot(&from.stream),
        })
    }

    /// The server that has a stream, and a connection to it. In a cluster, a connection reads one.
    async fn of_streams(
        &mut self,
        stream: Option<&Arc<str>>,
    ) -> Result<(Address, Box<dyn Connection>), LinkError> {
        let owner = || stream.and_then(|stream| self.slots.server(slot(stream))).cloned();
        let server = self.moving_to.clone().or_else(owner);
        let server = server.ok_or_else(|| LinkError("no server has the stream's slot".into()))?;
        let mut connection = self.take(&server).await?;
        if self.moving_to.is_some() {
            connection.send(&[Command::Asking]).await?;
        }
        Ok((server, connection))
    }

    /// Whether a stream can't be read since it is now on another server, to which its slot is being moved.
    fn is_moving(&mut self, error: &LinkError) -> bool {
        let server = error.0.find("ASK ").and_then(|at| asked_to_ask(&error.0[at..]));
        let is_new = server.is_some() && server != self.moving_to;
        if is_new {
            self.moving_to = server;
        }
        is_new
    }
}

/// The server that an error names, to which a slot is being moved: `ASK 3999 127.0.0.1:6381`. "The next query alone"
/// goes there, behind ASKING.
fn asked_to_ask(error: &str) -> Option<Address> {
    Address::parse(error.strip_prefix("ASK ")?.rsplit(' ').next()?)
}

/// Whether an error says that a server can't carry out a command now, and that it has not.
pub(crate) fn is_passing(error: &str) -> bool {
    ["TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY"]
        .iter()
        .any(|code| error.starts_with(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::client::SlotRange;
    use crate::link::fake::FakeRedis;

    /// A cluster in memory.
    #[derive(Clone, Default)]
    struct FakeCluster(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        ranges: Vec<SlotRange>,
        servers: HashMap<Address, FakeRedis>,
        /// How many times a server was tried that can't be reached.
        tried: usize,
    }

    impl Servers for FakeCluster {
        fn survey(&self) -> Task<Result<Slots, LinkError>> {
            let ranges = self.0.lock().ranges.clone();
            Box::pin(async { Ok(Slots { ranges, moved: HashMap::new() }) })
        }

        /// A server that is not there costs what one costs whose host was cut off.
        fn dial(&self, address: &Address, on_push: OnPush) -> Dialling {
            let mut state = self.0.lock();
            if let Some(server) = state.servers.get(address) {
                return server.dial().dial(on_push);
            }
            state.tried += 1;
            Box::pin(async {
                sleep(Duration::from_secs(5)).await;
                Err(LinkError("timed out".into()))
            })
        }
    }

    impl FakeCluster {
        fn server(&self, address: &str) -> FakeRedis {
            let server = FakeRedis::new();
            self.0.lock().servers.insert(Address::parse(address).unwrap(), server.clone());
            server
        }

        /// The first of the servers has these slots, and the others are its replicas.
        fn range(&self, first: u16, last: u16, servers: &[&str]) {
            let all: Vec<_> = servers.iter().map(|address| Address::parse(address).unwrap()).collect();
            self.0.lock().ranges.push(SlotRange { first, last, server: all[0].clone(), all });
        }

        async fn connect(&self) -> ClusterConnection {
            ClusterConnection::open(Arc::new(self.clone()), Arc::new(|_| ())).await.unwrap()
        }
    }

    fn sharded(name: &str) -> Channel {
        Channel::Sharded(name.into())
    }

    fn publish(name: &str) -> Command {
        Command::Publish { channel: sharded(name), payload: name.to_owned().into() }
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_that_are_cut_off_are_waited_for_once_and_together_and_messages_not_for_them() {
        let cluster = FakeCluster::default();
        let main = cluster.server("main:1");
        cluster.range(0, SLOTS - 1, &["main:1", "gone:1", "gone:2", "gone:3"]);
        let mut connection = cluster.connect().await;
        let commands = [publish("foo"), Command::Count(sharded("foo"))];
        let since = Instant::now();
        {
            let mut sending = connection.send(&commands);
            let at_once = timeout(Duration::from_secs(1), &mut sending).await;
            assert!(at_once.is_err(), "somebody may be subscribed there");
            assert_eq!(main.published(), ["foo"]);
            assert_eq!(sending.await.unwrap(), [Ok(Told::Nothing), Ok(Told::Number(0))]);
        }
        assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
        let since = Instant::now();
        for _ in 0..10 {
            connection.send(&[Command::Ping]).await.unwrap();
            connection.send(&[Command::Count(sharded("foo"))]).await.unwrap();
        }
        assert_eq!((since.elapsed(), cluster.0.lock().tried), (Duration::ZERO, 3));
        // One that is back is asked again.
        let back = cluster.server("gone:2");
        let mut subscriber = back.dial().dial(Arc::new(|_| ())).await.unwrap();
        subscriber.send(&[Command::Subscribe(sharded("foo"))]).await.unwrap();
        while connection.send(&[Command::Count(sharded("foo"))]).await.unwrap() != [Ok(Told::Number(1))] {
            sleep(AWAY).await;
        }
        assert!(since.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_any_more_once_a_connection_is_dropped() {
        let cluster = FakeCluster::default();
        cluster.server("main:1");
        cluster.range(0, SLOTS - 1, &["main:1", "gone:1"]);
        let mut connection = cluster.connect().await;
        connection.send(&[Command::Ping]).await.unwrap();
        drop(connection);
        sleep(10 * AWAY).await;
        assert_eq!(cluster.0.lock().tried, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_without_a_server_is_waited_for_once_and_alone() {
        let cluster = FakeCluster::default();
        let main = cluster.server("main:1");
        cluster.range(0, 12_000, &["main:1"]);
        cluster.range(12_001, SLOTS - 1, &["gone:1"]);
        let (here, there) = ("{bar}", "{foo}");
        assert!(slot(here) < 12_000 && slot(there) > 12_000);
        let mut connection = cluster.connect().await;
        let since = Instant::now();
        let replies = connection.send(&[publish(there), publish(here)]).await.unwrap();
        assert_eq!(replies, [Err(NO_SERVER.into()), Ok(Told::Nothing)]);
        assert_eq!(since.elapsed(), PATIENCE);
        let since = Instant::now();
        for _ in 0..10 {
            let replies = connection.send(&[publish(there), publish(here)]).await.unwrap();
            assert!(replies[0].is_err() && replies[1].is_ok());
        }
        assert_eq!((since.elapsed(), main.published().len()), (Duration::ZERO, 11));
        // A replica takes over.
        let other = cluster.server("other:1");
        cluster.0.lock().ranges.pop();
        cluster.range(12_001, SLOTS - 1, &["other:1"]);
        while connection.send(&[publish(there)]).await.unwrap()[0].is_err() {
            sleep(PAUSE).await;
        }
        assert!(since.elapsed() < Duration::from_secs(5));
        assert_eq!(other.published(), [there]);
        assert!(connection.down.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn other_subscriptions_hardly_wait_for_a_slot_without_a_server() {
        let cluster = FakeCluster::default();
        cluster.server("main:1");
        cluster.range(0, 12_000, &["main:1"]);
        let mut connection = cluster.connect().await;
        let since = Instant::now();
        let subscribe = ["{foo}", "{bar}"].map(|name| Command::Subscribe(sharded(name)));
        let replies = connection.send(&subscribe).await.unwrap();
        assert_eq!(replies, [Err(NO_SERVER.into()), Ok(Told::Nothing)]);
        assert_eq!(since.elapsed(), SUBSCRIPTION_PATIENCE);
    }

    #[test]
    fn the_server_that_a_slot_is_being_moved_to_is_read() {
        assert_eq!(asked_to_ask("ASK 3999 127.0.0.1:6381"), Address::parse("127.0.0.1:6381"));
        for other in ["MOVED 3999 127.0.0.1:6381", "ASK 3999", "ASK ", "ASKING"] {
            assert_eq!(asked_to_ask(other), None, "{other}");
        }
    }
}
