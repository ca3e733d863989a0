//! Times, counts and sizes.

use std::time::Duration;

use socketio_server::deflate::CompressionLevel;

use super::{Form, Reader, only};

/// The protocol counts in milliseconds, and clients in browsers can't wait for longer than 2^31 of them,
/// which two of these together stay under.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A time that can't be zero.
pub(crate) const TIME: Reader<Duration> = Reader::new("TIME", Form::Text, |words| {
    let time = time(only(words))?;
    if time < SHORTEST { Err("must be 1ms or more".to_owned()) } else { Ok(time) }
});

/// A time that may be zero, which means at once.
pub(crate) const TIME_OR_NONE: Reader<Duration> = Reader::new("TIME", Form::Text, |words| time(only(words)));

/// A time for what is off without one.
pub(crate) const TIME_OR_OFF: Reader<Option<Duration>> =
    Reader::new(
        "TIME",
        Form::Text,
        |words| {
            if words.is_empty() { Ok(None) } else { (TIME.read)(words).map(Some) }
        },
    );

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err(format!("{text:?} is longer than 7 days")),
        Err(_) => Err(format!("{text:?} is not a time, such as 25s, 500ms or 1m 30s")),
    }
}

/// How long a browser keeps something: in seconds, and for as long as one likes.
pub(crate) const AGE: Reader<Option<Duration>> = Reader::new("TIME", Form::Text, |words| {
    let Some(text) = words.first() else { return Ok(None) };
    let age = humantime::parse_duration(text);
    age.map(Some).map_err(|_| format!("{text:?} is not a time, such as 10m, 1day or 1year"))
});

pub(crate) const COUNT: Reader<usize> = Reader::new("NUMBER", Form::Number, |words| {
    let text = only(words);
    text.parse().map_err(|_| format!("{text:?} is not a number, such as 1000"))
});

/// A number of what there has to be one of at the least.
pub(crate) const POSITIVE: Reader<usize> =
    Reader::new("NUMBER", Form::Number, |words| match (COUNT.read)(words)? {
        0 => Err("must be 1 or more".to_owned()),
        number => Ok(number),
    });

/// A number for what is not limited without one.
pub(crate) const COUNT_OR_OFF: Reader<Option<usize>> = Reader::new("NUMBER", Form::Number, |words| {
    if words.is_empty() { Ok(None) } else { (POSITIVE.read)(words).map(Some) }
});

pub(crate) const BYTES: Reader<usize> = Reader::new("BYTES", Form::Number, |words| {
    let text = only(words);
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(format!("{text:?} is not a number of bytes, such as 1000000")),
    }
});

pub(crate) const BACKLOG: Reader<u32> = Reader::new("NUMBER", Form::Number, |words| {
    let text = only(words);
    match text.parse() {
        Ok(number @ 1..=0x7fff_ffff) => Ok(number),
        _ => Err(format!("{text:?} is not a number of connections, such as 1024")),
    }
});

pub(crate) const DEFLATE_LEVEL: Reader<CompressionLevel> = Reader::new("NUMBER", Form::Number, |words| {
    let text = only(words);
    let level = text.parse().ok().and_then(CompressionLevel::new);
    level.ok_or_else(|| format!("{text:?} is not a level of compression: give a number from 1 to 9"))
});
