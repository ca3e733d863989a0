//! Input from people: its form, and its meaning.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;

use crate::journal::{self, Direction, ReadError, Record};
use crate::{Explanation, Kind, Settings, Side, explain, explain_journal};

/// How input is written.
///
/// ```
/// use socketio_explain::{Form, ReadInput, Settings};
///
/// let settings = Settings::default();
/// let form = ReadInput::read(b"2probe", None, &settings)?.form();
/// let again = ReadInput::read(b"2probe", Some(form), &settings)?;
/// assert_eq!(again.form(), form);
/// # let _: Form = form;
/// # Ok::<_, socketio_explain::InputError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The bytes themselves.
    Text,
    /// Text with one message on each line, or with a record separator written as `\x1e` or `␞`.
    Written,
    /// Hexadecimal. Spaces, line breaks and colons are ignored.
    Hex,
    /// Base64 of either alphabet, with padding or without.
    Base64,
    /// A journal, or lines of one.
    Journal,
}

/// Input as messages or records.
///
/// ```
/// use socketio_explain::{ReadInput, Settings};
///
/// let settings = Settings::default();
/// let input = ReadInput::read(br#"42["chat"]"#, None, &settings)?;
/// assert_eq!(input.explain(&settings).len(), 1);
/// # Ok::<_, socketio_explain::InputError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum ReadInput {
    /// Messages that one side of a session sent, in order.
    Messages(Form, Vec<Vec<u8>>),
    /// The records of a journal, one list for each run of the server.
    Journal(Vec<Vec<Record>>),
}

/// What an input means. It can be sent as JSON.
///
/// ```
/// use socketio_explain::{Settings, input};
///
/// let explained = input(br#"42["chat","hi"]"#, &Settings::default())?;
/// println!("{:?}", explained.form);
/// for message in &explained.messages {
///     println!("{} parts", message.explanation.parts.len());
/// }
/// # Ok::<_, socketio_explain::InputError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedInput {
    /// How it is written, as given or guessed.
    pub form: Form,
    /// Its messages.
    pub messages: Vec<Explained>,
}

/// A message, and where a journal has it.
///
/// ```
/// use socketio_explain::{Settings, input};
///
/// let explained = input(br#"42["chat","hi"]"#, &Settings::default())?;
/// for message in &explained.messages {
///     println!("{} parts", message.explanation.parts.len());
/// }
/// # Ok::<_, socketio_explain::InputError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The run of the server in which it was recorded, from 1 on. `None` for a message from elsewhere, as below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<usize>,
    /// The number of its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The number of its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Side>,
    /// What it means.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Why input can't be read.
///
/// ```
/// use socketio_explain::{Settings, input};
///
/// if let Err(error) = input(b"{\"journal\":1", &Settings::default()) {
///     println!("{error}");
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InputError {
    /// It is not hexadecimal.
    Hex,
    /// It is not base64.
    Base64,
    /// It begins like a journal, and isn't one.
    Journal(ReadError),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::Hex => {
                f.write_str("is not hexadecimal: an even number of the digits 0 to 9 and a to f")
            }
            InputError::Base64 => f.write_str("is not base64"),
            InputError::Journal(error) => write!(f, "can't be read as a journal: {error}"),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InputError::Journal(error) => Some(error),
            InputError::Hex | InputError::Base64 => None,
        }
    }
}

/// Explains anything that a person pastes: a packet, a payload, several packets on a line each, bytes in hexadecimal
/// or base64, or lines of a journal. The form is guessed: it is the first in which everything is legal.
///
/// ```
/// use socketio_explain::{Form, Settings, input};
///
/// let frames = input(b"81 82 00 00 00 00 34 30", &Settings::default())?;
/// assert_eq!(frames.form, Form::Hex);
/// assert_eq!(frames.messages[0].explanation.parts[0].meaning, "opcode 1: a text message, final frame");
///
/// let json = serde_json::to_value(input(b"42[]", &Settings::default())?)?;
/// assert_eq!(json["messages"][0]["broken"]["at"], 3);
/// assert_eq!(json["messages"][0]["broken"]["rule"]["id"], "EVENT_NAME");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If it begins like a journal, and a line of it can't be read.
pub fn input(input: &[u8], settings: &Settings) -> Result<ExplainedInput, InputError> {
    let read = ReadInput::read(input, None, settings)?;
    Ok(ExplainedInput { form: read.form(), messages: read.explain(settings) })
}

impl ReadInput {
    /// Reads input of this form. `None` guesses it, as [`input`] does; then `settings` matter for what is legal.
    /// Journals are recognised in any case.
    ///
    /// # Errors
    /// If it doesn't have the form, or is a journal that can't be read.
    pub fn read(input: &[u8], form: Option<Form>, settings: &Settings) -> Result<ReadInput, InputError> {
        let input = if form == Some(Form::Text) { input } else { trimmed(input) };
        // No packet begins so.
        let is_journal = input.starts_with(b"{\"journal\":") || input.starts_with(b"{\"n\":");
        match form {
            _ if is_journal => records(input).map(ReadInput::Journal).map_err(InputError::Journal),
            Some(Form::Journal) => records(input).map(ReadInput::Journal).map_err(InputError::Journal),
            Some(Form::Hex) => Ok(ReadInput::one(Form::Hex, hex(input).ok_or(InputError::Hex)?)),
            Some(Form::Base64) => Ok(ReadInput::one(Form::Base64, base64(input).ok_or(InputError::Base64)?)),
            Some(Form::Text) => Ok(ReadInput::one(Form::Text, input.to_vec())),
            Some(Form::Written) => Ok(ReadInput::Messages(Form::Written, written(input))),
            None => Ok(guess(input, settings)),
        }
    }

    /// How it was written.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            ReadInput::Messages(form, _) => *form,
            ReadInput::Journal(_) => Form::Journal,
        }
    }

    /// Explains it.
    #[must_use]
    pub fn explain(&self, settings: &Settings) -> Vec<Explained> {
        match self {
            ReadInput::Messages(_, messages) => {
                let elsewhere = |explanation| Explained {
                    run: None,
                    record: None,
                    session: None,
                    sender: settings.sender,
                    explanation,
                };
                explain(messages, settings).into_iter().map(elsewhere).collect()
            }
            ReadInput::Journal(runs) => {
                let mut all = Vec::new();
                for (run, records) in runs.iter().enumerate() {
                    let explained = explain_journal(records, settings).into_iter();
                    all.extend(explained.map(|(record, explanation)| Explained {
                        run: Some(run + 1),
                        record: Some(record.n),
                        session: record.session,
                        sender: record.direction.map(sender),
                        explanation,
                    }));
                }
                all
            }
        }
    }

    fn one(form: Form, message: Vec<u8>) -> ReadInput {
        ReadInput::Messages(form, vec![message])
    }
}

fn sender(direction: Direction) -> Side {
    match direction {
        Direction::In => Side::Client,
        Direction::Out => Side::Server,
    }
}

/// The records of a journal, or of lines of it.
fn records(text: &[u8]) -> Result<Vec<Vec<Record>>, ReadError> {
    if text.starts_with(b"{\"journal\":") {
        return Ok(journal::runs(text)?.into_iter().map(|run| run.records).collect());
    }
    let mut records = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            records.push(serde_json::from_slice(line).map_err(|error| ReadError::Line(at + 1, error))?);
        }
    }
    Ok(vec![records])
}

/// The first form in which everything is legal and means something. If there is none, pairs of hexadecimal digits are
/// taken as such, and all other input as text.
fn guess(input: &[u8], settings: &Settings) -> ReadInput {
    let text = ReadInput::one(Form::Text, input.to_vec());
    let as_written = ReadInput::Messages(Form::Written, written(input));
    let as_hex = hex(input).map(|bytes| ReadInput::one(Form::Hex, bytes));
    let as_base64 = base64(input).map(|bytes| ReadInput::one(Form::Base64, bytes));
    let otherwise = as_hex.clone().filter(|_| in_pairs(input)).unwrap_or_else(|| text.clone());
    let mut forms = [Some(text), Some(as_written), as_hex, as_base64];
    // Such text is legal, but nobody would mean it.
    if in_pairs(input) {
        forms.swap(0, 2);
    } else if names_a_separator(input) {
        forms.swap(0, 1);
    }
    let fits = |read: &ReadInput| {
        let explained = read.explain(settings);
        let mut explanations = explained.iter().map(|explained| &explained.explanation);
        !explained.is_empty() && explanations.all(|explanation| is_sensible(read.form(), explanation))
    };
    forms.into_iter().flatten().find(fits).unwrap_or(otherwise)
}

/// Whether a message is legal, and not only by chance.
fn is_sensible(form: Form, Explanation { broken, kind, bytes, .. }: &Explanation) -> bool {
    let by_chance = match (form, kind) {
        // Almost any text is base64 of some bytes, and any bytes are a legal attachment.
        (Form::Base64, Kind::Binary) => true,
        // A packet of these types may have any payload, which is ignored: the digits of `3430` for example.
        (Form::Text | Form::Written, Kind::Text) => {
            matches!(bytes[..], [b'1' | b'2' | b'3' | b'5' | b'6', _, ..]) && !bytes.ends_with(b"probe")
        }
        _ => false,
    };
    broken.is_none() && !by_chance
}

/// Without what comes with copying.
fn trimmed(input: &[u8]) -> &[u8] {
    let input = input.trim_ascii_start();
    let end = input.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &input[..end]
}

fn names_a_separator(input: &[u8]) -> bool {
    ["\\x1e", "␞"].iter().any(|name| input.windows(name.len()).any(|bytes| bytes == name.as_bytes()))
}

/// A message for each line, with `\x1e` and `␞` replaced by record separators.
fn written(input: &[u8]) -> Vec<Vec<u8>> {
    let separated = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(line) => line.replace("\\x1e", "\u{1e}").replace('␞', "\u{1e}").into_bytes(),
        Err(_) => line.to_vec(),
    };
    let lines = input.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(separated).collect()
}

/// Whether input is written as a hex dump: in groups of pairs of digits.
fn in_pairs(input: &[u8]) -> bool {
    let groups = input.split(|byte| byte.is_ascii_whitespace() || *byte == b':');
    let mut groups = groups.filter(|group| !group.is_empty()).peekable();
    let is_pairs = |group: &[u8]| group.len().is_multiple_of(2) && group.iter().all(u8::is_ascii_hexdigit);
    groups.next().is_some_and(is_pairs) && groups.peek().is_some() && groups.all(is_pairs)
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b':');
    let digits: Vec<u8> =
        digits.map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    // Both alphabets, as one.
    let text = text.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(text.collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests;
