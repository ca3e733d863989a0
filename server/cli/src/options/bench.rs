//! The command line of `socketio-server bench`.

use std::time::Duration;

use clap::{Arg, ArgMatches, value_parser};
use engineio::client::ClientConfig;
use socketio::Parser;

use super::connect::{auth, duration, flag, parser, session, target, target_arguments, time, transports};
use super::error::Stop;
use crate::dial::TargetOptions;

/// What the command is called.
pub(super) const NAME: &str = "bench";

/// What `bench` is told to do.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) target: TargetOptions,
    pub(crate) session: ClientConfig,
    pub(crate) parser: Parser,
    /// The JSON of an object.
    pub(crate) auth: Option<String>,
    pub(crate) clients: usize,
    /// Messages a second.
    pub(crate) rate: f64,
    pub(crate) work: Work,
    /// Bytes of each message's text.
    pub(crate) size: usize,
    /// How long messages are sent before they are measured, and after that.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// The time over which clients connect; as soon as they can if there is none.
    pub(crate) ramp: Option<Duration>,
    /// How long the last messages may take.
    pub(crate) wait: Duration,
    pub(crate) json: bool,
}

/// What clients and server do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Each client sends `message`, and gets `message-back`.
    Echo,
    /// Each client sends `message-with-ack`, which is acknowledged.
    Acks,
    /// One client sends `broadcast`, and all get `bcast`.
    Broadcast,
}

impl Work {
    /// The event that goes out.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Work::Echo => "message",
            Work::Acks => "message-with-ack",
            Work::Broadcast => "broadcast",
        }
    }

    /// The event that comes back, unless it is an acknowledgement.
    pub(crate) fn answer(self) -> Option<&'static str> {
        match self {
            Work::Echo => Some("message-back"),
            Work::Acks => None,
            Work::Broadcast => Some("bcast"),
        }
    }
}

pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Measure a Socket.IO server: latencies at a rate that you choose, and what is lost")
        .after_help(
            "The server must have the echo application of the guide, docs/guide/bench.md: ours has it as --app echo.\n\
             Messages go out when they are due, whether or not the answers keep up, and a latency counts from then. The\n\
             exit code is 1 if a message was lost, came twice or out of order, if a client could not stay, or if no\n\
             latency was measured.\n\n\
             socketio-server bench localhost:3000 -c 1000 --rate 5000 --for 1m\n\
             socketio-server bench https://example.com -c 10000 --ramp 30s --transports websocket --broadcast --rate 5 --json",
        )
        .args(target_arguments())
        .arg(transports())
        .arg(flag("msgpack").help("Packets are MessagePack, as with socket.io-msgpack-parser"))
        .arg(
            Arg::new("clients")
                .long("clients")
                .short('c')
                .value_name("NUMBER")
                .default_value("100")
                .value_parser(value_parser!(u32).range(1..))
                .help("How many clients connect"),
        )
        .arg(
            Arg::new("rate")
                .long("rate")
                .value_name("NUMBER")
                .default_value("1000")
                .value_parser(rate)
                .help("How many messages are due in a second, from all clients together"),
        )
        .arg(flag("acks").help("Send messages that are acknowledged, instead of those that come back as events"))
        .arg(
            flag("broadcast")
                .help("Let one client send broadcasts to all instead; the rate counts the broadcasts")
                .conflicts_with("acks"),
        )
        .arg(
            Arg::new("size")
                .long("size")
                .value_name("BYTES")
                .default_value("32")
                .value_parser(value_parser!(u32))
                .help("The length of each message's text"),
        )
        .arg(duration("for", "10s").help("How long to measure"))
        .arg(duration("warm-up", "1s").help("How long to send messages before that"))
        .arg(
            Arg::new("ramp")
                .long("ramp")
                .value_name("TIME")
                .value_parser(humantime::parse_duration)
                .help("Connect the clients evenly over this time, instead of as soon as they can"),
        )
        .arg(duration("wait", "5s").help("How long the last messages may take before they are lost"))
        .arg(flag("json").help("Print the figures as JSON"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=10_000_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("not from 0.001 to 10000000".to_owned())
    }
}

impl Bench {
    pub(super) fn read(matches: &ArgMatches) -> Result<Bench, Stop> {
        let number = |name: &str| matches.get_one::<u32>(name).copied().unwrap_or_default() as usize;
        Ok(Bench {
            target: target(matches),
            session: session(matches),
            parser: parser(matches),
            auth: auth(matches)?,
            clients: number("clients"),
            rate: matches.get_one::<f64>("rate").copied().unwrap_or(1.0),
            work: match (matches.get_flag("acks"), matches.get_flag("broadcast")) {
                (true, _) => Work::Acks,
                (_, true) => Work::Broadcast,
                _ => Work::Echo,
            },
            size: number("size"),
            warm_up: time(matches, "warm-up"),
            time: time(matches, "for"),
            ramp: matches.get_one::<Duration>("ramp").copied(),
            wait: time(matches, "wait"),
            json: matches.get_flag("json"),
        })
    }
}
