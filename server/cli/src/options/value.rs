//! What each option's value may be: from words to a value, or what is wrong with them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::choices::{App, EventAction, EventRule, RedisMode, Transports};
use super::row::Form;
use socketio::Parser;
use socketio_admin::{Auth, Mode};
use socketio_server::{AllowedHosts, Cookie, Cors, SameSite, TrailingSlash, TrustedProxy};

use crate::logging::LogFormat;
use crate::place::Place;

/// Reads the values of one kind of option.
pub(super) struct Reader<T> {
    /// What stands for the value in `--help`.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// From the words that were given: one, but for [`Form::List`]; none for an option without a default
    /// that nobody gave.
    pub(super) read: fn(&[String]) -> Result<T, String>,
}

impl<T> Reader<T> {
    const fn new(name: &'static str, form: Form, read: fn(&[String]) -> Result<T, String>) -> Reader<T> {
        Reader { name, form, read }
    }
}

pub(super) const APP: Reader<App> = Reader::new("chat|echo|gateway|laravel-echo|none", Form::Text, |words| {
    one_of(
        words,
        &[
            ("chat", App::Chat),
            ("echo", App::Echo),
            ("gateway", App::Gateway),
            ("laravel-echo", App::LaravelEcho),
            ("none", App::None),
        ],
    )
});

pub(super) const PLACES: Reader<Vec<Place>> =
    Reader::new("[ADDRESS:]PORT|unix:PATH", Form::List, |words| match words {
        [] => Err("needs at least one address".to_owned()),
        words => {
            words.iter().map(|text| text.parse().map_err(|error| format!("{text:?} is {error}"))).collect()
        }
    });

pub(super) const ADDRESS_OR_OFF: Reader<Option<SocketAddr>> =
    Reader::new("[ADDRESS:]PORT", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(text) => match text.parse::<Place>().ok().and_then(|place| place.address()) {
            Some(address) => Ok(Some(address)),
            None => Err(format!("{text:?} is not an address, such as localhost:9090 or 127.0.0.1:9090")),
        },
    });

pub(super) const PROXIES: Reader<Vec<TrustedProxy>> =
    Reader::new("ADDRESS|NETWORK|unix", Form::List, |words| {
        words.iter().map(|text| text.parse().map_err(|error| format!("{text:?} is {error}"))).collect()
    });

/// Where the inspector listens unless told otherwise.
const INSPECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3030);

pub(super) const PLACE_OR_OFF: Reader<Option<SocketAddr>> =
    Reader::new("[ADDRESS:]PORT", Form::Place, |words| match words.first().map(String::as_str) {
        Some("true") => Ok(Some(INSPECTOR)),
        Some("false") | None => Ok(None),
        Some(_) => (ADDRESS_OR_OFF.read)(words),
    });

/// A secret that goes into addresses and cookies as it is.
pub(super) const TOKEN: Reader<Option<String>> =
    Reader::new("TOKEN", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(token) => {
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            match token.len() >= 16 && token.bytes().all(allowed) {
                true => Ok(Some(token.clone())),
                // A secret is not repeated where it may be logged.
                false => Err("must be 16 or more letters, digits and -._~".to_owned()),
            }
        }
    });

/// Keys of the API. A secret is not repeated where it may be logged.
pub(super) const API_KEYS: Reader<Vec<String>> = Reader::new("KEY", Form::List, |words| {
    let fit =
        |key: &String| key.len() >= 16 && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    match words.iter().all(fit) {
        true => Ok(words.to_vec()),
        false => Err("must be 16 or more ASCII characters, without spaces and commas".to_owned()),
    }
});

pub(super) const WEB_URL: Reader<Option<String>> =
    Reader::new("URL", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(url) => match url.starts_with("http://") || url.starts_with("https://") {
            true => Ok(Some(url.clone())),
            // It may have a secret in it.
            false => Err("must be a URL that begins with http:// or https://".to_owned()),
        },
    });

/// Secrets of webhooks: Standard Webhooks asks for 24 to 64 bytes. They are read where they are used.
pub(super) const WEBHOOK_SECRETS: Reader<Vec<String>> = Reader::new("SECRET", Form::List, |words| {
    let fits = |word: &String| {
        let Some(base64) = word.strip_prefix("whsec_") else { return false };
        let digits = base64.trim_end_matches('=');
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        plain && base64.len() % 4 == 0 && (24..=64).contains(&(digits.len() * 3 / 4))
    };
    match words.iter().all(fits) {
        true => Ok(words.to_vec()),
        false => {
            Err("must be whsec_ and 24 to 64 bytes in base64: whsec_$(openssl rand -base64 32)".to_owned())
        }
    }
});

/// The hooks that the gateway knows. A build without it knows them as well.
const HOOKS: [&str; 7] =
    ["connect", "event", "connected", "disconnected", "room_occupied", "room_vacated", "node_started"];

pub(super) const WEBHOOK_HOOKS: Reader<Vec<String>> = Reader::new("HOOK", Form::List, |words| {
    match words.iter().find(|word| !HOOKS.contains(&word.as_str())) {
        Some(other) => Err(format!("{other:?} is not one of {}", HOOKS.join(", "))),
        None => Ok(words.to_vec()),
    }
});

/// Names of events, with commas between them in any form.
pub(super) const EVENTS: Reader<Vec<String>> = Reader::new("NAME,...", Form::List, |words| {
    let names: Vec<_> =
        words.iter().flat_map(|word| word.split(',')).map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("an event's name can't be empty".to_owned()),
        false => Ok(names),
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

/// Rules of events: `NAME=ACTION@RATE`, or JSON, which the file's tables become.
pub(super) const EVENT_RULES: Reader<Vec<EventRule>> =
    Reader::new("NAME=ACTION[@RATE]", Form::List, |words| {
        words.iter().map(|word| event_rule(word)).collect()
    });

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
    if name.is_empty() {
        return Err("a rule needs the name of an event".to_owned());
    }
    let to = one_of(&[to], &ACTIONS).map_err(|problem| format!("{name}: {problem}"))?;
    if let Some(rate) = &rate {
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
        if !rate.split_once('/').is_some_and(fits) {
            return Err(format!("{name}: {rate:?} is not a rate, such as 5/s, 100/m or 10/10s"));
        }
    }
    Ok(EventRule { name, namespace, to, rate })
}

/// A text that is not repeated where it may be logged.
pub(super) const TEXT_OR_NONE: Reader<Option<String>> =
    Reader::new("TEXT", Form::Text, |words| match words.first() {
        Some(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        text => Ok(text.cloned()),
    });

pub(super) const EVENT_ACTION: Reader<Option<EventAction>> =
    Reader::new("backend|rooms|namespace|refuse|drop", Form::Text, |words| {
        if words.is_empty() { Ok(None) } else { one_of(words, &ACTIONS).map(Some) }
    });

pub(super) const NAMESPACES: Reader<Vec<String>> = Reader::new("NAME", Form::List, |words| {
    match words.iter().find(|word| !word.starts_with('/') || word.contains([',', '?'])) {
        Some(other) => {
            Err(format!("{other:?} is not a namespace: it begins with a slash, and has no comma and no ?"))
        }
        None if words.is_empty() => Err("must name at least one namespace".to_owned()),
        None => Ok(words.to_vec()),
    }
});

/// A name of letters, digits and a few signs.
pub(super) const NODE: Reader<Option<String>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(name) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~".contains(&byte);
            match (1..=100).contains(&name.len()) && name.bytes().all(allowed) {
                true => Ok(Some(name.clone())),
                false => Err(format!("{name:?} is not 1 to 100 letters, digits and -._:~")),
            }
        }
    });

/// A text that is there.
pub(super) const WORD: Reader<Option<String>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        Some(word) if word.trim().is_empty() => Err("can't be empty".to_owned()),
        word => Ok(word.cloned()),
    });

pub(super) const BCRYPT: Reader<Option<String>> =
    Reader::new("HASH", Form::Text, |words| match words.first() {
        None => Ok(None),
        // A hash is not repeated where it may be logged.
        Some(hash) => match Auth::password("", hash) {
            Ok(_) => Ok(Some(hash.clone())),
            Err(error) => Err(error.to_string()),
        },
    });

pub(super) const ADMIN_MODE: Reader<Mode> = Reader::new("development|production", Form::Text, |words| {
    one_of(words, &[("development", Mode::Development), ("production", Mode::Production)])
});

pub(super) const REDIS: Reader<Vec<String>> = Reader::new("URL", Form::List, |words| {
    let is_url =
        |url: &String| ["redis://", "rediss://", "unix://"].iter().any(|start| url.starts_with(start));
    match words.iter().all(is_url) {
        true => Ok(words.to_vec()),
        // It may have a password in it.
        false => Err("must be a URL that begins with redis://, rediss:// or unix://".to_owned()),
    }
});

pub(super) const REDIS_OR_NONE: Reader<Option<String>> =
    Reader::new("URL", Form::Text, |words| Ok((REDIS.read)(words)?.pop()));

pub(super) const REDIS_MODE: Reader<RedisMode> =
    Reader::new("pubsub|sharded|sharded-static|sharded-dynamic-private|streams", Form::Text, |words| {
        one_of(
            words,
            &[
                ("pubsub", RedisMode::PubSub),
                ("sharded", RedisMode::Sharded),
                ("sharded-static", RedisMode::ShardedStatic),
                ("sharded-dynamic-private", RedisMode::ShardedDynamicPrivate),
                ("streams", RedisMode::Streams),
            ],
        )
    });

pub(super) const REDIS_NAME: Reader<String> = Reader::new("TEXT", Form::Text, |words| match only(words) {
    "" => Err("must not be empty".to_owned()),
    prefix => Ok(prefix.to_owned()),
});

pub(super) const BACKLOG: Reader<u32> = Reader::new("NUMBER", Form::Number, |words| {
    let text = only(words);
    match text.parse() {
        Ok(number @ 1..=0x7fff_ffff) => Ok(number),
        _ => Err(format!("{text:?} is not a number of connections, such as 1024")),
    }
});

/// A path of unreserved characters, so that it needs no percent-encoding and is compared as it was sent.
/// It is stored with a slash at its end.
pub(super) const PATH: Reader<String> = Reader::new("PATH", Form::Text, |words| {
    let text = only(words);
    let Some(inside) = text.strip_prefix('/') else {
        return Err(format!("{text:?} does not begin with a slash"));
    };
    if inside.is_empty() {
        return Ok("/".to_owned());
    }
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed);
    if !inside.split('/').all(is_segment) {
        return Err(format!(
            "{text:?} is not a plain path: names of letters, digits and -._~ between slashes"
        ));
    }
    Ok(format!("/{inside}/"))
});

pub(super) const FOLDER: Reader<Option<PathBuf>> =
    Reader::new("DIR", Form::Text, |words| path(words, "folder"));

pub(super) const FILE: Reader<Option<PathBuf>> = Reader::new("FILE", Form::Text, |words| path(words, "file"));

fn path(words: &[String], what: &str) -> Result<Option<PathBuf>, String> {
    match words.first() {
        None => Ok(None),
        Some(text) if text.is_empty() => Err(format!("the name of a {what} can't be empty")),
        Some(text) => Ok(Some(PathBuf::from(text))),
    }
}

/// The protocol counts in milliseconds, and clients in browsers can't wait for longer than 2^31 of them,
/// which two of these together stay under.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A time that can't be zero.
pub(super) const TIME: Reader<Duration> = Reader::new("TIME", Form::Text, |words| {
    let time = time(only(words))?;
    if time < SHORTEST { Err("must be 1ms or more".to_owned()) } else { Ok(time) }
});

/// A time that may be zero, which means at once.
pub(super) const TIME_OR_NONE: Reader<Duration> = Reader::new("TIME", Form::Text, |words| time(only(words)));

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err(format!("{text:?} is longer than 7 days")),
        Err(_) => Err(format!("{text:?} is not a time, such as 25s, 500ms or 1m 30s")),
    }
}

/// A time for what is off without one.
pub(super) const TIME_OR_OFF: Reader<Option<Duration>> =
    Reader::new(
        "TIME",
        Form::Text,
        |words| {
            if words.is_empty() { Ok(None) } else { (TIME.read)(words).map(Some) }
        },
    );

pub(super) const COUNT: Reader<usize> = Reader::new("NUMBER", Form::Number, |words| {
    let text = only(words);
    text.parse().map_err(|_| format!("{text:?} is not a number, such as 1000"))
});

/// A number of what there has to be one of at the least.
pub(super) const POSITIVE: Reader<usize> =
    Reader::new("NUMBER", Form::Number, |words| match (COUNT.read)(words)? {
        0 => Err("must be 1 or more".to_owned()),
        number => Ok(number),
    });

/// A number for what is not limited without one.
pub(super) const COUNT_OR_OFF: Reader<Option<usize>> = Reader::new("NUMBER", Form::Number, |words| {
    if words.is_empty() { Ok(None) } else { (POSITIVE.read)(words).map(Some) }
});

pub(super) const BYTES: Reader<usize> = Reader::new("BYTES", Form::Number, |words| {
    let text = only(words);
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(format!("{text:?} is not a number of bytes, such as 1000000")),
    }
});

pub(super) const PARSER: Reader<Parser> = Reader::new("default|msgpack", Form::Text, |words| {
    one_of(words, &[("default", Parser::Default), ("msgpack", Parser::MsgPack)])
});

pub(super) const SWITCH: Reader<bool> =
    Reader::new("true|false", Form::Switch, |words| one_of(words, &[("true", true), ("false", false)]));

pub(super) const ORIGINS: Reader<Option<Cors>> = Reader::new("ORIGIN", Form::List, |words| match words {
    [] => Ok(None),
    origins => Cors::new(origins).map(Some).map_err(|error| error.to_string()),
});

pub(super) const HOSTS: Reader<Option<AllowedHosts>> = Reader::new("HOST", Form::List, |words| match words {
    [] => Ok(None),
    hosts => AllowedHosts::new(hosts).map(Some).map_err(|error| error.to_string()),
});

/// Names of header fields. What can be one is settled where they are used.
pub(super) const NAMES: Reader<Vec<String>> =
    Reader::new("NAME", Form::List, |words| Ok(words.iter().map(|word| word.trim().to_owned()).collect()));

pub(super) const COOKIE_PATH: Reader<Option<String>> =
    Reader::new("PATH", Form::Text, |words| Ok(words.first().cloned()));

pub(super) const COOKIE_DOMAIN: Reader<Option<String>> =
    Reader::new("DOMAIN", Form::Text, |words| Ok(words.first().cloned()));

/// How long a browser keeps something: in seconds, and for as long as one likes.
pub(super) const AGE: Reader<Option<Duration>> = Reader::new("TIME", Form::Text, |words| {
    let Some(text) = words.first() else { return Ok(None) };
    let age = humantime::parse_duration(text);
    age.map(Some).map_err(|_| format!("{text:?} is not a time, such as 10m, 1day or 1year"))
});

pub(super) const SAME_SITE: Reader<SameSite> = Reader::new("strict|lax|none", Form::Text, |words| {
    one_of(words, &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)])
});

pub(super) const SLASH: Reader<TrailingSlash> =
    Reader::new("optional|required|absent", Form::Text, |words| {
        one_of(
            words,
            &[
                ("optional", TrailingSlash::Optional),
                ("required", TrailingSlash::Required),
                ("absent", TrailingSlash::Absent),
            ],
        )
    });

pub(super) const TRANSPORTS: Reader<Transports> = Reader::new("TRANSPORT", Form::List, |words| {
    let known = |word: &&String| !matches!(word.as_str(), "polling" | "websocket");
    match words.iter().find(known) {
        Some(other) => Err(format!("{other:?} is not a transport: use polling, websocket or both")),
        None if words.is_empty() => Err("must be polling, websocket or both".to_owned()),
        None => {
            let has = |name| words.iter().any(|word| word == name);
            Ok(Transports { polling: has("polling"), websocket: has("websocket") })
        }
    }
});

pub(super) const COOKIE: Reader<Option<Cookie>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(name) => Cookie::new(name).map(Some).map_err(|error| error.to_string()),
    });

pub(super) const LOG: Reader<LogFormat> = Reader::new("text|json", Form::Text, |words| {
    one_of(words, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
});

pub(super) const LEVEL: Reader<LevelFilter> =
    Reader::new("off|error|warn|info|debug|trace", Form::Text, |words| {
        one_of(
            words,
            &[
                ("off", LevelFilter::OFF),
                ("error", LevelFilter::ERROR),
                ("warn", LevelFilter::WARN),
                ("info", LevelFilter::INFO),
                ("debug", LevelFilter::DEBUG),
                ("trace", LevelFilter::TRACE),
            ],
        )
    });

/// The word of an option that takes one.
fn only(words: &[String]) -> &str {
    words.first().map_or("", String::as_str)
}

fn one_of<T: Clone>(words: &[String], choices: &[(&str, T)]) -> Result<T, String> {
    let text = only(words);
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is not one of {}", names.join(", "))
    })
}
