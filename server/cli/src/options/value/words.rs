//! One of several words.

use socketio::Parser;
use socketio_admin::AdminMode;
use socketio_server::TrailingSlash;
use tracing::level_filters::LevelFilter;

use super::{Form, Reader, one_of};
use crate::logging::LogFormat;
use crate::options::choices::{App, Transports};

pub(crate) const APP: Reader<App> = Reader::new("chat|echo|gateway|laravel-echo|none", Form::Text, |words| {
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

pub(crate) const ADMIN_MODE: Reader<AdminMode> = Reader::new("development|production", Form::Text, |words| {
    one_of(words, &[("development", AdminMode::Development), ("production", AdminMode::Production)])
});

pub(crate) const PARSER: Reader<Parser> = Reader::new("default|msgpack", Form::Text, |words| {
    one_of(words, &[("default", Parser::Default), ("msgpack", Parser::MsgPack)])
});

pub(crate) const SWITCH: Reader<bool> =
    Reader::new("true|false", Form::Switch, |words| one_of(words, &[("true", true), ("false", false)]));

pub(crate) const SLASH: Reader<TrailingSlash> =
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

pub(crate) const TRANSPORTS: Reader<Transports> = Reader::new("TRANSPORT", Form::List, |words| {
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

pub(crate) const LOG: Reader<LogFormat> = Reader::new("text|json", Form::Text, |words| {
    one_of(words, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
});

pub(crate) const LEVEL: Reader<LevelFilter> =
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
