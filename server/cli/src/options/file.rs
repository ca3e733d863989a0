//! Options in a TOML file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::sources::{CONFIG, Given, Source};
use super::{Form, OptionsError, Row, TABLE};

pub(super) fn read(name: &str, text: &str) -> Result<Vec<Given>, OptionsError> {
    let line_at = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| OptionsError {
        place: format!("{name}, line {}", error.span().map_or(1, |span| line_at(span.start))),
        problem: error.message().to_owned(),
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut all = Vec::new();
    for (key, value) in entries {
        let line = line_at(key.span().start);
        let key: &str = key.get_ref();
        let Some(row) = TABLE.iter().find(|row| row.key == key) else {
            return Err(OptionsError {
                place: format!("{key} in {name}, line {line}"),
                problem: unknown_key(key),
            });
        };
        let mut given =
            Given { key: row.key, words: Vec::new(), source: Source::File { name: name.to_owned(), line } };
        given.words = words(row, value).ok_or_else(|| given.error(wrong_type(row, value)))?;
        all.push(given);
    }
    Ok(all)
}

fn unknown_key(key: &str) -> String {
    let dashed = key.replace('_', "-");
    if key == CONFIG {
        "a file can't name another".to_owned()
    } else if TABLE.iter().any(|row| row.key == dashed) {
        format!("no such option; it is written {dashed}")
    } else {
        "no such option".to_owned()
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
