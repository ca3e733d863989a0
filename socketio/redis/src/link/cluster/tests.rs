use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{ClusterConnection, NO_SERVER};
use super::dialling::{AWAY, DIAL_PATIENCE, PAUSE, SURVEYED_ANEW};
use super::servers::{Dialling, Servers};
use crate::link::address::{Address, SlotRange};
use crate::link::fake::FakeRedis;
use crate::link::slots::{SLOTS, Slots, slot};
use crate::link::{Channel, Command, Connection as _, LinkError, OnPush, Push, Task, Told, is_passing};

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
        self.connect_with(Arc::new(|_| ())).await
    }

    async fn connect_with(&self, on_push: OnPush) -> ClusterConnection {
        ClusterConnection::open(Arc::new(self.clone()), on_push).await.unwrap()
    }

    /// All slots go to the first of these.
    async fn fail_over(&self, connection: &mut ClusterConnection, servers: &[&str]) {
        self.0.lock().ranges.clear();
        self.range(0, SLOTS - 1, servers);
        sleep(SURVEYED_ANEW).await;
        // One begins to look, and another takes what was found.
        for _ in 0..2 {
            sleep(2 * PAUSE).await;
            connection.send(&[Command::Ping]).await.unwrap();
        }
        assert_eq!(connection.slots.server(0), Address::parse(servers[0]).as_ref());
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
        let at_once = timeout(DIAL_PATIENCE / 2, &mut sending).await;
        assert!(at_once.is_err(), "somebody may be subscribed there");
        assert_eq!(main.published(), ["foo"]);
        assert_eq!(sending.await.unwrap(), [Ok(Told::Nothing), Ok(Told::Number(0))]);
    }
    assert_eq!(since.elapsed(), DIAL_PATIENCE);
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
async fn what_is_for_a_slot_without_a_server_is_refused_and_the_rest_is_not() {
    let cluster = FakeCluster::default();
    let main = cluster.server("main:1");
    cluster.range(0, 12_000, &["main:1"]);
    cluster.range(12_001, SLOTS - 1, &["gone:1"]);
    let (here, there) = ("{bar}", "{foo}");
    assert!(slot(here) < 12_000 && slot(there) > 12_000);
    let mut connection = cluster.connect().await;
    let since = Instant::now();
    let commands = [publish(there), publish(here)];
    assert_ne!(connection.part(&commands[0]), connection.part(&commands[1]));
    for _ in 0..10 {
        let replies = connection.send(&commands).await.unwrap();
        assert_eq!(replies, [Err(NO_SERVER.into()), Ok(Told::Nothing)]);
        assert!(is_passing(NO_SERVER));
    }
    // A new connection is waited for.
    assert_eq!((since.elapsed(), main.published().len()), (DIAL_PATIENCE, 10));
    // A replica takes over.
    let other = cluster.server("other:1");
    cluster.0.lock().ranges.pop();
    cluster.range(12_001, SLOTS - 1, &["other:1"]);
    while connection.send(&[publish(there)]).await.unwrap()[0].is_err() {
        sleep(PAUSE).await;
    }
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(other.published(), [there]);
}

#[tokio::test(start_paused = true)]
async fn ordinary_messages_go_by_another_server_if_theirs_is_away() {
    let cluster = FakeCluster::default();
    let main = cluster.server("main:1");
    cluster.range(0, 8_000, &["main:1"]);
    cluster.range(8_001, SLOTS - 1, &["gone:1"]);
    let mut connection = cluster.connect().await;
    connection.home = Address::parse("gone:1");
    let message = Command::Publish { channel: Channel::Exact("c".into()), payload: "1".into() };
    let since = Instant::now();
    while connection.send(std::slice::from_ref(&message)).await.unwrap()[0].is_err() {
        sleep(PAUSE).await;
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(main.published(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn ordinary_channels_stay_with_one_server_also_when_it_becomes_a_replica() {
    let cluster = FakeCluster::default();
    let (main, other) = (cluster.server("main:1"), cluster.server("other:1"));
    cluster.range(0, SLOTS - 1, &["main:1", "other:1"]);
    let mut connection = cluster.connect().await;
    let exact = |name: &str| Channel::Exact(name.into());
    let both = [Command::Subscribe(exact("a")), Command::Subscribe(exact("b"))];
    connection.send(&both).await.unwrap();
    assert_eq!((main.channels(), other.channels().len()), (vec!["a".to_owned(), "b".to_owned()], 0));
    cluster.fail_over(&mut connection, &["other:1", "main:1"]).await;
    let commands =
        [Command::Unsubscribe(exact("a")), Command::Subscribe(exact("a")), Command::Subscribe(exact("c"))];
    connection.send(&commands).await.unwrap();
    connection.send(&[Command::Unsubscribe(exact("b"))]).await.unwrap();
    assert_eq!((main.channels(), other.channels().len()), (vec!["a".to_owned(), "c".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_left_the_cluster_is_listened_to_no_more() {
    let cluster = FakeCluster::default();
    let (_main, _other) = (cluster.server("main:1"), cluster.server("other:1"));
    cluster.range(0, SLOTS - 1, &["main:1", "other:1"]);
    let pushed = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&pushed);
    let mut connection = cluster.connect_with(Arc::new(move |push| log.lock().push(push))).await;
    connection.send(&[Command::Subscribe(Channel::Exact("a".into()))]).await.unwrap();
    cluster.fail_over(&mut connection, &["other:1", "main:1"]).await;
    assert_eq!(*pushed.lock(), [], "it can listen as a replica");
    cluster.fail_over(&mut connection, &["other:1"]).await;
    assert_eq!(*pushed.lock(), [Push::Lost]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_just_started_spoils_no_question_to_all() {
    let cluster = FakeCluster::default();
    let servers = [cluster.server("a:1"), cluster.server("b:1")];
    cluster.range(0, 8_000, &["a:1"]);
    cluster.range(8_001, SLOTS - 1, &["b:1"]);
    let mut connection = cluster.connect().await;
    for (loading, other) in [(0, 1), (1, 0)] {
        servers[loading].turn_away(Some("LOADING"));
        servers[other].turn_away(None);
        let count = Command::Count(Channel::Exact("c".into()));
        let replies = connection.send(&[Command::Ping, count]).await.unwrap();
        assert_eq!(replies, [Ok(Told::Nothing), Ok(Told::Number(0))]);
    }
}
