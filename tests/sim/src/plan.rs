//! What a seed stands for: the network, the settings, the clients, and how rough it gets.

use std::time::Duration;

use engineio::{EngineConfig, Revision};
use socketio::Recovery;

use crate::chance::Chance;
use crate::net::Weather;

/// Rooms that sockets join and leave.
pub(crate) const ROOMS: [&str; 4] = ["red", "green", "blue", "white"];

/// What a middleware takes at most.
pub(crate) const SLOWEST: Duration = Duration::from_millis(1500);

/// Answers that may be awaited from one client.
pub(crate) const ACKS: usize = 6;

/// A fault of the test's own, planted to show that the property would be seen broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Two events change places.
    Swap,
    /// An event arrives twice.
    Repeat,
    /// An event is lost on a connection that lives on.
    Lose,
    /// An event is lost on a connection that ends.
    Gap,
    /// An answer arrives twice.
    AnswerTwice,
    /// What is retried goes out of order.
    Overtake,
    /// A client that comes back names an older event than its last.
    OldOffset,
    /// A socket that left a room is still in it.
    Room,
    /// What is sent before a drain is lost.
    Drain,
    /// Something is left behind.
    Leak,
    /// A handler panics.
    Panic,
}

/// What a run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) engine: EngineConfig,
    pub(crate) io: socketio::IoConfig,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) slow_middleware: bool,
    /// How long it is rough.
    pub(crate) storm: Duration,
    /// Milliseconds between two things that one of them does.
    pub(crate) pace: u64,
    /// One of so many things that clients do is harmful; `None` for a run without harm.
    pub(crate) harm: Option<u64>,
    pub(crate) restarts: bool,
    pub(crate) drain: bool,
    /// The storm is over.
    pub(crate) calm: bool,
    pub(crate) sabotage: Option<Sabotage>,
}

/// What a client is like.
#[derive(Debug, Clone)]
pub(crate) struct ClientPlan {
    pub(crate) revision: Revision,
    /// It sends events until they are acknowledged.
    pub(crate) retries: bool,
    /// One of so many sessions begins with a WebSocket.
    pub(crate) websocket: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut chance = Chance::new(seed);
        let latency = *chance.pick(&[1, 2, 30, 120]);
        let weather = Weather {
            latency: 0..latency,
            capacity: *chance.pick(&[512, 4096, 65_536]),
            pieces: chance.one_in(2),
        };
        let engine = EngineConfig {
            ping_interval: chance.millis(3000..8000),
            ping_timeout: chance.millis(2000..5000),
            upgrade_timeout: chance.millis(2000..4000),
            close_timeout: chance.millis(1500..3000),
            max_payload: *chance.pick(&[160, 300, 2000, 1_000_000]),
            send_budget: *chance.pick(&[1500, 6000, 1_000_000]),
            ..EngineConfig::default()
        };
        let recovery = chance.one_in(2).then(|| Recovery {
            max_disconnection: chance.millis(4000..20_000),
            bytes: *chance.pick(&[8000, 64_000_000]),
            skip_middlewares: chance.one_in(2),
            ..Recovery::default()
        });
        let io = socketio::IoConfig {
            recovery,
            connect_timeout: Duration::from_secs(10),
            max_pending_acks: ACKS,
            max_running_handlers: *chance.pick(&[2, 256]),
            ..socketio::IoConfig::default()
        };
        let clients = (0..chance.within(1..4))
            .map(|_| ClientPlan {
                revision: if chance.one_in(4) { Revision::V3 } else { Revision::V4 },
                retries: chance.one_in(4),
                websocket: *chance.pick(&[1, 3, 1000]),
            })
            .collect();
        Plan {
            seed,
            weather,
            engine,
            io,
            clients,
            slow_middleware: chance.one_in(4),
            storm: chance.millis(3000..12_000),
            pace: *chance.pick(&[30, 150, 600]),
            harm: (!chance.one_in(4)).then(|| *chance.pick(&[5, 12, 30])),
            restarts: chance.one_in(6),
            drain: chance.one_in(3),
            calm: false,
            sabotage,
        }
    }
}
