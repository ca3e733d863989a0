//! The session: any inputs in any order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{
    CloseReason, Config, Input, Message, Output, Packet, Revision, StateMachine, Transport, Violation,
};

use crate::Choices;

/// Any inputs in any order: the end comes once and is the last word to the layer, a poll is answered once and
/// only if it is parked, and whoever is not over has a deadline.
pub fn session(input: &[u8]) {
    let mut choices = Choices(input);
    let start = choices.byte();
    let revision = if start & 1 > 0 { Revision::V3 } else { Revision::V4 };
    let transport = if start & 2 > 0 { Transport::WebSocket } else { Transport::Polling };
    let mut now = Instant::now();
    let mut session = StateMachine::new(Arc::new(Config::default()), revision, transport, now);
    let (mut out, mut closed, mut upgrades) = (Vec::new(), false, 0);
    while !choices.is_empty() {
        now += Duration::from_millis(u64::from(choices.byte()) * 100);
        let input = draw(&mut choices);
        let polls = matches!(input, Input::PollOpened { .. });
        if polls && session.is_parked() {
            // The driver's doors let one in.
            continue;
        }
        let mut parked = session.is_parked() || polls;
        if matches!(input, Input::PollAborted { .. }) {
            parked = false;
        }
        session.handle(now, input, &mut out);
        for output in out.drain(..) {
            match output {
                Output::Answer(_) => assert!(std::mem::take(&mut parked), "nobody waits for an answer"),
                Output::Closed(_) => assert!(!std::mem::replace(&mut closed, true), "it ended twice"),
                Output::Deliver(_) | Output::Send(_) => assert!(!closed, "{output:?} behind the end"),
                Output::Upgrade => upgrades += 1,
                Output::SendProbe(_) | Output::DropProbe | Output::Broken(_) => {}
            }
        }
        assert_eq!(parked, session.is_parked());
        assert_eq!(closed, !session.is_open());
        assert_eq!(session.deadline().is_none(), session.is_over());
        assert!(upgrades <= usize::from(transport == Transport::Polling), "a second upgrade");
    }
}

fn draw(choices: &mut Choices<'_>) -> Input {
    let packet = |choices: &mut Choices<'_>| match choices.byte() % 10 {
        0 => Ok(Packet::Open("{}".into())),
        1 => Ok(Packet::Close),
        2 => Ok(Packet::Ping("probe".into())),
        3 => Ok(Packet::Ping("".into())),
        4 => Ok(Packet::Pong("".into())),
        5 => Ok(Packet::Message(Message::Text(ByteString::from_static("text")))),
        6 => Ok(Packet::Message(Message::Binary(Bytes::from_static(b"binary")))),
        7 => Ok(Packet::Upgrade),
        8 => Ok(Packet::Noop),
        _ => Err(Violation::Utf8),
    };
    match choices.byte() % 15 {
        0 => Input::PollOpened { queued: false },
        1 => Input::PollOpened { queued: true },
        2 => Input::PollAborted { lost: false },
        3 => Input::PollAborted { lost: true },
        4 => Input::Broken(Violation::Aborted),
        5 => Input::Broken(Violation::Overlap),
        6 => Input::Queued,
        7 => Input::Packet(packet(choices)),
        8 => Input::ProbeOpened,
        9 => Input::ProbePacket(packet(choices)),
        10 => Input::ProbeClosed,
        11 => Input::TransportClosed(CloseReason::TransportClose),
        12 => Input::Close(CloseReason::ForcedClose),
        13 => Input::Taken,
        _ => Input::Timeout,
    }
}
