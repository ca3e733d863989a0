//! What passed in a case, in the format of `docs/journal.md`: the inspector opens it, `explain` explains it, and `replay`
//! sends it again.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use engineio::{PacketType, Revision};
use parking_lot::Mutex;
use socketio_explain::journal::{Carrier, Direction, Entry, Header, Raw, Record, VERSION};
use socketio_explain::{Settings, explain_journal};
use tokio::time::Instant;

use crate::packet::{SocketIoPacket, Wire};

/// The most records of one case, and the most bytes in them. A client that sends without end fills no memory with them.
const MOST: usize = 5_000;

/// See there.
const BUDGET: usize = 8 << 20;

/// The most bytes that one record keeps.
const LONGEST: usize = 100_000;

/// The most bytes of one record in a report.
const LONGEST_IN_REPORT: usize = 2_000;

/// The most records of a case in a report: so many from the beginning, and so many from the end.
const MOST_IN_REPORT: usize = 400;

/// Records one case.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    header: Header,
    /// The most bytes that all its records keep.
    budget: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: Vec<Record>,
    /// The bytes in them.
    bytes: usize,
    /// The number of each session, and when it began, by its sid.
    sessions: HashMap<String, (u64, f64)>,
    /// How many records came when there were too many already.
    lost: u64,
}

/// All that passed in a case, in the format of a journal.
#[derive(Clone, Debug, Default)]
pub struct CaseJournal {
    /// Enough to see what happened: long messages are cut, and of many records the first and the last are left.
    pub short: String,
    /// The whole, if it is longer.
    whole: Option<String>,
}

impl CaseJournal {
    /// All that was recorded.
    #[must_use]
    pub fn whole(&self) -> &str {
        self.whole.as_ref().unwrap_or(&self.short)
    }
}

/// What a record belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordPlace<'a> {
    /// The session's id, if there is a session.
    pub sid: Option<&'a str>,
    /// Who sent it.
    pub direction: Option<Direction>,
    /// What carries it.
    pub carrier: Option<Carrier>,
    /// The record that contains it, or 0.
    pub from: u64,
}

impl Default for Recorder {
    fn default() -> Recorder {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let header = Header {
            journal: VERSION,
            by: format!("socketio-lab {}", env!("CARGO_PKG_VERSION")),
            began: u64::try_from(began).unwrap_or_default(),
            redacted: false,
        };
        Recorder { began: Instant::now(), header, budget: BUDGET, kept: Mutex::default() }
    }
}

impl Recorder {
    /// One that keeps nothing, for connections that are no part of a case.
    #[must_use]
    pub fn idle() -> Recorder {
        Recorder { budget: 0, ..Recorder::default() }
    }

    /// Adds a record, and returns its number; 0 if there are too many already.
    pub fn add(&self, place: RecordPlace<'_>, raw: Option<&[u8]>, mut entry: Entry) -> u64 {
        if self.budget == 0 {
            return 0;
        }
        let time = self.time();
        let raw_kept = raw.map(|raw| beginning(raw, LONGEST));
        let left_out = raw.and_then(|raw| left_out(raw, LONGEST));
        if let (Some(_), Entry::SocketPacket { payload, .. }) = (left_out, &mut entry) {
            // It says the same once more.
            *payload = None;
        }
        let mut kept = self.kept.lock();
        if let Entry::Opened { sid, .. } = &entry {
            let number = kept.sessions.len() as u64 + 1;
            kept.sessions.entry(sid.clone()).or_insert((number, time));
        }
        let bytes = raw_kept.map_or(0, <[u8]>::len) + size(&entry);
        // After the first that is lost, so are all: their numbers go on.
        if kept.lost > 0 || kept.records.len() >= MOST || kept.bytes + bytes > self.budget {
            kept.lost += 1;
            return 0;
        }
        kept.bytes += bytes;
        let session = place.sid.and_then(|sid| kept.sessions.get(sid)).copied();
        let n = kept.records.len() as u64 + 1;
        kept.records.push(Record {
            n,
            time,
            session: session.map(|(number, _)| number),
            at: session.map(|(_, began)| ((time - began) * 1e3).round() / 1e3),
            direction: place.direction,
            carrier: place.carrier,
            from: Some(place.from).filter(|from| *from > 0),
            left_out,
            raw: raw_kept.map(|raw| Raw(raw.to_vec())),
            entry,
        });
        n
    }

    /// The head of a request.
    pub fn request(
        &self,
        sid: Option<&str>,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        address: Option<String>,
    ) -> u64 {
        let place = RecordPlace { sid, direction: Some(Direction::In), ..RecordPlace::default() };
        let (method, target, headers) = (method.to_owned(), target.to_owned(), headers.to_vec());
        self.add(place, None, Entry::Request { method, target, headers, address, secure: false })
    }

    /// The answer to a request.
    pub fn response(
        &self,
        sid: Option<&str>,
        from: u64,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
    ) {
        let place = RecordPlace { sid, direction: Some(Direction::Out), from, ..RecordPlace::default() };
        self.add(place, Some(body), Entry::Response { status, headers: headers.to_vec() });
    }

    /// A session begins.
    pub fn opened(&self, from: u64, sid: &str, transport: &str, revision: Revision, base64: bool) {
        let entry = Entry::Opened {
            sid: sid.to_owned(),
            transport: transport.to_owned(),
            revision: revision.number(),
            base64,
        };
        self.add(RecordPlace { sid: Some(sid), from, ..RecordPlace::default() }, None, entry);
    }

    /// A WebSocket frame, and the packet in it.
    pub fn frame(&self, place: RecordPlace<'_>, opcode: u8, fin: bool, payload: &[u8]) {
        let name = match opcode {
            0 => "continuation".to_owned(),
            1 => "text".to_owned(),
            2 => "binary".to_owned(),
            8 => "close".to_owned(),
            9 => "ping".to_owned(),
            10 => "pong".to_owned(),
            other => other.to_string(),
        };
        let n = self.add(place, Some(payload), Entry::Frame { opcode: name, fin, compressed: None });
        match (opcode, fin, std::str::from_utf8(payload)) {
            (1, true, Ok(text)) => self.packet(RecordPlace { from: n, ..place }, &Wire::from(text)),
            (2, true, _) => self.packet(RecordPlace { from: n, ..place }, &Wire::from(payload)),
            _ => {}
        }
    }

    /// An Engine.IO packet, and the Socket.IO packet in it.
    pub fn packet(&self, place: RecordPlace<'_>, packet: &Wire) {
        let (raw, name, binary) = match packet {
            Wire::Binary(bytes) => (&bytes[..], "message", true),
            Wire::Text(text) => {
                let Some(kind) = text.bytes().next().and_then(PacketType::from_digit) else { return };
                (text.as_bytes(), kind.name(), false)
            }
        };
        let n = self.add(place, Some(raw), Entry::Packet { packet: name.to_owned(), binary });
        let inside = RecordPlace { from: n, carrier: None, ..place };
        if binary {
            self.add(inside, Some(raw), Entry::Attachment);
        }
        let Wire::Text(text) = packet else { return };
        if let Some(socket) = text.strip_prefix('4').and_then(SocketIoPacket::read) {
            let entry = Entry::SocketPacket {
                packet: socket.name().to_owned(),
                nsp: socket.nsp.clone(),
                id: socket.id,
                attachments: socket.attachments,
                payload: socket.data.clone(),
            };
            self.add(inside, Some(socket.raw.as_bytes()).filter(|raw| !raw.is_empty()), entry);
        }
    }

    /// Something that the case did or saw beside the wire.
    pub fn note(&self, sid: Option<&str>, name: &str, text: &str) {
        self.add(RecordPlace { sid, ..RecordPlace::default() }, None, note(name, text));
    }

    /// The last record, which shows how long the case went on. It has a place however many came before.
    pub fn verdict(&self, text: &str) {
        let time = self.time();
        let mut kept = self.kept.lock();
        let mut n = kept.records.len() as u64;
        if kept.lost > 0 {
            n += kept.lost;
            let lost = Record::lost(n, time, std::mem::take(&mut kept.lost));
            kept.records.push(lost);
        }
        kept.records.push(Record { n: n + 1, time, ..Record::of(note("verdict", text)) });
    }

    /// Milliseconds since the case began.
    fn time(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }

    /// All of it, as a file. What the client sent against the rules is marked: the rules are those of `explain`.
    #[must_use]
    pub fn journal(&self) -> CaseJournal {
        let mut records = self.kept.lock().records.clone();
        let broken: Vec<_> = explain_journal(&records, &Settings::default())
            .into_iter()
            .filter(|(record, _)| record.direction == Some(Direction::In))
            .filter_map(|(record, explained)| {
                explained.broken.map(|broken| (record.n, record.session, broken))
            })
            .collect();
        let marked: HashSet<u64> = broken.iter().map(|(from, ..)| *from).collect();
        for (from, session, broken) in broken {
            let (n, time) = records.last().map_or((1, 0.0), |record| (record.n + 1, record.time));
            let entry = Entry::Violation {
                rule: broken.rule.id.to_owned(),
                section: broken.rule.section.to_owned(),
                text: format!("byte {}: {}", broken.at, broken.rule.what),
            };
            let direction = Some(Direction::In);
            records.push(Record { n, time, session, direction, from: Some(from), ..Record::of(entry) });
        }
        let whole = self.lines(&records);
        let short = self.lines(&shortened(records, &marked));
        CaseJournal { whole: Some(whole).filter(|whole| *whole != short), short }
    }

    fn lines(&self, records: &[Record]) -> String {
        let lines = records.iter().filter_map(|record| record.line().ok());
        self.header.line().into_iter().chain(lines).map(|line| line + "\n").collect()
    }
}

fn note(name: &str, text: &str) -> Entry {
    let text = match left_out(text.as_bytes(), LONGEST_IN_REPORT) {
        None => text.to_owned(),
        Some(bytes) => {
            let kept = beginning(text.as_bytes(), LONGEST_IN_REPORT);
            format!("{}… ({bytes} bytes more)", String::from_utf8_lossy(kept))
        }
    };
    let (nsp, socket, source) = ("/".to_owned(), String::new(), "lab".to_owned());
    Entry::Note { nsp, socket, source, name: name.to_owned(), text, took: None }
}

/// The bytes of what a client chooses in an entry. A payload says what the record's own bytes say.
fn size(entry: &Entry) -> usize {
    let fields = |headers: &[(String, String)]| -> usize {
        headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    match entry {
        Entry::Request { target, headers, .. } => target.len() + fields(headers),
        Entry::Response { headers, .. } => fields(headers),
        Entry::Note { text, .. } => text.len(),
        _ => 0,
    }
}

/// The records with the beginnings of their bytes; without those in the middle, if there are many. Those that are `marked` stay.
fn shortened(records: Vec<Record>, marked: &HashSet<u64>) -> Vec<Record> {
    let last = records.len().saturating_sub(MOST_IN_REPORT);
    let mut short: Vec<Record> = Vec::new();
    let mut lost = 0;
    for (at, record) in records.into_iter().enumerate() {
        if (MOST_IN_REPORT..last).contains(&at) && !marked.contains(&record.n) {
            lost += 1;
            continue;
        }
        if lost > 0 {
            short.push(Record::lost(record.n - 1, record.time, std::mem::take(&mut lost)));
        }
        short.push(cut(record));
    }
    short
}

fn cut(mut record: Record) -> Record {
    let Some(Raw(raw)) = &mut record.raw else { return record };
    let Some(bytes) = left_out(raw, LONGEST_IN_REPORT) else { return record };
    let kept = beginning(raw, LONGEST_IN_REPORT).len();
    raw.truncate(kept);
    record.left_out = Some(record.left_out.unwrap_or(0) + bytes);
    if let Entry::SocketPacket { payload, .. } = &mut record.entry {
        // It says the same once more.
        *payload = None;
    }
    record
}

/// As much of this as fits, without half a character at the end if it is text.
fn beginning(bytes: &[u8], longest: usize) -> &[u8] {
    let cut = &bytes[..bytes.len().min(longest)];
    match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() && cut.len() < bytes.len() => &cut[..error.valid_up_to()],
        _ => cut,
    }
}

/// How many bytes that leaves out, if any.
fn left_out(bytes: &[u8], longest: usize) -> Option<u64> {
    Some((bytes.len() - beginning(bytes, longest).len()) as u64).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal of a session by WebSocket in which the client sends these messages.
    fn journal(messages: &[String]) -> CaseJournal {
        let recorder = Recorder::default();
        let request = recorder.request(None, "GET", "/", &[], None);
        recorder.opened(request, "a", "websocket", Revision::V4, false);
        let (direction, carrier) = (Some(Direction::In), Some(Carrier::WebSocket));
        let place = RecordPlace { sid: Some("a"), direction, carrier, from: request };
        messages.iter().for_each(|message| recorder.frame(place, 1, true, message.as_bytes()));
        recorder.verdict("pass");
        recorder.journal()
    }

    fn records(text: &str) -> Vec<Record> {
        socketio_explain::journal::read(text.as_bytes()).unwrap().1
    }

    fn left_out_of(record: &Record) -> usize {
        usize::try_from(record.left_out.unwrap_or(0)).unwrap()
    }

    #[test]
    fn a_long_message_is_cut_between_characters_with_a_note_of_what_is_left_out() {
        let long = format!("42[\"a\",\"{}\"]", "é".repeat(30_000));
        let journal = journal(&["40".to_owned(), long.clone()]);
        assert!(journal.short.len() < 8_000, "{} bytes", journal.short.len());
        let of_long =
            |text: &str| records(text).into_iter().filter(|record| record.raw.is_some()).collect::<Vec<_>>();
        for record in of_long(&journal.short).iter().skip(2) {
            let Some(Raw(raw)) = &record.raw else { panic!("{record:?}") };
            let is_payload = matches!(record.entry, Entry::SocketPacket { .. });
            let all = if is_payload { &long[2..] } else { &long[..] };
            assert!(all.starts_with(std::str::from_utf8(raw).unwrap()), "no half character");
            assert_eq!(raw.len() + left_out_of(record), all.len());
        }
        assert!(of_long(journal.whole()).iter().all(|record| record.left_out.is_none()));
        // What was only cut breaks no rule.
        assert!(!journal.short.contains("violation"), "{}", journal.short);
        let explained = records(&journal.short);
        let explained = explain_journal(&explained, &Settings::default());
        assert!(explained.iter().all(|(_, explained)| explained.broken.is_none()));
    }

    #[test]
    fn a_message_beyond_what_is_kept_breaks_no_rule() {
        let journal = journal(&[format!("42[\"a\",\"{}\"]", "x".repeat(2 * LONGEST))]);
        assert!(!journal.whole().contains("violation"));
        assert!(records(journal.whole()).iter().any(|record| left_out_of(record) > LONGEST));
    }

    #[test]
    fn of_many_records_the_first_the_last_and_what_breaks_a_rule_are_left() {
        let mut messages: Vec<String> = (0..1_000).map(|n| format!("42[\"a\",{n}]")).collect();
        messages[500] = "42[\"a\",".to_owned();
        let journal = journal(&messages);
        let short = records(&journal.short);
        assert!(short.len() < 2 * MOST_IN_REPORT + 5, "{} records", short.len());
        let lost = short.iter().map(|record| match record.entry {
            Entry::Lost { records } => records,
            _ => 0,
        });
        let violations = short.iter().filter(|record| matches!(record.entry, Entry::Violation { .. }));
        let lost: u64 = lost.sum();
        assert_eq!(lost + short.len() as u64 - 2, records(journal.whole()).len() as u64, "two gaps");
        for violation in violations {
            assert!(short.iter().any(|record| Some(record.n) == violation.from), "{violation:?}");
        }
        assert!(journal.short.contains("violation") && journal.short.contains("\"verdict\""));
    }

    #[test]
    fn the_verdict_is_there_however_much_was_sent() {
        let journal = journal(&vec!["42[\"a\"]".to_owned(); MOST]);
        let records = records(journal.whole());
        let [.., lost, verdict] = &records[..] else { panic!("{} records", records.len()) };
        assert!(matches!(lost.entry, Entry::Lost { .. }), "{lost:?}");
        assert!(matches!(&verdict.entry, Entry::Note { name, .. } if name == "verdict"), "{verdict:?}");
        assert_eq!(lost.n, 3 * MOST as u64 + 2, "each frame has a packet, and that another");
        assert!(journal.short.contains("\"verdict\""));
    }

    #[test]
    fn many_long_messages_fill_no_memory_and_what_is_left_out_is_told() {
        let long = format!("42[\"a\",\"{}\"]", "x".repeat(LONGEST - 100));
        let many = MOST / 10;
        let journal = journal(&vec![long.clone(); many]);
        assert!(journal.whole().len() < 2 * BUDGET, "{} bytes", journal.whole().len());
        let records = records(journal.whole());
        let [.., lost, verdict] = &records[..] else { panic!("{} records", records.len()) };
        let Entry::Lost { records: lost_records } = &lost.entry else { panic!("{lost:?}") };
        assert_eq!(lost_records + records.len() as u64 - 2, 3 * many as u64 + 2, "none is forgotten");
        assert_eq!(lost.n, 3 * many as u64 + 2);
        assert!(matches!(&verdict.entry, Entry::Note { name, .. } if name == "verdict"), "{verdict:?}");
    }

    #[test]
    fn one_that_is_idle_keeps_nothing() {
        let recorder = Recorder::idle();
        assert_eq!(recorder.request(None, "GET", "/results.json", &[], None), 0);
        recorder.response(None, 0, 200, &[], b"results");
        assert!(recorder.kept.lock().records.is_empty());
        assert_eq!(recorder.journal().whole().lines().count(), 1, "the head");
    }

    #[test]
    fn a_short_journal_is_there_once() {
        let journal = journal(&["40".to_owned()]);
        assert_eq!(journal.whole, None);
    }
}
