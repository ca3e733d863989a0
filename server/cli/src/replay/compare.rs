//! Compares the answers of two servers, without ids and times.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The most differences that are told of one session.
const TOLD: usize = 5;

/// The longest part of a packet that is told, in characters.
const LONGEST: usize = 2_000;

/// What a client heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Packets as text, without heartbeats and noops, whose number is a matter of time.
    pub(super) packets: Vec<String>,
    /// How many probes were answered. They cross what comes by polling, so they have no place among the packets.
    pub(super) probes: usize,
    /// The statuses of its requests, each named by its record.
    pub(super) statuses: Vec<(u64, u16)>,
    /// Which of them are polls that brought heartbeats alone. When those are answered is up to the server.
    pub(super) idle: BTreeSet<u64>,
    /// How many of the statuses are those of others.
    pub(super) answers: usize,
}

impl Heard {
    pub(super) fn add(&mut self, packet: String) {
        match &*packet {
            "2" | "3" | "6" => {}
            "3probe" => self.probes += 1,
            _ => self.packets.push(packet),
        }
    }

    /// Adds the status of the request of this record, which is a poll that brought heartbeats alone or not.
    pub(super) fn answered(&mut self, record: u64, status: u16, idle: bool) {
        self.statuses.push((record, status));
        if idle {
            self.idle.insert(record);
        } else {
            self.answers += 1;
        }
    }

    /// Whether as much was heard as there.
    pub(super) fn reaches(&self, packets: usize, probes: usize, answers: usize) -> bool {
        self.packets.len() >= packets && self.probes >= probes && self.answers >= answers
    }
}

/// A packet as text; a binary one in hexadecimal.
pub(super) fn text(binary: bool, bytes: &[u8]) -> String {
    if binary {
        bytes.iter().fold("binary".to_owned(), |text, byte| format!("{text} {byte:02x}"))
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// The ids that a server made, each with a name that the same id has in another run.
#[derive(Debug)]
pub(super) struct Ids(Vec<(String, String)>);

impl Ids {
    /// The ids in what each session heard: of sessions in open packets, of sockets in the answers to CONNECT.
    pub(super) fn of<'a>(sessions: impl IntoIterator<Item = &'a Heard>) -> Ids {
        let mut ids = Vec::new();
        for (session, heard) in sessions.into_iter().enumerate() {
            let mut count = 0;
            for packet in
                heard.packets.iter().filter(|packet| packet.starts_with('0') || packet.starts_with("40"))
            {
                let json = packet.find('{').map(|at| &packet[at..]).unwrap_or_default();
                let Ok(Value::Object(fields)) = serde_json::from_str(json) else { continue };
                for id in ["sid", "pid"].iter().filter_map(|name| fields.get(*name)?.as_str()) {
                    ids.push((id.to_owned(), format!("<id {session}.{count}>")));
                    count += 1;
                }
            }
        }
        Ids(ids)
    }

    /// A packet with the names of its ids, and without times.
    fn settle(&self, packet: &str) -> String {
        let named = self.0.iter().fold(packet.to_owned(), |text, (id, name)| text.replace(id, name));
        without_times(&named)
    }
}

/// Takes out what looks like milliseconds since 1970, or like a time in ISO 8601.
fn without_times(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let len = iso(rest).unwrap_or_else(|| rest.bytes().take_while(u8::is_ascii_digit).count());
        let (number, tail) = rest.split_at(len);
        out.push_str(if len > 13 || (len == 13 && number.starts_with('1')) { "<time>" } else { number });
        rest = tail;
    }
    out + rest
}

/// The length of a time such as `2026-01-31T12:00:00.000Z` in front of a text.
fn iso(text: &str) -> Option<usize> {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    if bytes.len() < FORM.len() || !bytes.iter().zip(FORM).all(fits) {
        return None;
    }
    let tail =
        bytes[FORM.len()..].iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'Z'));
    Some(FORM.len() + tail.count())
}

/// Where what was heard differs, in words.
pub(super) fn differences(recorded: &Heard, theirs: &Ids, heard: &Heard, ours: &Ids) -> Vec<String> {
    let mut told = Vec::new();
    let statuses: BTreeMap<_, _> = heard.statuses.iter().copied().collect();
    for (request, status) in &recorded.statuses {
        let now = statuses.get(request);
        if now != Some(status) {
            let now = now.map_or("not answered".to_owned(), |now| format!("answered {now}"));
            told.push(format!("the request of record {request} got {status}, and now gets {now}"));
        }
    }
    if recorded.probes != heard.probes {
        told.push(format!("the server answered {} probes, and now {}", recorded.probes, heard.probes));
    }
    let then: Vec<_> = recorded.packets.iter().map(|packet| theirs.settle(packet)).collect();
    let now: Vec<_> = heard.packets.iter().map(|packet| ours.settle(packet)).collect();
    for at in 0..then.len().max(now.len()) {
        let number = at + 1;
        match (then.get(at), now.get(at)) {
            (Some(then), Some(now)) if equal(then, now) => {}
            (Some(_), Some(_)) => {
                let (then, now) = (word(&recorded.packets[at]), word(&heard.packets[at]));
                told.push(format!("packet {number} was\n  {then}\nand is now\n  {now}"));
            }
            (Some(_), None) => {
                told.push(format!("packet {number} is missing:\n  {}", word(&recorded.packets[at])));
            }
            (None, Some(_)) => {
                told.push(format!("packet {number} is new:\n  {}", word(&heard.packets[at])));
            }
            (None, None) => {}
        }
    }
    if told.len() > TOLD {
        let more = told.len() - TOLD;
        told.truncate(TOLD);
        told.push(format!("and {more} more"));
    }
    told
}

/// Whether two packets are the same: the order of an object's fields says nothing.
fn equal(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let split = |packet: &str| {
        let at = packet.find(['{', '[']).unwrap_or(packet.len());
        let (header, payload) = packet.split_at(at);
        Some((header.to_owned(), serde_json::from_str::<Value>(payload).ok()?))
    };
    split(one).is_some_and(|one| Some(one) == split(other))
}

/// A packet as it can be given to `socketio-server explain` in a shell.
fn word(packet: &str) -> String {
    if let Some(bytes) = packet.strip_prefix("binary") {
        return format!("--binary --hex '{}'", cut(bytes.trim()));
    }
    let mut word = String::from("'");
    for char in cut(packet).chars() {
        match char {
            '\'' => word.push_str("'\\''"),
            // In JSON, where such characters can be in packets, they mean the same so.
            char if char.is_control() => word += &format!("\\u{:04x}", u32::from(char)),
            char => word.push(char),
        }
    }
    word + "'"
}

fn cut(packet: &str) -> String {
    match packet.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes)", &packet[..end], packet.len()),
        None => packet.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(packets: &[&str]) -> Heard {
        let mut heard = Heard { statuses: vec![(1, 200)], ..Heard::default() };
        packets.iter().for_each(|packet| heard.add((*packet).to_owned()));
        heard
    }

    fn compared(then: &[&str], now: &[&str]) -> Vec<String> {
        let (then, now) = (heard(then), heard(now));
        differences(&then, &Ids::of([&then]), &now, &Ids::of([&now]))
    }

    #[test]
    fn ids_times_and_heartbeats_are_no_difference() {
        let then = [
            r#"0{"sid":"aaa","pingInterval":1}"#,
            "2",
            r#"40{"sid":"bbb"}"#,
            r#"42["e","bbb",1700000000000]"#,
        ];
        let now = [
            r#"0{"pingInterval":1,"sid":"ccc"}"#,
            r#"40{"sid":"ddd"}"#,
            "6",
            r#"42["e","ddd",1800000000000]"#,
        ];
        assert!(compared(&then, &now).is_empty());
        assert_eq!(without_times(r#"["2026-01-31T12:00:00.123Z",12,"1-2"]"#), r#"["<time>",12,"1-2"]"#);
    }

    #[test]
    fn a_packet_is_told_as_a_shell_takes_it() {
        assert_eq!(word(r#"42["it's \n","\"]"#), r#"'42["it'\''s \n","\"]'"#);
        assert_eq!(word("42[\"\u{9b}\"]"), "'42[\"\\u009b\"]'");
        assert_eq!(word("binary 01 ff"), "--binary --hex '01 ff'");
        assert!(word(&"é".repeat(LONGEST + 1)).ends_with("é… (4002 bytes)'"));
        let told = compared(&[r#"42["a",{"sid":"x"}]"#], &[r#"42["b"]"#]);
        assert_eq!(told, ["packet 1 was\n  '42[\"a\",{\"sid\":\"x\"}]'\nand is now\n  '42[\"b\"]'"]);
    }

    #[test]
    fn everything_else_is() {
        assert_eq!(compared(&[r#"42["a"]"#], &[r#"42["b"]"#]).len(), 1);
        assert_eq!(compared(&[r#"42["a"]"#], &[]), ["packet 1 is missing:\n  '42[\"a\"]'"]);
        assert_eq!(compared(&["3probe"], &[]).len(), 1);
        assert!(compared(&["3probe", "41"], &["41", "3probe"]).is_empty(), "they come by different ways");
        assert_eq!(compared(&[], &["41"]), ["packet 1 is new:\n  '41'"]);
        assert_eq!(compared(&[r#"431[1]"#], &[r#"432[1]"#]).len(), 1);
        let swapped = compared(&[r#"40{"sid":"a"}"#, r#"42["b"]"#], &[r#"40{"sid":"b"}"#, r#"42["b"]"#]);
        assert_eq!(swapped.len(), 1, "an id is not another word: {swapped:?}");
    }
}
