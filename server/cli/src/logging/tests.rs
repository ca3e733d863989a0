//! Lines of the log.

use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes in this format at level info.
fn logged(format: LogFormat, colours: bool, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(format, LevelFilter::INFO, colours, move || writer.clone());
    tracing::subscriber::with_default(subscriber, log);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn text_is_one_line_an_event() {
    let text = logged(LogFormat::Text, false, || {
        tracing::info!(sessions = 3, name = "a b", "listening");
        tracing::debug!("not at this level");
    });
    assert!(text.ends_with(" listening sessions=3 name=\"a b\"\n"), "{text}");
    assert!(text.contains(" INFO "), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn json_is_one_object_an_event() {
    let text = logged(LogFormat::Json, false, || tracing::warn!(sessions = 3, "full"));
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["level"], "WARN");
    assert_eq!(object["message"], "full");
    assert_eq!(object["sessions"], 3);
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_line_that_is_no_event_looks_like_one() {
    let text = line(LogFormat::Text, Level::WARN, "full", &[]);
    assert!(text.contains("Z  WARN socketio_server: full\n"), "{text}");
    let json = line(LogFormat::Json, Level::INFO, "listening\u{9b}", &[("url", "http://a/")]);
    assert!(json.ends_with("}\n") && json.lines().count() == 1 && !json.contains('\u{9b}'), "{json}");
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&object["message"], &object["level"]), (&"listening\u{9b}".into(), &"INFO".into()));
    assert_eq!(object["url"], "http://a/");
    let event = logged(LogFormat::Json, false, || tracing::info!("listening"));
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    for field in ["timestamp", "target"] {
        assert_eq!(object[field].is_string(), event[field].is_string(), "{field}");
    }
    assert_eq!(fatal(LogFormat::Text, &"no"), "socketio-server: no\n");
}

// proves: hostile/75, security/log-escapes
#[test]
fn nobody_forges_a_line_or_reaches_the_terminal() {
    let evil = "a\r\nINFO forged\x1b[31m\x07\u{9b}31m\u{7f}\0\u{202e}";
    for format in [LogFormat::Text, LogFormat::Json] {
        let text = logged(format, false, || {
            tracing::info!(namespace = evil, agent = %evil, debug = ?evil, "said {evil}");
            let span = tracing::info_span!("session", agent = %evil);
            span.in_scope(|| tracing::info!("in a span"));
        });
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert_eq!(text.chars().filter(|char| char.is_control()).collect::<String>(), "\n\n", "{text:?}");
    }
}

// proves: security/log-escapes
#[test]
fn json_still_says_what_was_escaped() {
    let text = logged(LogFormat::Json, false, || tracing::info!(agent = "\u{7f}\u{9b}\n€"));
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["agent"], "\u{7f}\u{9b}\n€");
}

// proves: hostile/75, security/log-escapes
#[test]
fn a_long_value_is_cut() {
    let text = logged(LogFormat::Text, false, || {
        tracing::info!(agent = %"a".repeat(LONGEST_VALUE), "{}", "b".repeat(LONGEST_VALUE + 1));
    });
    let (fits, cut) = ("a".repeat(LONGEST_VALUE), "b".repeat(LONGEST_VALUE));
    assert!(text.ends_with(&format!(" {cut}… agent={fits}\n")), "{text}");
}

#[test]
fn colours_are_only_for_a_terminal() {
    let event = || tracing::info!("listening");
    assert!(logged(LogFormat::Text, true, event).contains("\x1b["));
    assert!(!logged(LogFormat::Text, false, event).contains('\x1b'));
}
