//! The server's sockets.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{Oracle, Property};
use crate::plan::SLOWEST;
use crate::trace::step;

#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) stage: Stage,
    pub(super) sent: Vec<Sent>,
    pub(super) rooms: BTreeSet<String>,
    pub(super) mark: u64,
    /// How much had been sent when it was last recovered.
    pub(super) resumed_at: usize,
    pub(super) pending_acks: usize,
    /// The server has put its client out, and it has to hear of that.
    pub(super) put_out: Option<PutOut>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) n: u64,
    /// A volatile event may be lost.
    pub(super) volatile: bool,
    /// It is sent again after a recovery.
    pub(super) kept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connected,
    Away(Instant),
    Over,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PutOut {
    pub(super) at: Instant,
    /// Its session closes too, and waits for `close_timeout` until the client has been told.
    pub(super) closes: bool,
}

impl Oracle {
    /// A new server knows nothing of earlier sockets.
    pub(crate) fn server_restarted(&mut self) {
        self.by_id.clear();
        self.lines.iter_mut().for_each(|line| line.stage = Stage::Over);
    }

    pub(crate) fn socket_connected(&mut self, id: &str) -> u64 {
        let mark = self.number();
        self.by_id.insert(id.to_owned(), self.lines.len());
        self.lines.push(Line {
            id: id.to_owned(),
            stage: Stage::Connected,
            sent: Vec::new(),
            rooms: BTreeSet::new(),
            mark,
            resumed_at: 0,
            pending_acks: 0,
            put_out: None,
        });
        mark
    }

    pub(crate) fn socket_recovered(
        &mut self,
        id: &str,
        rooms: &BTreeSet<String>,
        mark: Option<u64>,
        window: Duration,
    ) {
        let Some(&at) = self.by_id.get(id) else {
            return self.fail(Property::Recovery, format!("{id} was recovered and never connected"));
        };
        let line = &mut self.lines[at];
        let (stage, sent) = (std::mem::replace(&mut line.stage, Stage::Connected), line.sent.len());
        line.resumed_at = sent;
        let (had_rooms, had_mark) = (line.rooms.clone(), line.mark);
        match stage {
            // The middlewares may have taken their time.
            Stage::Away(since) if since.elapsed() > window + SLOWEST => {
                self.fail(
                    Property::Recovery,
                    format!("{id} was recovered too late, after {:?}", since.elapsed()),
                );
            }
            Stage::Away(_) => {}
            other => self.fail(Property::Recovery, format!("{id} was recovered while it was {other:?}")),
        }
        if had_rooms != *rooms {
            self.fail(Property::Recovery, format!("{id} was in {had_rooms:?}, and recovered in {rooms:?}"));
        }
        if mark != Some(had_mark) {
            self.fail(Property::Recovery, format!("{id} had {had_mark}, and recovered with {mark:?}"));
        }
    }

    pub(crate) fn socket_ended(&mut self, id: &str, may_come_back: bool) {
        if let Some(&at) = self.by_id.get(id)
            && self.lines[at].stage == Stage::Connected
        {
            self.lines[at].stage = if may_come_back { Stage::Away(Instant::now()) } else { Stage::Over };
        }
    }

    /// The server puts a client out, which is to be told so in any case, or if there is time. `closes` says whether
    /// its session ends as well.
    pub(crate) fn put_out(&mut self, id: &str, in_any_case: bool, closes: bool) {
        self.socket_ended(id, false);
        if let Some(line) = self.line(id) {
            line.put_out = in_any_case.then(|| PutOut { at: Instant::now(), closes });
        }
    }

    fn line(&mut self, id: &str) -> Option<&mut Line> {
        self.by_id.get(id).map(|at| &mut self.lines[*at])
    }

    pub(crate) fn joined(&mut self, id: &str, room: &str) {
        if let Some(line) = self.line(id).filter(|line| line.stage == Stage::Connected) {
            line.rooms.insert(room.to_owned());
        }
    }

    pub(crate) fn left(&mut self, id: &str, room: &str) {
        if let Some(line) = self.line(id).filter(|line| line.stage == Stage::Connected) {
            line.rooms.remove(room);
        }
    }

    /// An event was sent to one socket.
    pub(crate) fn sent(&mut self, id: &str, n: u64, volatile: bool, kept: bool) {
        step!("server sends {n} to {id}");
        if let Some(line) = self.line(id).filter(|line| line.stage != Stage::Over) {
            line.sent.push(Sent { n, volatile, kept });
        }
    }

    /// An event was sent to all who are in one of the rooms, or to all; perhaps from a socket.
    pub(crate) fn broadcast(
        &mut self,
        from: Option<&str>,
        rooms: &[String],
        except: &[String],
        n: u64,
        volatile: bool,
    ) {
        if from.is_some_and(|id| !self.by_id.contains_key(id)) {
            // A handler of a server that was killed runs to its end, and reaches nobody.
            return;
        }
        step!("server broadcasts {n} to {rooms:?} without {except:?}");
        for line in self.lines.iter_mut().filter(|line| line.stage != Stage::Over) {
            let is_in = |room: &String| *room == line.id || line.rooms.contains(room);
            if (rooms.is_empty() || rooms.iter().any(is_in)) && !except.iter().any(is_in) {
                line.sent.push(Sent { n, volatile, kept: !volatile });
            }
        }
    }
}
