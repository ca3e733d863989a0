//! Explains a journal record by record.

use std::collections::HashMap;

use engineio::Revision;

use crate::journal::{Carrier as By, Direction, Entry, Record};
use crate::walk::Walk;
use crate::{Explanation, Kind, Settings, Side};

/// Explains the bytes in a journal: bodies of POSTs, packets in the answers to polls, and WebSocket messages of one
/// frame. A session's revision is in the journal; `settings` is for sessions whose beginning is missing. After the
/// first message of a session that breaks a rule, the rest of that direction isn't explained.
#[must_use]
pub fn explain_journal<'a>(records: &'a [Record], settings: &Settings) -> Vec<(&'a Record, Explanation)> {
    let mut walks: HashMap<(u64, bool), Option<Walk>> = HashMap::new();
    let mut revisions: HashMap<u64, Revision> = HashMap::new();
    let mut explained = Vec::new();
    for record in records {
        let Some(session) = record.session else { continue };
        match record.entry {
            Entry::Opened { revision, .. } => {
                revisions.insert(session, if revision == 3 { Revision::V3 } else { Revision::V4 });
            }
            // It may carry anything.
            Entry::PlainOpened => walks.extend([((session, true), None), ((session, false), None)]),
            _ => {}
        }
        let revision = revisions.get(&session).copied().unwrap_or(settings.revision);
        let (Some(kind), Some(raw)) = (kind(record), &record.raw) else { continue };
        let from_client = record.direction == Some(Direction::In);
        let sender = if from_client { Side::Client } else { Side::Server };
        let walk = walks
            .entry((session, from_client))
            .or_insert_with(|| Some(Walk::new(Settings { revision, sender: Some(sender), ..*settings })));
        if record.left_out.is_some() {
            // What comes after it may depend on what is missing.
            *walk = None;
        }
        let Some(walking) = walk else { continue };
        walking.settings.kind = Some(kind);
        // In the journal, a poll's binary packets lack the type with which they begin in revision 3.
        let typed = kind == Kind::Binary && revision == Revision::V3 && is_packet(record);
        let bytes = if typed { [&[4], &raw.0[..]].concat() } else { raw.0.clone() };
        let explanation = walking.message(&bytes);
        if explanation.broken.is_some() {
            *walk = None;
        }
        explained.push((record, explanation));
    }
    explained
}

fn is_packet(record: &Record) -> bool {
    matches!(record.entry, Entry::Packet { .. })
}

/// What a record's bytes are, if they can be explained.
fn kind(record: &Record) -> Option<Kind> {
    match &record.entry {
        // A body that begins with `d=` is a JSONP form.
        Entry::Body if !record.raw.as_ref()?.0.starts_with(b"d=") => Some(Kind::Payload),
        Entry::Frame { opcode, fin: true, .. } if opcode == "text" => Some(Kind::Text),
        Entry::Frame { opcode, fin: true, .. } if opcode == "binary" => Some(Kind::Binary),
        Entry::Packet { binary, .. } if record.carrier == Some(By::Get) => {
            Some(if *binary { Kind::Binary } else { Kind::Text })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_explained_from_a_record_on_of_which_bytes_are_missing() {
        let cut = JOURNAL
            .replace("\"raw\":\"40\\u001e451-[\\\"e\\\"]\"", "\"raw\":\"40\\u001e451-[\",\"left_out\":4");
        assert_ne!(cut, JOURNAL);
        let (_, records) = crate::journal::read(cut.as_bytes()).unwrap();
        let explained = explain_journal(&records, &Settings::default());
        let numbers: Vec<u64> = explained.iter().map(|(record, _)| record.n).collect();
        assert_eq!(numbers, [4, 5], "the other session, and the server's side");
    }

    const JOURNAL: &str = r#"{"journal":1,"by":"a test","began":0,"redacted":true}
{"n":1,"time":1,"session":1,"kind":"opened","sid":"a","transport":"polling","revision":4,"base64":false}
{"n":2,"time":2,"session":1,"direction":"in","raw":"40\u001e451-[\"e\"]","kind":"body"}
{"n":3,"time":3,"session":2,"kind":"opened","sid":"b","transport":"polling","revision":3,"base64":false}
{"n":4,"time":4,"session":2,"direction":"in","raw":"2:41","kind":"body"}
{"n":5,"time":5,"session":1,"direction":"out","carrier":"get","raw":"40{\"sid\":\"x\"}","kind":"packet","packet":"message","binary":false}
{"n":6,"time":6,"session":1,"direction":"in","raw":"bAQID","kind":"body"}
{"n":7,"time":7,"session":1,"direction":"in","carrier":"websocket","raw":"42{}","kind":"frame","opcode":"text","fin":true}
{"n":8,"time":8,"session":1,"direction":"in","carrier":"websocket","raw":"42[\"e\"]","kind":"frame","opcode":"text","fin":true}
{"n":9,"time":9,"session":3,"kind":"plain_opened"}
{"n":10,"time":10,"session":3,"direction":"in","carrier":"websocket","raw":"hello","kind":"frame","opcode":"text","fin":true}
"#;

    #[test]
    fn each_session_is_explained_by_itself_up_to_its_first_broken_rule() {
        let (_, records) = crate::journal::read(JOURNAL.as_bytes()).expect("a journal");
        let explained = explain_journal(&records, &Settings::default());
        let found: Vec<_> = explained
            .iter()
            .map(|(record, told)| (record.n, told.broken.as_ref().map(|broken| (broken.at, broken.rule.id))))
            .collect();
        assert_eq!(found, [(2, None), (4, None), (5, None), (6, None), (7, Some((2, "NOT_AN_ARRAY")))]);
        assert_eq!(explained[1].1.revision, Revision::V3);
    }
}
