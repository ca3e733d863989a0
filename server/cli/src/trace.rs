//! A record as a line for people.
//!
//! ```text
//!   12.3 ms  #1  → POST /socket.io/?EIO=4&transport=polling&sid=…
//!   12.4 ms  #1  →   body 40
//!   12.4 ms  #1  →     message 40
//!   12.5 ms  #1  →       CONNECT /
//! ```

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use socketio_explain::journal::{Direction, Entry, Raw, Record};

/// The most of what is on the wire that is shown, in characters.
const LONGEST: usize = 100;

/// A record as one line, without its end.
pub(crate) fn line(record: &Record, colours: bool) -> String {
    let style = |style: Style| if colours { style } else { Style::new() };
    let dim = style(Style::new().dimmed());
    let (arrow, colour) = match record.direction {
        Some(Direction::In) => ("→", AnsiColor::Cyan.on_default()),
        Some(Direction::Out) => ("←", AnsiColor::Green.on_default()),
        None => ("·", Style::new().dimmed()),
    };
    let colour = style(match record.entry {
        Entry::Violation { .. } | Entry::Refused { .. } => AnsiColor::Red.on_default().bold(),
        Entry::Limit { .. } | Entry::Lost { .. } | Entry::Full | Entry::Aborted => {
            AnsiColor::Yellow.on_default()
        }
        _ => colour,
    });
    let (indent, text) = describe(record);
    let time = format!("{:.1} ms", record.at.unwrap_or(record.time));
    let session = record.session.map(|session| format!("#{session}")).unwrap_or_default();
    format!("{dim}{time:>12}  {session:<4}{dim:#} {colour}{arrow} {:indent$}{text}{colour:#}", "")
}

/// How deep it lies, and what it is.
fn describe(record: &Record) -> (usize, String) {
    let mut raw = record.raw.as_ref().map(excerpt).unwrap_or_default();
    let (indent, name) = match &record.entry {
        Entry::Request { method, target, .. } => (0, format!("{method} {}", escaped(target, LONGEST))),
        Entry::Body => (2, "body ".to_owned()),
        Entry::Refused { code, fault, reason } => {
            let reason = reason.as_deref().map(|reason| escaped(reason, LONGEST)).unwrap_or_default();
            (2, format!("refused with code {code}: {fault} {reason}"))
        }
        Entry::Response { status, .. } => (0, format!("{status} ")),
        Entry::Aborted => (0, "the client left".to_owned()),
        Entry::Opened { transport, revision, .. } => {
            (0, format!("session by {transport}, revision {revision}"))
        }
        Entry::ProbeOpened => (0, "a probing WebSocket".to_owned()),
        Entry::ProbeDropped => (0, "the probing WebSocket is closed".to_owned()),
        Entry::Upgraded { transport } => (0, format!("upgraded to {}", escaped(transport, LONGEST))),
        Entry::Closed { reason } => (0, format!("closed: {reason}")),
        Entry::Ended => (0, "gone".to_owned()),
        Entry::PlainOpened => (0, "plain WebSocket".to_owned()),
        Entry::PlainEnded { code, reason } => (0, format!("gone: {code} {}", escaped(reason, LONGEST))),
        Entry::Frame { opcode, fin, compressed } => {
            let compressed = compressed.map(|bytes| format!(", {bytes} bytes compressed,"));
            let last = if *fin { "" } else { ", not the last," };
            (0, format!("{opcode} frame{last}{} ", compressed.unwrap_or_default()))
        }
        Entry::Packet { packet, .. } => (2, format!("{packet:<8}")),
        Entry::SocketPacket { packet, nsp, id, attachments, .. } => {
            let mut text = format!("{} {}", packet.to_uppercase(), escaped(nsp, LONGEST));
            if let Some(id) = id {
                let _ = write!(text, " id {id}");
            }
            if *attachments > 0 {
                let _ = write!(text, " and {attachments} attachments");
            }
            (4, text + " ")
        }
        Entry::Attachment => (4, "attachment ".to_owned()),
        Entry::Joined { nsp, .. } => (4, format!("joined {}", escaped(nsp, LONGEST))),
        Entry::RoomJoined { nsp, room, .. } => {
            (4, format!("joined room {} of {}", escaped(room, LONGEST), escaped(nsp, LONGEST)))
        }
        Entry::RoomLeft { nsp, room, .. } => {
            (4, format!("left room {} of {}", escaped(room, LONGEST), escaped(nsp, LONGEST)))
        }
        Entry::Left { nsp, reason, .. } => (4, format!("left {}: {reason}", escaped(nsp, LONGEST))),
        Entry::Note { source, name, text, took, .. } => {
            let took = took.map(|took| format!(" in {took:.1} ms")).unwrap_or_default();
            let (source, name) = (escaped(source, LONGEST), escaped(name, LONGEST));
            (4, format!("{source} {name}: {}{took}", escaped(text, LONGEST)))
        }
        Entry::Violation { rule, section, text } => {
            (2, format!("{rule}: {} ({section})", escaped(text, LONGEST)))
        }
        Entry::Limit { limit } => (2, format!("limit met: {limit}")),
        Entry::Lost { records: 1 } => (0, "one record was lost".to_owned()),
        Entry::Lost { records } => (0, format!("{records} records were lost")),
        Entry::Full => (0, "the journal is full".to_owned()),
    };
    raw.insert_str(0, &name);
    (indent, raw.trim_end().to_owned())
}

fn excerpt(raw: &Raw) -> String {
    match std::str::from_utf8(&raw.0) {
        Ok(text) => escaped(text, LONGEST),
        Err(_) => {
            let mut hex = String::new();
            for byte in raw.0.iter().take(LONGEST / 3) {
                let _ = write!(hex, "{byte:02x} ");
            }
            if raw.0.len() > LONGEST / 3 { format!("{hex}… ({} bytes)", raw.0.len()) } else { hex }
        }
    }
}

/// One line's worth of a text, which does nothing to a terminal.
fn escaped(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    for char in text.chars().take(longest) {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            other => shown.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(longest).is_some() {
        let _ = write!(shown, "… ({} bytes)", text.len());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(entry: Entry, raw: &[u8]) -> Record {
        Record {
            n: 1,
            time: 5.0,
            session: Some(3),
            at: Some(12.34),
            direction: Some(Direction::In),
            carrier: None,
            from: None,
            raw: Some(Raw(raw.to_vec())),
            left_out: None,
            entry,
        }
    }

    #[test]
    fn a_record_is_one_line_without_control_characters() {
        let evil = "4\n\x1b[31m\u{9b}\u{202e}".to_owned() + &"x".repeat(200);
        let packet = record(Entry::Packet { packet: "message".into(), binary: false }, evil.as_bytes());
        let text = line(&packet, false);
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.starts_with("     12.3 ms  #3   →   message 4\\n\\u{1b}[31m"), "{text}");
        assert!(text.ends_with("x… (212 bytes)"), "{text}");
        assert!(line(&packet, true).contains("\x1b["));
    }

    #[test]
    fn bytes_are_shown_as_bytes() {
        let text = line(&record(Entry::Attachment, &[0xff, 0, 1]), false);
        assert!(text.ends_with("attachment ff 00 01"), "{text}");
    }
}
