//! The parts of a page that are made: exchanges, and tables of bytes, between two comments that can't be seen.
//!
//! `<!-- exchange: STORY 1-3 -->` shows those arrows of a story's diagram in full, `<!-- bytes: STORY 3 -->` explains
//! what they carry, and `<!-- wrong: STORY 3 -->` what is wrong about that. Each goes up to `<!-- end -->`.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use engineio::Revision;
use socketio_explain::{Explanation, Kind, Level, Settings, Side, explain, explain_journal};

use super::arrows::{Arrow, arrows};
use super::stage::Story;

const END: &str = "<!-- end -->";

/// The page with its made parts as they should be.
pub(super) fn made(page: &str, stories: &[Story]) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- ") {
        out += before;
        let (comment, behind) = after.split_once(" -->").expect("a comment has an end");
        let _ = write!(out, "<!-- {comment} -->");
        rest = behind;
        let Some((kind, of)) = comment.split_once(": ") else { continue };
        let (name, numbers) = of.split_once(' ').unwrap_or_else(|| panic!("which arrows? {comment}"));
        let story = stories.iter().find(|story| story.name == name);
        let story = story.unwrap_or_else(|| panic!("no story is called {name}"));
        let arrows = arrows(story);
        let numbers = range(numbers);
        assert!(*numbers.end() <= arrows.len(), "{comment}: there are only {} arrows", arrows.len());
        let part = match kind {
            "exchange" => exchange(&story.clients(), &arrows, numbers),
            "bytes" | "wrong" => bytes(story, &arrows, numbers, kind == "wrong"),
            other => panic!("{other} is none of a page's parts"),
        };
        let (_, behind) = behind.split_once(END).unwrap_or_else(|| panic!("{comment} has no end"));
        let _ = write!(out, "\n\n{part}\n{END}");
        rest = behind;
    }
    out + rest
}

fn range(numbers: &str) -> RangeInclusive<usize> {
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
    number(first)..=number(last)
}

/// `①` and so on, as in the diagram.
fn sign(number: usize) -> char {
    let base = if number <= 20 { 0x2460 - 1 } else { 0x3251 - 21 };
    char::from_u32(base + number as u32).expect("a sign for each number")
}

fn exchange(clients: &[&str], arrows: &[Arrow], numbers: RangeInclusive<usize>) -> String {
    let mut out = String::new();
    let mut frames = false;
    for number in numbers {
        let arrow = &arrows[number - 1];
        let sign = sign(number);
        let is_frame = !(arrow.text.starts_with("HTTP/") || arrow.text.contains("HTTP/1.1\n"));
        if frames && !is_frame {
            out += "```\n\n";
        }
        if is_frame {
            if !frames {
                out += "```text\n";
            }
            let client = clients[arrow.client];
            let way = if arrow.from_client {
                format!("{client} → server")
            } else {
                format!("server → {client}")
            };
            let binary = if arrow.kind == Kind::Binary { "binary " } else { "" };
            let _ = writeln!(out, "{sign} {way}   {binary}{}", arrow.text);
        } else {
            let who = match clients {
                _ if !arrow.from_client => "The server".to_owned(),
                [_] => "The client".to_owned(),
                _ => format!("The client of `{}`", clients[arrow.client]),
            };
            let _ = writeln!(out, "{sign} {who}:\n\n```http\n{}\n```\n", arrow.text.trim_end());
        }
        frames = is_frame;
    }
    if frames {
        out += "```\n";
    }
    out.trim_end().to_owned() + "\n"
}

/// Explains what arrows carry, a table each. Only a `wrong` part may have a mistake, and it must.
fn bytes(story: &Story, arrows: &[Arrow], numbers: RangeInclusive<usize>, wrong: bool) -> String {
    // Frames are explained in their order, since attachments follow the packet that announces them.
    let frames = explain_journal(&story.records, &Settings::default());
    let mut out = String::new();
    let mut mistakes = 0;
    for number in numbers {
        let arrow = &arrows[number - 1];
        let frame = frames.iter().find(|(record, _)| record.n == arrow.record);
        let explanation = frame.map_or_else(|| payload(arrow), |(_, explanation)| explanation.clone());
        mistakes += usize::from(explanation.broken.is_some());
        let sign = sign(number);
        let _ = writeln!(out, "| {sign} at | bytes | meaning | section |\n|---|---|---|---|");
        table(&mut out, &explanation);
        out.push('\n');
    }
    assert_eq!(mistakes > 0, wrong, "what the page calls wrong is: {out}");
    out.trim_end().to_owned() + "\n"
}

/// Explains a body.
fn payload(arrow: &Arrow) -> Explanation {
    let settings = Settings {
        revision: if arrow.revision == 3 { Revision::V3 } else { Revision::V4 },
        kind: Some(arrow.kind),
        sender: Some(if arrow.from_client { Side::Client } else { Side::Server }),
        ..Settings::default()
    };
    explain(&[&arrow.bytes], &settings).remove(0)
}

fn table(out: &mut String, explanation: &Explanation) {
    let lowest = explanation.parts.iter().map(|part| part.level).min().unwrap_or(Level::EngineIo);
    let mut section = "";
    for part in &explanation.parts {
        let bytes = &explanation.bytes[part.range.clone()];
        let indent = "&emsp;".repeat(part.level as usize - lowest as usize);
        let stands = if part.section == section { "" } else { part.section };
        section = part.section;
        let meaning = part.meaning.replace('|', "\\|");
        let _ = writeln!(out, "| {} | {} | {indent}{meaning} | {stands} |", part.range.start, code(bytes));
    }
    if let Some(broken) = &explanation.broken {
        let at = broken.at;
        let wrong = explanation.bytes.get(at..).filter(|rest| !rest.is_empty());
        let wrong = wrong.map_or_else(|| "(the end)".to_owned(), |rest| code(&rest[..1]));
        let (rule, what) = (broken.rule.id, broken.rule.what.replace('|', "\\|"));
        let link = format!("[`{rule}`](../violations.md)");
        let _ = writeln!(out, "| {at} | {wrong} | **wrong:** {what} | {link} |");
    }
}

/// Bytes as code, the long ones cut.
fn code(bytes: &[u8]) -> String {
    const LONGEST: usize = 34;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\u{1e}') => text.replace('\u{1e}', "␞"),
        _ => super::arrows::hex(bytes),
    };
    let text = text.replace('|', "\\|");
    if text.chars().count() <= LONGEST {
        return format!("`{text}`");
    }
    let start: String = text.chars().take(LONGEST - 1).collect();
    format!("`{start}…`")
}
