//! Makes packets up, valid, nearly valid and broken, and writes what this server's decoder makes of each: a line
//! of JSON, which `reference.mjs` compares with what socket.io-parser makes of it.
//!
//! `differential FROM COUNT`

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use engineio::{Application as _, CloseReason, Layer as _, Mailbox, Message, Revision};
use serde_json::{Value, json};
use socketio::{AckSender, Args, Event, Io, IoConfig, Socket};
use socketio_fuzz::Chance;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().unwrap_or(0));
    let (from, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(1000));
    let mut out = io::BufWriter::new(io::stdout().lock());
    for seed in from..from + count {
        let (text, binary) = sample(&mut Chance(seed));
        let ours = read(&text, &binary);
        let binary: Vec<String> = binary.iter().map(|bytes| hex(bytes)).collect();
        writeln!(out, "{}", json!({ "seed": seed, "text": text, "binary": binary, "ours": ours }))?;
    }
    out.flush()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the decoder makes of a message and the attachments after it, from a client that is in `/`.
fn read(text: &str, binary: &[Vec<u8>]) -> Value {
    let io = Io::with_config(IoConfig::default());
    let events: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = Arc::clone(&events);
    io.of("/").on_any(move |_: &Socket, event: &Event| {
        let attachments: Vec<String> = event.args().attachments().iter().map(|bytes| hex(bytes)).collect();
        let event = json!({ "name": event.name(), "args": event.args().json(), "attachments": attachments });
        seen.lock().expect("nobody panics").push(event);
    });
    // Whether an acknowledgement is wanted, and of what id, shows by the one that is sent.
    io.on_with_ack("e", |_: Socket, _: Args, ack: AckSender| async { drop(ack.send(())) });
    let (now, (mailbox, driver)) = (Instant::now(), Mailbox::new(usize::MAX).split());
    let mut client = io.open(socketio_fuzz::opened(Revision::V4, &mailbox), now);
    client.message(Message::Text("0".into()), now);
    let mut sent = [].into();
    driver.take(&mut sent);
    sent.clear();
    let messages = binary.iter().map(|bytes| Message::Binary(Bytes::copy_from_slice(bytes)));
    for message in std::iter::once(Message::Text(text.into())).chain(messages) {
        if !mailbox.is_closed() {
            client.message(message, now);
        }
    }
    driver.take(&mut sent);
    let verdict = match driver.take_close() {
        None => "taken",
        Some(CloseReason::ParseError) => "malformed",
        Some(_) => "out of place",
    };
    let sent: Vec<_> =
        sent.iter().map(|frame| String::from_utf8_lossy(frame.packet()).into_owned()).collect();
    client.closed(CloseReason::TransportClose);
    let events = std::mem::take(&mut *events.lock().expect("nobody panics"));
    json!({ "verdict": verdict, "events": events, "sent": sent })
}

/// A packet and its attachments.
fn sample(chance: &mut Chance) -> (String, Vec<Vec<u8>>) {
    let kind = chance.pick("2|2|2|5|5|5|3|6|0|1|4");
    let attachments = if "56".contains(&*kind) { chance.below(3) + 1 } else { 0 };
    let mut text = kind.clone();
    if attachments > 0 {
        let odd = chance.one_in(12);
        let count = attachments.to_string();
        text += &if odd { chance.pick("0||01|1e0|+1| 1|-1|1.0|11|10|1.5|0x1") } else { count };
        text += "-";
    }
    if chance.one_in(12) {
        text += &chance.pick("/,|/a,|/|/a?b=c,|/é,");
    }
    if chance.one_in(3) {
        let odd = chance.one_in(5);
        text += &if !odd {
            chance.pick("0|1|12")
        } else {
            chance.pick("007|9007199254740991|9007199254740992| |1 2|99999999999999999999999")
        };
    }
    let payload = match &*kind {
        "0" => chance.pick("|{}|{\"a\":1}|[]|1|null|\"x\"|{\"a\":| {}"),
        "1" => chance.pick("||{}|null"),
        "4" => chance.pick("{\"message\":\"x\"}|\"x\"||[]"),
        "2" | "5" if chance.one_in(15) => {
            chance.pick("|[]|{}|[null]|[{}]|[true]|[\"connect\"]|[\"disconnecting\"]|[5]|[-1.5]|[[\"e\"]]")
        }
        "3" | "6" if chance.one_in(15) => chance.pick("|{}|null|[] "),
        _ => {
            let mut json = String::from("[");
            if "25".contains(&*kind) {
                json += &chance.pick("\"e\"|\"e\"|\"e\"|\"\\u0065\"|\"message\"|\"\"|\"__proto__\"");
            }
            for _ in 0..chance.below(4) {
                if json.len() > 1 {
                    json.push(',');
                }
                value(chance, attachments, 3, &mut json);
            }
            json + "]"
        }
    };
    text += &payload;
    if chance.one_in(3) {
        for _ in 0..=chance.below(2) {
            text = mutated(chance, &text);
        }
    }
    let count = if chance.one_in(8) { chance.below(4) } else { attachments };
    (text, (0..count).map(|n| vec![n as u8; chance.below(3)]).collect())
}

fn value(chance: &mut Chance, attachments: usize, depth: usize, json: &mut String) {
    match chance.below(if depth == 0 { 6 } else { 9 }) {
        0 => {
            let odd = chance.one_in(10);
            *json += &chance.pick(if odd {
                "1e400|01|1.|+1|-"
            } else {
                "0|-0|1.5|1e3|-1e-400|12345678901234567890|0.1|5e-324"
            });
        }
        1 => {
            let odd = chance.one_in(10);
            *json += &chance.pick(if odd {
                "\"\u{1}\"|\"\\x\"|\""
            } else {
                "\"\"|\"x\"|\"\\ud83d\\ude00\"|\"\\ud800\"|\"\\udc00x\"|\"é😀\"|\"\\u0000\"|\"\\/\""
            });
        }
        2 if chance.one_in(10) => *json += &chance.pick("nul|NaN|undefined|Infinity"),
        2 => *json += &chance.pick("true|false|null"),
        3..6 if attachments > 0 || chance.one_in(20) => {
            let odd = chance.one_in(10);
            let num = if odd {
                chance.pick("-1|0.5|\"0\"|null|9|1e0|true|-0|\"splice\"")
            } else {
                chance.below(attachments.max(1)).to_string()
            };
            let marker = if chance.one_in(15) { chance.pick("1|\"true\"|false") } else { "true".to_owned() };
            *json += &format!("{{\"_placeholder\":{marker},\"num\":{num}}}");
        }
        3..6 => json.push('1'),
        6 | 7 => {
            json.push('[');
            for index in 0..chance.below(4) {
                if index > 0 {
                    json.push(',');
                }
                value(chance, attachments, depth - 1, json);
            }
            json.push(']');
        }
        _ => {
            if chance.one_in(10) {
                // Both sides of the deepest that is taken.
                let deep = 115 + chance.below(20);
                *json += &format!("{}{}", "[".repeat(deep), "]".repeat(deep));
                return;
            }
            json.push('{');
            for index in 0..chance.below(3) {
                if index > 0 {
                    json.push(',');
                }
                *json += &format!(
                    "{}:",
                    chance.pick("\"a\"|\"b\"|\"__proto__\"|\"toString\"|\"num\"|\"_placeholder\"")
                );
                value(chance, attachments, depth - 1, json);
            }
            json.push('}');
        }
    }
}

/// The text with one character changed, gone or come.
fn mutated(chance: &mut Chance, text: &str) -> String {
    const TELLING: [char; 26] = [
        '0', '1', '2', '5', '6', '7', '-', '/', ',', '[', ']', '{', '}', '"', ':', '\\', ' ', '\n', '\t',
        'e', '.', '+', 'u', 'é', '\u{a0}', '\u{feff}',
    ];
    let mut characters: Vec<char> = text.chars().collect();
    let at = chance.below(characters.len() + 1);
    let new = TELLING[chance.below(TELLING.len())];
    match chance.below(3) {
        0 if at < characters.len() => characters[at] = new,
        1 if at < characters.len() => drop(characters.remove(at)),
        _ => characters.insert(at, new),
    }
    characters.into_iter().collect()
}
