//! The rules of a session, in virtual time: each test gives a state machine inputs, and looks at its outputs. No bytes, no
//! doors and no mailbox are here: the tests of `session` have those.
//!
//! | file | what it tests |
//! |---|---|
//! | `polling` | polls, parked and overlapping |
//! | `packets` | what packets do, and how many may come |
//! | `heartbeat` | pings, pongs, and what else is a sign of life |
//! | `upgrade` | a probe, and polling beside it |
//! | `closing` | who is told of the end, and by what |
//! | `closing_probed` | the same while a client upgrades |

mod closing;
mod closing_probed;
mod heartbeat;
mod packets;
mod polling;
mod upgrade;

use super::*;
use crate::Message;

/// A session and its clock. `out` holds what the last call brought.
struct Rig {
    session: StateMachine,
    now: Instant,
    start: Instant,
}

impl Rig {
    fn new(revision: Revision, transport: Transport) -> Rig {
        let now = Instant::now();
        let session = StateMachine::new(Arc::new(Engine::default()), revision, transport, now);
        Rig { session, now, start: now }
    }

    fn polling() -> Rig {
        Rig::new(Revision::V4, Transport::Polling)
    }

    fn direct() -> Rig {
        Rig::new(Revision::V4, Transport::WebSocket)
    }

    /// A polling session whose probe was answered, with no poll parked.
    fn ponged() -> Rig {
        let mut rig = Rig::polling();
        rig.put(Input::ProbeOpened);
        assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into()))]);
        rig
    }

    fn put(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        out
    }

    fn poll(&mut self) -> Vec<Output> {
        self.put(Input::PollOpened { queued: false })
    }

    fn packet(&mut self, packet: Packet) -> Vec<Output> {
        self.put(Input::Packet(Ok(packet)))
    }

    fn probe(&mut self, packet: Packet) -> Vec<Output> {
        self.put(Input::ProbePacket(Ok(packet)))
    }

    /// Moves to the deadline, which must be `after` milliseconds from the start.
    fn expire(&mut self, after: u64) -> Vec<Output> {
        let deadline = self.session.deadline().expect("a deadline");
        assert_eq!((deadline - self.start).as_millis(), u128::from(after), "the deadline");
        self.now = deadline;
        self.put(Input::Timeout)
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

fn ping(payload: &'static str) -> Packet {
    Packet::Ping(payload.into())
}

fn pong() -> Packet {
    Packet::Pong("".into())
}

fn text(text: &'static str) -> Packet {
    Packet::Message(Message::Text(text.into()))
}

const PARKED: [Output; 0] = [];
const NOOP: Output = Output::Answer(PollAnswer::Noop);
const CLOSE: Output = Output::Answer(PollAnswer::Close);

/// What comes of a rule that has nothing to do with how packets are written.
fn broken(violation: Violation) -> [Output; 2] {
    [Output::Broken(violation), Output::Closed(CloseReason::TransportError)]
}
