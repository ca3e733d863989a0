//! Clients' events: their names, and the rules that say what happens to them.

use super::names::star_at_the_end;
use super::{Form, NAMESPACES, Reader, one_of};
use crate::options::choices::{EventAction, EventRule, RuleLine};

/// Names of events, with commas between them in any form.
pub(crate) const EVENTS: Reader<Vec<String>> = Reader::new("NAME,...", Form::List, |words| {
    let names: Vec<_> =
        words.iter().flat_map(|word| word.split(',')).map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("an event's name can't be empty".to_owned()),
        false => names.iter().try_for_each(|name| star_at_the_end(name)).map(|()| names),
    }
});

/// Where events go, by name.
const ACTIONS: [(&str, EventAction); 5] = [
    ("backend", EventAction::Backend),
    ("rooms", EventAction::Rooms),
    ("namespace", EventAction::Namespace),
    ("refuse", EventAction::Refuse),
    ("drop", EventAction::Drop),
];

pub(crate) const EVENT_ACTION: Reader<Option<EventAction>> =
    Reader::new("backend|rooms|namespace|refuse|drop", Form::Text, |words| {
        if words.is_empty() { Ok(None) } else { one_of(words, &ACTIONS).map(Some) }
    });

/// Rules of events: `NAME=ACTION@RATE`, or JSON, which the file's tables become.
pub(crate) const EVENT_RULES: Reader<Vec<EventRule>> =
    Reader::new("NAME=ACTION[@RATE]", Form::List, |words| {
        words.iter().map(|word| event_rule(word)).collect()
    });

/// What is wrong with a part of a rule: `key` is one of a table of the file.
pub(crate) fn event_rule_part(key: &str, text: &str) -> Result<(), String> {
    match key {
        "name" if text.is_empty() => Err("a rule needs the name of an event".to_owned()),
        "name" => star_at_the_end(text),
        "namespace" => (NAMESPACES.read)(&[text.to_owned()]).map(drop),
        "to" => one_of(&[text.to_owned()], &ACTIONS).map(drop),
        _ => rate(text),
    }
}

fn rate(text: &str) -> Result<(), String> {
    let fits = |(count, period): (&str, &str)| {
        let period = period.trim();
        let period = if period.starts_with(|c: char| c.is_ascii_digit()) {
            period.to_owned()
        } else {
            format!("1{period}")
        };
        count.trim().parse().is_ok_and(|count: u32| count > 0)
            && humantime::parse_duration(&period).is_ok_and(|period| !period.is_zero())
    };
    match text.split_once('/').is_some_and(fits) {
        true => Ok(()),
        false => Err(format!("{text:?} is not a rate, such as 5/s, 100/m or 10/10s")),
    }
}

fn event_rule(word: &str) -> Result<EventRule, String> {
    let table: Option<serde_json::Value> =
        serde_json::from_str(word).ok().filter(serde_json::Value::is_object);
    let (name, namespace, to, rate) = match &table {
        Some(table) => {
            let text = |key: &str| table[key].as_str().map(str::to_owned);
            (
                text("name").unwrap_or_default(),
                text("namespace"),
                text("to").unwrap_or_default(),
                text("rate"),
            )
        }
        None => {
            let wrong = || format!("{word:?} is not a rule, such as typing=rooms or typing=rooms@5/s");
            let (name, rest) = word.rsplit_once('=').ok_or_else(wrong)?;
            let (to, rate) = match rest.split_once('@') {
                Some((to, rate)) => (to, Some(rate.to_owned())),
                None => (rest, None),
            };
            (name.to_owned(), None, to.to_owned(), rate)
        }
    };
    let line = table.as_ref().and_then(|table| usize::try_from(table["line"].as_u64()?).ok());
    event_rule_part("name", &name)?;
    let parts = [("to", Some(&to)), ("namespace", namespace.as_ref()), ("rate", rate.as_ref())];
    for (key, text) in parts.iter().filter_map(|(key, text)| Some((key, (*text)?))) {
        event_rule_part(key, text).map_err(|problem| format!("{name}: {problem}"))?;
    }
    let to = one_of(&[to], &ACTIONS)?;
    Ok(EventRule { name, namespace, to, rate, line: RuleLine(line) })
}
