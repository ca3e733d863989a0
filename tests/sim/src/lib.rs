//! The whole server in virtual time, on a network that is drawn from a seed.
//!
//! ```text
//!   Client ── Session ══ HTTP, WebSocket ══ net ══ hyper ── Service ── Driver ── Session ── socketio ── handlers
//!      │      (models of the real clients)           (the server as it is, without sockets)               │
//!      └───────────────────────────────────▶  Oracle  ◀───────────────────────────────────────────────────┘
//! ```
//!
//! A [`run`] is one thread with its own clock, which jumps to the next deadline when there is nothing left to
//! do. All randomness comes from the seed, including ids and the order of hash maps, so a seed that fails
//! always fails, and [`trace`] shows what happened. Clients poll, post, probe, upgrade, lose their connections,
//! stall, fall silent, break the protocol, come back. The server sends, broadcasts, asks, disconnects, is
//! killed and drained. At the end, the [oracle] checks what should have arrived. One seed in eight is of several
//! nodes on a bus that loses messages.
//!
//! [oracle]: Property

mod bus;
mod chance;
mod client;
mod cluster;
mod entropy;
mod net;
mod oracle;
mod plan;
mod server;
mod session;
mod trace;
mod wire;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

pub use chance::Chance;
use client::Client;
pub use oracle::{Counts, Failure, Property};
use oracle::{Oracle, oracle};
use plan::Plan;
pub use plan::Sabotage;
use server::Server;
use trace::step;
use world::{Phase, World};

/// What became of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The first property that did not hold.
    pub failure: Option<Failure>,
    /// How often something happened.
    pub counts: Counts,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// Whether a seed is of several nodes on a bus, and not of a server and its network.
#[must_use]
pub fn is_of_a_cluster(seed: u64) -> bool {
    seed % 8 == 3
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Outcome {
    in_thread(seed, sabotage, false)
}

/// Runs a seed and writes down what happens.
#[must_use]
pub fn trace(seed: u64, sabotage: Option<Sabotage>) -> Outcome {
    in_thread(seed, sabotage, true)
}

/// A thread of its own begins with nothing of an earlier run.
fn in_thread(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Outcome {
    watch_panics();
    let thread = std::thread::spawn(move || {
        entropy::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            if traced {
                trace::begin();
            }
            if is_of_a_cluster(seed) {
                cluster(seed, sabotage, handle).await;
            } else {
                scenario(Plan::new(seed, sabotage), handle).await;
            }
        });
        let (failure, counts) = oracle(Oracle::finish);
        Outcome { failure, counts, trace: trace::end() }
    });
    thread.join().expect("a run that ends")
}

thread_local! {
    static RUNS: RefCell<bool> = const { RefCell::new(false) };
}

/// A panic anywhere in a run is a failure; a handler's, which the server catches, as well.
fn watch_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if RUNS.try_with(|runs| *runs.borrow()).unwrap_or(false) {
                oracle(|oracle| oracle.fail(Property::Panic, info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}

async fn cluster(seed: u64, sabotage: Option<Sabotage>, handle: tokio::runtime::Handle) {
    RUNS.set(true);
    cluster::storm(Chance::new(seed ^ 0xb05), sabotage).await;
    sleep(Duration::from_secs(100)).await;
    expect_no_tasks(&handle);
    RUNS.set(false);
}

fn expect_no_tasks(handle: &tokio::runtime::Handle) {
    let tasks = handle.metrics().num_alive_tasks();
    if tasks > 0 {
        oracle(|oracle| oracle.fail(Property::Liveness, format!("{tasks} tasks are left")));
    }
}

async fn scenario(plan: Plan, handle: tokio::runtime::Handle) {
    RUNS.set(true);
    let mut chance = Chance::new(plan.seed ^ 0x5eed);
    step!("{plan:#?}");
    net::set_weather(plan.weather.clone(), chance.split());
    server::set_app(plan.clone(), chance.split());
    let server = Server::start(&plan);
    let world = Rc::new(World::new(plan.clone(), server.clone()));
    let mut past = vec![server];
    for (number, client) in plan.clients.iter().enumerate() {
        let client = Client::new(world.clone(), client.clone(), number as u64, chance.split());
        tokio::task::spawn_local(Rc::new(client).live());
    }

    let began = Instant::now();
    while began.elapsed() < plan.storm && !oracle(|oracle| oracle.failed()) {
        sleep(chance.millis(0..2 * plan.pace)).await;
        let server = world.server.borrow().clone();
        if plan.restarts && chance.one_in(50) {
            step!("the server is killed");
            oracle::count("restarts");
            server.kill();
            *world.server.borrow_mut() = Server::start(&plan);
            past.push(world.server.borrow().clone());
        } else {
            server.act().await;
        }
    }

    world.set_phase(Phase::Calm);
    server::calm_down();
    let server = world.server.borrow().clone();
    let (heartbeat, closing) =
        (plan.engine.ping_interval + plan.engine.ping_timeout, plan.engine.close_timeout);
    // Stalled cables flow again, probes are over, and whose cable was cut is found out and comes back.
    sleep(Duration::from_secs(15) + heartbeat + closing).await;
    server.greet_all();
    // No heartbeat should have to wake anybody.
    sleep(Duration::from_millis(1500)).await;
    oracle(Oracle::settled);

    if plan.drain {
        world.set_phase(Phase::Drain);
        server.greet_all();
        let began = Instant::now();
        server.service.drain().await;
        let took = began.elapsed();
        if took > heartbeat + closing + Duration::from_secs(5) {
            oracle(|oracle| oracle.fail(Property::Drain, format!("it took {took:?}")));
        }
        sleep(Duration::from_secs(2)).await;
    }
    world.set_phase(Phase::End);
    sleep(heartbeat + closing + Duration::from_secs(20)).await;
    past.iter().for_each(|server| server.expect_empty());
    if plan.sabotage == Some(Sabotage::Leak) {
        tokio::spawn(std::future::pending::<()>());
    }
    past.iter().for_each(|server| server.cut());
    // Handlers that were slow, and the HTTP connections.
    sleep(Duration::from_secs(100)).await;
    expect_no_tasks(&handle);
    RUNS.set(false);
}
