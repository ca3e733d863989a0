//! `socketio-server bench`: many clients of a server, messages at a rate, and what became of them.
//!
//! It is an open loop: a thread gives messages out when they are due, whatever the answers do. `socketio-load` has the
//! schedule and the figures, which the project's own bench shares.

mod client;
mod figures;
mod pace;
mod plan;
mod progress;
mod report;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use socketio_load::Histogram;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval, sleep_until, timeout_at};

use crate::options::{Bench, Work};
use crate::output;
use client::{Client, Order, Outcome, Place};
use pace::Pace;
use plan::{GOODBYE, Plan};
use progress::Progress;
use report::{Connects, Report};

/// How many clients connect at once, without a ramp.
const AT_ONCE: usize = 64;

/// A client that has connected or could not, how long that took, and whether it stays on polling against its will.
struct Joined {
    took: Duration,
    client: Result<UnboundedSender<Order>, String>,
    upgrade_failed: bool,
}

/// Measures the server. The exit code is 1 if something was lost.
pub(crate) fn run(options: Bench) -> Result<ExitCode, Box<dyn Error>> {
    crate::raise_descriptor_limit();
    enough_descriptors(&options)?;
    let json = options.json;
    let runtime = Runtime::new()?;
    let report = runtime.block_on(bench(options));
    runtime.shutdown_background();
    let report = report?;
    output::print(&if json { report.json().to_string() + "\n" } else { report.text() });
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A client without a descriptor would look like a server that refuses it.
fn enough_descriptors(options: &Bench) -> Result<(), String> {
    let polling_stays = !options.session.upgrade && options.session.transport == engineio::Transport::Polling;
    let needed = (options.clients * if polling_stays { 2 } else { 1 } + 3 * AT_ONCE) as u64;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(format!(
            "{} clients need {needed} file descriptors, and this process may have {limit}: see ulimit -n",
            options.clients
        )),
        _ => Ok(()),
    }
}

async fn bench(options: Bench) -> Result<Report, Box<dyn Error>> {
    let plan = Arc::new(Plan::of(options).await?);
    let (outcome, outcomes) = mpsc::unbounded_channel();
    let (join, joining) = mpsc::unbounded_channel();
    let began = Instant::now();
    let arriving = tokio::spawn(arrive(plan.clone(), join, outcome));
    let mut progress = Progress::new();
    let (members, connects) = gather(&plan, joining, began, &mut progress).await;
    arriving.abort();
    Ok(measure(&plan, members, connects, outcomes, &mut progress).await)
}

/// Lets the clients come, over the time of the ramp or as soon as they can.
async fn arrive(plan: Arc<Plan>, join: UnboundedSender<Joined>, outcome: UnboundedSender<Outcome>) {
    let (began, permits) = (Instant::now(), Arc::new(Semaphore::new(AT_ONCE)));
    for number in 0..plan.options.clients {
        let (due, permit) = match plan.options.ramp {
            Some(ramp) => {
                let due = began + ramp.mul_f64(number as f64 / plan.options.clients as f64);
                sleep_until(due).await;
                (due, None)
            }
            None => {
                let permit = permits.clone().acquire_owned().await.ok();
                (Instant::now(), permit)
            }
        };
        tokio::spawn(take_part(plan.clone(), due, permit, join.clone(), outcome.clone()));
    }
}

/// All that one client does.
async fn take_part(
    plan: Arc<Plan>,
    due: Instant,
    permit: Option<OwnedSemaphorePermit>,
    join: UnboundedSender<Joined>,
    outcome: UnboundedSender<Outcome>,
) {
    let connected = Client::connect(plan).await;
    drop(permit);
    let took = due.elapsed();
    match connected {
        Ok(client) => {
            let (order, orders) = mpsc::unbounded_channel();
            let upgrade_failed = client.upgrade_failed();
            let _ = join.send(Joined { took, client: Ok(order), upgrade_failed });
            drop(join);
            client.follow(orders, &outcome).await;
        }
        Err(why) => drop(join.send(Joined { took, client: Err(why), upgrade_failed: false })),
    }
}

/// Waits until all clients have connected or failed. Gives nobody if it is interrupted.
async fn gather(
    plan: &Plan,
    mut joining: UnboundedReceiver<Joined>,
    began: Instant,
    progress: &mut Progress,
) -> (Vec<UnboundedSender<Order>>, Connects) {
    let mut members = Vec::new();
    let mut connects = Connects { asked: plan.options.clients as u64, ..Connects::default() };
    let mut tick = interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tokio::select! {
            joined = joining.recv() => {
                let Some(Joined { took, client, upgrade_failed }) = joined else { break };
                match client {
                    Ok(order) => {
                        members.push(order);
                        connects.times.record(took, 1);
                        connects.elapsed = began.elapsed();
                        connects.upgrades_failed += u64::from(upgrade_failed);
                    }
                    Err(why) => *connects.failures.entry(why).or_default() += 1,
                }
            }
            _ = tick.tick() => progress.connecting(began.elapsed(), &connects),
            _ = tokio::signal::ctrl_c() => {
                members.clear();
                break;
            }
        }
    }
    (members, connects)
}

/// Has the messages sent, and waits for them.
async fn measure(
    plan: &Arc<Plan>,
    members: Vec<UnboundedSender<Order>>,
    connects: Connects,
    mut outcomes: UnboundedReceiver<Outcome>,
    progress: &mut Progress,
) -> Report {
    let options = &plan.options;
    // Those that could not stay until now are told of by their outcomes.
    let members: Vec<_> = members.into_iter().filter(|member| !member.is_closed()).collect();
    let mut report = Report::new(options.clone(), connects, members.len() as u64);
    let began = Instant::now();
    for (position, member) in members.iter().enumerate() {
        let place = Place { began, position: position as u64, of: members.len() as u64 };
        let _ = member.send(Order::Begin(place));
    }
    // They stay until nobody can give them orders.
    let all = members.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let cpu = cpu_time();
    let pace = Pace {
        schedule: plan.schedule,
        count: if members.is_empty() { 0 } else { plan.schedule.due_within(options.warm_up + options.time) },
        began: began.into_std(),
        alone: options.work == Work::Broadcast,
        members,
        stop: stop.clone(),
    };
    let mut pacing = tokio::task::spawn_blocking(move || pace.run());
    let mut tick = interval(Duration::from_secs(1));
    tick.tick().await;
    let (mut latency, mut late, mut last_back) = (Histogram::new(), Histogram::new(), Duration::ZERO);
    let mut take = |progress: Option<&mut Progress>| {
        let times = plan.figures.take_times();
        if let Some(progress) = progress {
            progress.measuring(began.elapsed(), &plan.figures, &times.latency);
        }
        latency.add(&times.latency);
        late.add(&times.late);
        last_back = last_back.max(times.last_back);
    };
    report.due = loop {
        tokio::select! {
            due = &mut pacing => break due.unwrap_or_default(),
            _ = tick.tick() => take(Some(&mut *progress)),
            _ = tokio::signal::ctrl_c() => stop.store(true, Ordering::Relaxed),
        }
    };
    report.cpu = cpu_time().saturating_sub(cpu);
    report.elapsed = began.elapsed();
    tokio::select! {
        () = plan.figures.all_back(report.due * report.receivers()) => {}
        () = tokio::time::sleep(options.wait) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    take(None);
    (report.latency, report.late, report.last_back) = (latency, late, last_back);
    report.sent = plan.figures.sent();
    drop(all);
    let until = Instant::now() + GOODBYE;
    while let Ok(Some(outcome)) = timeout_at(until, outcomes.recv()).await {
        report.add(outcome);
    }
    progress.end();
    report
}

/// What this process took of the processors so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
