//! What every row is run under.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Once;
use std::time::{Duration, Instant};

use engineio::EngineConfig;
use socketio::Io;
use socketio_server::{Builder, Limits, Server};
use socketio_server_cli::apps;
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

thread_local! {
    /// How long what a row has left behind may take to go.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::from_secs(20)) };
}

/// What a row's server is made of, beside the echo application.
#[derive(Default)]
pub(crate) struct Hostile {
    pub(crate) config: EngineConfig,
    pub(crate) socketio: socketio::IoConfig,
    pub(crate) limits: Limits,
    /// Panics that the row brings about on purpose.
    pub(crate) panics: usize,
}

/// Timeouts that can be waited for.
pub(crate) fn impatient() -> Hostile {
    let second = Duration::from_secs(1);
    Hostile {
        config: EngineConfig {
            ping_interval: second,
            ping_timeout: second,
            upgrade_timeout: second,
            close_timeout: second,
            ..EngineConfig::default()
        },
        socketio: socketio::IoConfig {
            connect_timeout: second,
            attachment_timeout: second,
            ..socketio::IoConfig::default()
        },
        limits: Limits {
            head_timeout: second,
            idle_timeout: second,
            body_timeout: second,
            message_timeout: second,
            write_timeout: second,
            ..Limits::default()
        },
        panics: 0,
    }
}

/// Runs a row against a server with the default settings.
pub(crate) async fn hostile(row: impl AsyncFnOnce(&TestServer)) {
    hostile_with(Hostile::default(), |builder, _| builder, row).await;
}

/// Runs a row against a server with other settings.
pub(crate) async fn hostile_with(
    hostile: Hostile,
    settings: impl FnOnce(Builder, &Io) -> Builder,
    row: impl AsyncFnOnce(&TestServer),
) {
    count_panics();
    let io = Io::with_config(hostile.socketio);
    apps::echo(&io);
    let builder = Server::builder().config(hostile.config).limits(hostile.limits);
    let builder = builder.socketio("/socket.io/", io.clone()).engineio("/engine.io/", apps::EngineEcho);
    let server = TestServer::start(settings(builder, &io)).await;

    let bystander = Bystander::new(&server).await;
    let before = Held::by(&server);
    row(&server).await;
    bystander.still_served().await;
    Held::returns_to(&before, &server).await;
    bystander.leave().await;
    assert_eq!(PANICS.get(), hostile.panics, "panics");
}

/// What a server holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    sessions: usize,
    tasks: usize,
    descriptors: usize,
}

impl Held {
    fn by(server: &TestServer) -> Held {
        Held {
            sessions: server.service().sessions(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: descriptors(server.address().port()),
        }
    }

    /// Waits until the server holds what it did before. Connections end a little after their last answer.
    async fn returns_to(before: &Held, server: &TestServer) {
        let began = Instant::now();
        while Held::by(server) != *before {
            assert!(began.elapsed() < PATIENCE.get(), "before {before:?}, and then {:?}", Held::by(server));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The connections to a port that a file descriptor stands for on the side that accepted them. (Of one that is
/// closed the kernel may keep a trace for a while, without an inode.)
fn descriptors(port: u16) -> usize {
    // The table is no snapshot: what moves while it is read can be in it twice, or not at all.
    loop {
        let seen = inodes(port);
        if seen == inodes(port) {
            return seen.len();
        }
    }
}

fn inodes(port: u16) -> HashSet<String> {
    const LISTENING: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table of connections");
    let ours = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&ours) && row[3] != LISTENING && row[9] != "0")
        .map(|row| row[9].to_owned())
        .collect()
}

thread_local! {
    /// A test and its server run on one thread, unless it asks for more.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Tokio catches panics in tasks, so that they are seen by nobody unless they are counted.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            hook(panic);
        }));
    });
}

/// A client that does nothing wrong, and talks all the time.
struct Bystander {
    talking: JoinHandle<WebSocket>,
    /// How often it was answered.
    answered: watch::Receiver<u64>,
    leave: watch::Sender<bool>,
}

impl Bystander {
    async fn new(server: &TestServer) -> Bystander {
        let mut websocket = crate::joined(server).await;
        let (answers, answered) = watch::channel(0);
        let (leave, leaving) = watch::channel(false);
        let talking = tokio::spawn(async move {
            while !*leaving.borrow() {
                let n = *answers.borrow() + 1;
                websocket.text(format!(r#"42{n}["message-with-ack",{n}]"#)).await;
                loop {
                    match websocket.next().await {
                        Received::Text(ping) if ping == "2" => websocket.text("3").await,
                        Received::Text(answer) => {
                            assert_eq!(answer, format!("43{n}[{n}]"), "a bystander's answer");
                            break;
                        }
                        other => panic!("a bystander got {other:?}"),
                    }
                }
                answers.send_replace(n);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            websocket
        });
        Bystander { talking, answered, leave }
    }

    /// What the bystander says from now on is answered too.
    async fn still_served(&self) {
        let mut answered = self.answered.clone();
        let now = *answered.borrow_and_update();
        let more = answered.wait_for(|answers| *answers > now + 1);
        let more = tokio::time::timeout(PATIENCE.get(), more).await.expect("a bystander is served");
        assert!(more.is_ok(), "a bystander noticed");
    }

    async fn leave(self) {
        self.leave.send_replace(true);
        drop(self.talking.await.expect("a bystander that noticed nothing"));
    }
}

#[tokio::test]
#[should_panic = "and then Held"]
async fn a_task_that_is_left_behind_is_seen() {
    PATIENCE.set(Duration::from_secs(1));
    hostile(async |_| drop(tokio::spawn(std::future::pending::<()>()))).await;
}

#[tokio::test]
#[should_panic = "and then Held"]
async fn a_session_that_is_left_behind_is_seen() {
    PATIENCE.set(Duration::from_secs(1));
    hostile(async |server| drop(server.open_polling("/engine.io/", 4).await)).await;
}

#[tokio::test]
#[should_panic = "and then Held"]
async fn a_connection_that_is_left_behind_is_seen() {
    PATIENCE.set(Duration::from_secs(1));
    hostile(async |server| {
        let mut connection = server.connect().await;
        connection.request("GET", "/nowhere", &[], b"").await;
        std::mem::forget(connection);
    })
    .await;
}

#[tokio::test]
#[should_panic = "panics"]
async fn a_panic_in_a_task_is_seen() {
    hostile(async |_| drop(tokio::spawn(async { panic!("on purpose") }).await)).await;
}
