//! Options in a TOML file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::TABLE;
use super::deprecated;
use super::error::OptionsError;
use super::given::{CONFIG, Given, Source};
use super::meant::meant;
use super::row::{Form, Row};
use super::value::event_rule_part;

/// What a file gives, and all that is wrong in it.
pub(super) fn read(name: &str, text: &str) -> (Vec<Given>, Vec<OptionsError>) {
    let line_at = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_at(span.start));
            let (place, problem) = (format!("{name}, line {line}"), error.message().to_owned());
            return (Vec::new(), vec![OptionsError { place, problem }]);
        }
    };
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    let mut rest = flatten("", table.get_ref());
    rest.sort_by_key(|entry| entry.at);
    for Entry { key, written, at, value } in rest {
        let mut mistake = |at: usize, problem| {
            let place = format!("{written} in {name}, line {}", line_at(at));
            wrong.push(OptionsError { place, problem });
        };
        let (row, name_there) = match known(&key, &written, value.get_ref()) {
            Ok(known) => known,
            Err(problem) => {
                mistake(at, problem);
                continue;
            }
        };
        let words = match (row.key, value.get_ref()) {
            ("event", DeValue::Array(rules)) => {
                let mut words = Vec::new();
                for rule in rules {
                    match event_rule(rule, line_at) {
                        Ok(rule) => words.push(rule),
                        Err(problems) => problems.into_iter().for_each(|(at, problem)| mistake(at, problem)),
                    }
                }
                Some(words)
            }
            _ => words(row, value),
        };
        match words {
            Some(words) => {
                let source = Source::File { name: name.to_owned(), line: line_at(at), written };
                all.push(Given { key: row.key, written: name_there, words, source });
            }
            None => mistake(at, wrong_type(row, value)),
        }
    }
    (all, wrong)
}

/// The option of that key, which may be an old one, and the key.
fn known(key: &str, written: &str, value: &DeValue<'_>) -> Result<(&'static Row, &'static str), String> {
    let in_group = written.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('.'));
    if in_group && written == "gateway.event" {
        return Err("no such option; did you mean gateway.events?".to_owned());
    }
    match deprecated::find(|name| name == key) {
        Some((row, _)) if in_group && row.section != "Gateway" => {
            Err("is not an option of the gateway: write it above the first table".to_owned())
        }
        Some(known) => Ok(known),
        None if matches!(value, DeValue::Table(_)) && key != CONFIG => {
            let tables = "; write options above all tables, or those of the gateway in [gateway]";
            Err(unknown_key(key) + tables)
        }
        None => Err(unknown_key(key)),
    }
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

/// A rule in `[[gateway.events]]`, as JSON; or where something is wrong with it, and what.
fn event_rule(
    rule: &Spanned<DeValue<'_>>,
    line_at: impl Fn(usize) -> usize,
) -> Result<String, Vec<(usize, String)>> {
    const KEYS: [&str; 5] = ["name", "namespace", "to", "rate", "relay"];
    let start = rule.span().start;
    let DeValue::Table(table) = rule.get_ref() else {
        let tables = "must be tables: [[gateway.events]], and below it name = \"..\" and to = \"..\"";
        return Err(vec![(start, tables.to_owned())]);
    };
    let (mut read, mut wrong) = (serde_json::Map::new(), Vec::new());
    for (key, value) in table {
        let at = key.span().start;
        let name: &str = key.get_ref();
        if !KEYS.contains(&name) {
            wrong.push((at, format!("{name} is unknown{}", nearest(name, KEYS.iter().copied()))));
            continue;
        }
        // To relay is to send to clients.
        let part = if name == "relay" { "to" } else { name };
        let DeValue::String(text) = value.get_ref() else {
            wrong.push((at, format!("{name} must be a string, and is {}", type_name(value.get_ref()))));
            read.insert(part.to_owned(), "".into());
            continue;
        };
        if let Err(problem) = event_rule_part(part, text) {
            wrong.push((at, format!("{name}: {problem}")));
        }
        if read.insert(part.to_owned(), text.as_ref().into()).is_some() {
            wrong.push((at, "to and relay say the same: remove one of them".to_owned()));
        }
    }
    if wrong.is_empty() && (!read.contains_key("name") || !read.contains_key("to")) {
        wrong.push((start, "needs name and to, such as name = \"typing\" and to = \"rooms\"".to_owned()));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    read.insert("line".to_owned(), line_at(start).into());
    Ok(serde_json::Value::Object(read).to_string())
}

fn unknown_key(key: &str) -> String {
    let dashed = key.replace('_', "-");
    if key == CONFIG {
        "a file can't name another".to_owned()
    } else if TABLE.iter().any(|row| row.key == dashed) {
        format!("no such option; it is written {dashed}")
    } else if let Some(key) = meant(&dashed) {
        format!("no such option; did you mean {key}?")
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
        (Form::Text | Form::Place, _) => match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => format!(", such as {:?}", number.as_str()),
            _ => String::new(),
        },
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
