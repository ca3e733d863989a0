//! Recent records, up to a number of bytes. Each page reads them at its own pace: a page that is too slow misses
//! some, and nothing waits for it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::observe::journal::{Entry, Record};

/// About the memory of a line besides its bytes.
const OVERHEAD: usize = 96;

/// The latest lines of a journal, as many as there is room for.
pub(crate) struct Recent {
    /// How many bytes they may take.
    room: usize,
    lines: Mutex<Lines>,
    news: watch::Sender<()>,
}

#[derive(Default)]
struct Lines {
    began: u64,
    header: Bytes,
    /// By their numbers, oldest first.
    lines: VecDeque<Line>,
    /// How each session began that is still open when its first lines are dropped from `lines`, so that a page that
    /// comes later knows what it sees.
    sessions: HashMap<u64, Vec<Line>>,
    /// The cost of all of them.
    cost: usize,
    /// The memory of `sessions`.
    kept: usize,
}

#[derive(Clone)]
struct Line {
    n: u64,
    time: f64,
    /// The session whose beginning this belongs to.
    begins: Option<u64>,
    json: Bytes,
}

/// Lines in order, for one page.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) lines: Vec<Bytes>,
    /// The number of the last one.
    pub(super) last: u64,
    /// Whether there is more.
    pub(super) more: bool,
}

impl Line {
    fn cost(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

impl Recent {
    pub(super) fn new(room: usize) -> Recent {
        Recent { room, lines: Mutex::default(), news: watch::Sender::new(()) }
    }

    /// A journal begins: its time in milliseconds since 1970, and its first line.
    pub(crate) fn begin(&self, began: u64, header: Bytes) {
        *self.lines.lock() = Lines { began, header, ..Lines::default() };
    }

    /// One more record.
    pub(crate) fn push(&self, record: &Record, json: Bytes) {
        let mut lines = self.lines.lock();
        let begins = match (record.session, &record.entry) {
            (Some(session), Entry::Opened { .. } | Entry::PlainOpened) => {
                lines.sessions.insert(session, Vec::new());
                Some(session)
            }
            (Some(session), Entry::Upgraded { .. } | Entry::Joined { .. } | Entry::Left { .. }) => {
                Some(session)
            }
            (Some(session), Entry::Ended | Entry::PlainEnded { .. }) => {
                let kept = lines.sessions.remove(&session).unwrap_or_default();
                let cost: usize = kept.iter().map(Line::cost).sum();
                lines.cost -= cost;
                lines.kept -= cost;
                None
            }
            _ => None,
        };
        let line = Line { n: record.n, time: record.time, begins, json };
        lines.cost += line.cost();
        lines.lines.push_back(line);
        while lines.cost > self.room {
            let Some(line) = lines.lines.pop_front() else { break };
            lines.drop_or_keep(line, self.room / 4);
        }
    }

    /// Tells the pages that there is something new.
    pub(crate) fn tell(&self) {
        self.news.send_replace(());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The journal's first line, and when it began.
    pub(super) fn header(&self) -> (u64, Bytes) {
        let lines = self.lines.lock();
        (lines.began, lines.header.clone())
    }

    /// The records after the number `after`: `most` bytes of them, or slightly more. If records are missing, a record
    /// says how many.
    pub(super) fn read(&self, after: u64, most: usize) -> Batch {
        let lines = self.lines.lock();
        let mut batch = Batch { last: after, ..Batch::default() };
        let Some(first) = lines.lines.front() else { return batch };
        if first.n > after + 1 {
            let mut kept: Vec<_> = lines.sessions.values().flatten().filter(|line| line.n > after).collect();
            kept.sort_unstable_by_key(|line| line.n);
            batch.lines.extend(kept.iter().map(|line| line.json.clone()));
            let missing = first.n - 1 - after - kept.len() as u64;
            if missing > 0 {
                let lost = Record::lost(first.n - 1, first.time, missing);
                batch.lines.push(serde_json::to_vec(&lost).unwrap_or_default().into());
            }
            batch.last = first.n - 1;
        }
        let mut bytes = 0;
        let start = lines.lines.partition_point(|line| line.n <= batch.last);
        for line in lines.lines.range(start..) {
            if bytes >= most {
                batch.more = true;
                break;
            }
            bytes += line.json.len();
            batch.last = line.n;
            batch.lines.push(line.json.clone());
        }
        batch
    }
}

impl Lines {
    /// Drops a line for which there is no room, unless its session is open.
    fn drop_or_keep(&mut self, line: Line, room: usize) {
        let cost = line.cost();
        self.cost -= cost;
        let session = line.begins.and_then(|session| self.sessions.get_mut(&session));
        if let Some(kept) = session.filter(|_| self.kept + cost <= room) {
            kept.push(line);
            self.kept += cost;
            self.cost += cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(recent: &Recent, n: u64, session: u64, entry: Entry) {
        let record = Record { n, session: Some(session), ..Record::of(entry) };
        recent.push(&record, serde_json::to_vec(&record).unwrap().into());
    }

    fn opened() -> Entry {
        let (sid, transport) = ("a".to_owned(), "polling".to_owned());
        Entry::Opened { sid, transport, revision: 4, base64: false }
    }

    /// The numbers of a batch's records, and how many each of them says were lost.
    fn numbers(batch: &Batch) -> Vec<(u64, u64)> {
        let records = batch.lines.iter().map(|line| serde_json::from_slice::<Record>(line).unwrap());
        let number = |record: Record| match record.entry {
            Entry::Lost { records } => (record.n, records),
            _ => (record.n, 0),
        };
        records.map(number).collect()
    }

    #[test]
    fn who_comes_in_time_misses_nothing() {
        let recent = Recent::new(1_000_000);
        assert_eq!(recent.read(0, 1), Batch::default());
        (1..=3).for_each(|n| push(&recent, n, 1, Entry::Attachment));
        let all = recent.read(0, 1_000);
        assert_eq!((numbers(&all), all.last, all.more), (vec![(1, 0), (2, 0), (3, 0)], 3, false));
        let one = recent.read(1, 1);
        assert_eq!((numbers(&one), one.last, one.more), (vec![(2, 0)], 2, true));
        assert_eq!(recent.read(3, 1), Batch { last: 3, ..Batch::default() });
    }

    #[test]
    fn what_has_no_room_is_counted_and_takes_none() {
        let recent = Recent::new(2_000);
        (1..=1_000).for_each(|n| push(&recent, n, 1, Entry::Attachment));
        assert!(recent.lines.lock().cost <= 2_000);
        let late = recent.read(100, usize::MAX);
        let numbers = numbers(&late);
        let first = numbers[1].0;
        assert_eq!(numbers[0], (first - 1, first - 1 - 100), "the last that is lost, and how many");
        assert_eq!(numbers.last(), Some(&(1_000, 0)));
        assert_eq!(numbers.len() as u64, 1 + 1_000 - (first - 1));
    }

    #[test]
    fn how_a_session_began_is_kept_while_it_lives() {
        let recent = Recent::new(4_000);
        push(&recent, 1, 7, opened());
        push(&recent, 2, 8, opened());
        (3..=500).for_each(|n| push(&recent, n, 7, Entry::Attachment));
        let late = numbers(&recent.read(0, usize::MAX));
        assert_eq!((late[0], late[1]), ((1, 0), (2, 0)));
        assert_eq!(late[2].1, late[2].0 - 2, "the others are lost");
        push(&recent, 501, 7, Entry::Ended);
        assert_eq!(numbers(&recent.read(0, usize::MAX))[0], (2, 0));
        push(&recent, 502, 8, Entry::Ended);
        let lines = recent.lines.lock();
        assert_eq!((lines.kept, lines.sessions.len()), (0, 0));
        assert_eq!(lines.cost, lines.lines.iter().map(Line::cost).sum::<usize>());
    }

    #[test]
    fn beginnings_take_no_more_than_their_share() {
        let recent = Recent::new(4_000);
        (1..=1_000).for_each(|n| push(&recent, n, n, opened()));
        let lines = recent.lines.lock();
        assert!(lines.kept <= 1_000 && lines.cost <= 4_000, "{} of {}", lines.kept, lines.cost);
    }
}
