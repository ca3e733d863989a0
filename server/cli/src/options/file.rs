//! Options in a TOML file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::TABLE;
use super::error::OptionsError;
use super::given::{CONFIG, Given, Source};
use super::row::{Form, Row};

pub(super) fn read(name: &str, text: &str) -> Result<Vec<Given>, OptionsError> {
    let line_at = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| OptionsError {
        place: format!("{name}, line {}", error.span().map_or(1, |span| line_at(span.start))),
        problem: error.message().to_owned(),
    })?;
    let mut all = Vec::new();
    let mut rest = flatten("", table.get_ref());
    rest.sort_by_key(|entry| entry.at);
    for Entry { key, written, at, value } in rest {
        let line = line_at(at);
        let place = || format!("{written} in {name}, line {line}");
        let Some(row) = TABLE.iter().find(|row| row.key == key) else {
            return Err(OptionsError { place: place(), problem: unknown_key(&key) });
        };
        let source = Source::File { name: name.to_owned(), line };
        let mut given = Given { key: row.key, words: Vec::new(), source };
        given.words = match (row.key, value.get_ref()) {
            ("event", DeValue::Array(rules)) => rules
                .iter()
                .map(|rule| {
                    event_rule(rule).map_err(|(at, problem)| {
                        let line = line_at(at);
                        OptionsError { place: format!("{written} in {name}, line {line}"), problem }
                    })
                })
                .collect::<Result<_, _>>()?,
            _ => words(row, value).ok_or_else(|| given.error(wrong_type(row, value)))?,
        };
        all.push(given);
    }
    Ok(all)
}

/// One line of the file.
struct Entry<'a> {
    /// The option's key.
    key: String,
    /// The same as the file has it, with its tables.
    written: String,
    at: usize,
    value: &'a Spanned<DeValue<'a>>,
}

/// The entries of a table and of the tables in it. `[gateway]` groups options without naming them, and the name of a
/// table in it comes before the names of its own: `key` in `[gateway.jwt]` is `jwt-key`.
fn flatten<'a>(path: &str, table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let written =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(table) if written == GROUP || path.starts_with(GROUP) => {
                entries.extend(flatten(&written, table));
            }
            _ => {
                let name = written.strip_prefix(GROUP).and_then(|name| name.strip_prefix('.'));
                let key_of = name.unwrap_or(&written).replace('.', "-");
                // Several of them, so the table is named like that.
                let key_of = if name == Some("events") { "event".to_owned() } else { key_of };
                entries.push(Entry { key: key_of, written, at: key.span().start, value });
            }
        }
    }
    entries
}

/// The table whose name is none of an option's.
const GROUP: &str = "gateway";

/// A rule in `[[gateway.events]]`, as JSON; or where something is wrong with it.
fn event_rule(rule: &Spanned<DeValue<'_>>) -> Result<String, (usize, String)> {
    const KEYS: [&str; 5] = ["name", "namespace", "to", "rate", "relay"];
    let start = rule.span().start;
    let DeValue::Table(table) = rule.get_ref() else {
        return Err((start, "must be tables: [[gateway.events]], and below it name = \"..\"".to_owned()));
    };
    let mut read = serde_json::Map::new();
    for (key, value) in table {
        let at = key.span().start;
        let name: &str = key.get_ref();
        if !KEYS.contains(&name) {
            return Err((at, format!("{name} is unknown{}", nearest(name, KEYS.iter().copied()))));
        }
        let DeValue::String(text) = value.get_ref() else {
            return Err((at, format!("{name} must be a string, and is {}", type_name(value.get_ref()))));
        };
        // To relay is to send to clients.
        let name = if name == "relay" { "to" } else { name };
        if read.insert(name.to_owned(), text.as_ref().into()).is_some() {
            return Err((at, "to and relay say the same: remove one of them".to_owned()));
        }
    }
    if !read.contains_key("name") || !read.contains_key("to") {
        return Err((start, "needs name and to, such as name = \"typing\" and to = \"rooms\"".to_owned()));
    }
    Ok(serde_json::Value::Object(read).to_string())
}

fn unknown_key(key: &str) -> String {
    let dashed = key.replace('_', "-");
    if key == CONFIG {
        "a file can't name another".to_owned()
    } else if TABLE.iter().any(|row| row.key == dashed) {
        format!("no such option; it is written {dashed}")
    } else {
        format!("no such option{}", nearest(&dashed, TABLE.iter().map(|row| row.key)))
    }
}

/// `; did you mean ..?`, if one of the names is much like this.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names.map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match near {
        Some((distance, other)) if distance <= (name.len() / 4).max(1) => format!("; did you mean {other}?"),
        _ => String::new(),
    }
}

/// The words of a TOML value, if it is of the option's form.
fn words(row: &Row, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    let string = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    };
    match (row.form, value.get_ref()) {
        (Form::List, DeValue::Array(values)) => values.iter().map(string).collect(),
        (Form::Switch | Form::Place, DeValue::Boolean(on)) => Some(vec![on.to_string()]),
        (Form::Text | Form::List | Form::Place, _) => string(value).map(|text| vec![text]),
        (Form::Number, DeValue::Integer(number)) if number.radix() == 10 => {
            Some(vec![number.as_str().to_owned()])
        }
        _ => None,
    }
}

fn wrong_type(row: &Row, value: &Spanned<DeValue<'_>>) -> String {
    let wanted = match row.form {
        Form::Text => "a string",
        Form::Number => "a decimal number",
        Form::Switch => "true or false",
        Form::Place => "a string, or true or false",
        Form::List => "an array of strings",
    };
    let example = match (row.form, row.default) {
        (Form::Text, [default]) => format!(", such as {default:?}"),
        (Form::Number, [default]) => format!(", such as {default}"),
        _ => String::new(),
    };
    format!("must be {wanted}{example}, and is {}", type_name(value.get_ref()))
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.radix() != 10 => "an integer of another base",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
