//! Explanations on a page: the files of a dialog in which a person pastes what is to be explained, and what the server
//! answers to that.
//!
//! A server that has such a page serves [`FILES`] beside it, and answers the POST that they send to `explain`:
//!
//! ```
//! use socketio_explain::page;
//!
//! let (content_type, script) = page::file("explain.js").unwrap();
//! assert_eq!(content_type, "text/javascript; charset=utf-8");
//! assert!(script.contains("fetch(`explain?"));
//!
//! // POST explain?eio=4&from=client
//! let json = page::answer("eio=4&from=client", br#"42["chat","hi"]"#);
//! assert!(json.contains("the event's name"));
//! ```

use engineio::{Query, Revision};
use serde::Serialize;
use serde_json::json;

use crate::{ExplainedInput, Settings, Side, input};

/// The longest input of a page, in bytes. A longer one is for `socketio-server explain`, which has no page to fill.
pub const LONGEST: usize = 256 * 1024;

/// The messages, and the parts of each, that a page shows.
const MESSAGES: usize = 100;
const PARTS: usize = 1000;

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The files, each with its name and type.
///
/// `explain.js` is a module that adds the dialog to the page that loads it, and `explain.css` its style. `base.css` has the
/// colours of both, and of the page if that wants.
pub const FILES: [(&str, &str, &str); 5] = [
    ("base.css", CSS, BASE),
    ("explain.css", CSS, include_str!("explain.css")),
    ("dom.js", JAVASCRIPT, include_str!("dom.js")),
    ("explain.js", JAVASCRIPT, include_str!("explain.js")),
    ("parts.js", JAVASCRIPT, include_str!("parts.js")),
];

/// `base.css`, for a page that is one file.
pub const BASE: &str = include_str!("base.css");

/// The type and the content of the file of that name, if there is one.
#[must_use]
pub fn file(name: &str) -> Option<(&'static str, &'static str)> {
    FILES
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, content_type, content)| (*content_type, *content))
}

/// What an input means, as far as a page shows it.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    explained: ExplainedInput,
    /// How many more there are.
    more_messages: usize,
    more_parts: usize,
}

/// What [`input`] says about an input, bounded, as JSON; or an `error` in words. `eio` and `from` in the query say what is
/// known of it. This takes a while for a long one.
#[must_use]
pub fn answer(query: &str, bytes: &[u8]) -> String {
    if bytes.len() > LONGEST {
        return too_long();
    }
    match input(bytes, &settings(&Query::new(query))) {
        Ok(explained) => serde_json::to_string(&bounded(explained))
            .unwrap_or_else(|error| problem(&format!("the answer can't be written: {error}"))),
        Err(error) => problem(&format!("this {error}")),
    }
}

/// The answer to an input longer than [`LONGEST`].
#[must_use]
pub fn too_long() -> String {
    problem("more than 256 KiB: `socketio-server explain` takes any length")
}

/// The answer to an input that has no meaning, or did not come.
#[must_use]
pub fn problem(text: &str) -> String {
    json!({ "error": text }).to_string()
}

fn settings(query: &Query<'_>) -> Settings {
    let is = |name, value| query.get(name).is_some_and(|given| given == value);
    let sender =
        if is("from", "client") { Some(Side::Client) } else { is("from", "server").then_some(Side::Server) };
    let revision = if is("eio", "3") { Revision::V3 } else { Revision::V4 };
    Settings { revision, sender, ..Settings::default() }
}

fn bounded(mut explained: ExplainedInput) -> Answer {
    let more_messages = explained.messages.len().saturating_sub(MESSAGES);
    explained.messages.truncate(MESSAGES);
    let mut more_parts = 0;
    for message in &mut explained.messages {
        let parts = &mut message.explanation.parts;
        more_parts += parts.len().saturating_sub(PARTS);
        parts.truncate(PARTS);
    }
    Answer { explained, more_messages, more_parts }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn ask(query: &str, body: impl AsRef<[u8]>) -> Value {
        serde_json::from_str(&answer(query, body.as_ref())).expect("JSON")
    }

    #[test]
    fn a_packet_a_payload_bytes_and_a_journals_line_are_explained() {
        let line = r#"{"n":7,"time":7,"session":2,"direction":"in","raw":"42{}","kind":"body"}"#;
        for (body, form, messages) in [
            (r#"42["chat","hi"]"#, "text", 1),
            ("40\u{1e}2", "text", 1),
            ("40\\x1e2", "written", 1),
            ("81 82 00000000 3430", "hex", 1),
            (line, "journal", 1),
        ] {
            let json = ask("", body);
            assert_eq!(json["form"], form, "{body}: {json}");
            assert_eq!(json["messages"].as_array().map(Vec::len), Some(messages), "{body}: {json}");
        }
        let json = ask("", "42{}");
        assert_eq!(json["messages"][0]["broken"]["rule"]["id"], "NOT_AN_ARRAY");
    }

    #[test]
    fn the_query_says_what_is_known() {
        let broken = |query| ask(query, "44{}")["messages"][0]["broken"]["rule"]["id"].clone();
        assert_eq!(broken(""), Value::Null, "a server's");
        assert_eq!(broken("from=client"), "CONNECT_ERROR_FROM_CLIENT");
        assert_eq!(ask("eio=3", "2:40")["messages"][0]["revision"], 3);
    }

    #[test]
    fn what_is_too_long_or_no_journal_is_told_in_words() {
        let json = ask("", "{\"journal\":1");
        assert!(json["error"].as_str().unwrap().starts_with("this can't be read as a journal"), "{json}");
        assert_eq!(ask("", "4".repeat(LONGEST))["error"], Value::Null);
        let json = ask("", "4".repeat(LONGEST + 1));
        assert!(json["error"].as_str().unwrap().starts_with("more than 256 KiB"), "{json}");
        let json = ask("", format!("42[{}1]", "1,".repeat(50_000)));
        assert_eq!(json["messages"][0]["parts"].as_array().map(Vec::len), Some(PARTS));
        assert!(json["more_parts"].as_u64().unwrap() > 40_000, "{}", json["more_parts"]);
    }

    #[test]
    fn every_file_that_the_script_loads_is_one_of_them() {
        let mut queue = vec!["explain.js"];
        let mut found = Vec::new();
        while let Some(name) = queue.pop() {
            if found.contains(&name) {
                continue;
            }
            let (_, script) = file(name).unwrap_or_else(|| panic!("{name} is missing"));
            found.push(name);
            queue.extend(script.split(" from \"./").skip(1).filter_map(|rest| rest.split('"').next()));
        }
        let scripts = FILES.iter().filter(|(_, content_type, _)| *content_type == JAVASCRIPT);
        assert_eq!(found.len(), scripts.count(), "{found:?}");
    }
}
