//! The upgrade: what a probing WebSocket sends, and when polls are answered because of it.

use std::time::{Duration, Instant};

use super::{MOST_PUT_OFF, NOOP_PAUSE, Output, PollAnswer, Probe, State, StateMachine};
use crate::deadline::deadline;
use crate::{Packet, Revision, Violation};

impl StateMachine {
    /// The probe: `2probe`, answered with `3probe`, then `5`. A client may repeat the first or leave it out, as
    /// arduinoWebSockets does. Anything else ends that WebSocket alone.
    pub(super) fn probe_packet(
        &mut self,
        now: Instant,
        packet: Result<Packet, Violation>,
        out: &mut Vec<Output>,
    ) {
        let (State::Probing { probe, .. } | State::Closing { probe: Some(probe), .. }) = &mut self.state
        else {
            return;
        };
        match packet {
            Ok(Packet::Ping(payload)) if payload == "probe" => {
                out.push(Output::SendProbe(Packet::Pong(payload)));
                if let Probe::Opened = **probe {
                    let pause = match self.revision {
                        // Its client encodes what it posts twice, decodes a poll's text twice, and a WebSocket's
                        // once. So the answers to a POST that is being handled have to be sent by the poll.
                        Revision::V3 => NOOP_PAUSE,
                        Revision::V4 => Duration::ZERO,
                    };
                    **probe = Probe::Ponged { from: now + pause, put_off: 0 };
                    self.let_go(now, out);
                }
            }
            Ok(Packet::Upgrade) => {
                if self.parked {
                    self.answer(PollAnswer::Noop, out);
                }
                self.state = if self.is_open() { State::Direct } else { State::Closed };
                out.push(Output::Upgrade);
            }
            packet => {
                self.probe_ended(now);
                if packet.is_ok() {
                    out.push(Output::Broken(Violation::Probe));
                }
                out.push(Output::DropProbe);
            }
        }
    }

    /// A message was posted, or a poll has come, beside which one may be posted: in revision 3, the poll waits for its answer.
    pub(super) fn put_off_noop(&mut self, now: Instant) {
        if self.revision == Revision::V3
            && let State::Probing { probe, .. } = &mut self.state
            && let Probe::Ponged { from, put_off } = &mut **probe
        {
            let more = (now + NOOP_PAUSE).saturating_duration_since(*from).as_millis();
            let more = u16::try_from(more).unwrap_or(u16::MAX).min(MOST_PUT_OFF - *put_off);
            *from += Duration::from_millis(more.into());
            *put_off += more;
        }
    }

    /// Polling continues without the probe.
    pub(super) fn probe_ended(&mut self, now: Instant) {
        match &mut self.state {
            State::Probing { .. } => self.state = State::Polling,
            State::Closing { until, probe: probe @ Some(_) } => {
                *probe = None;
                *until = (*until).min(deadline(now, self.engine.config.close_timeout));
            }
            _ => {}
        }
    }

    /// Answers the parked poll with a noop if a probe has waited long enough for it.
    pub(super) fn let_go(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let State::Probing { probe, .. } = &mut self.state
            && probe.noop(self.parked).is_some_and(|noop| noop <= now)
        {
            **probe = Probe::Released { next: None };
            if self.parked {
                self.answer(PollAnswer::Noop, out);
            }
        }
    }
}
