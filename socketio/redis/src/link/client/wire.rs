//! Commands, and what Redis tells, as the client library has them.

use std::sync::Arc;

use redis::{Pipeline, PushInfo, PushKind, Value};

use crate::link::{Channel, Command, Entry, LinkError, Position, Push, Reply, Told};

/// Reads `[[id, [name, value, ..]], ..]`. What others have put there and is no text is left out.
pub(super) fn read_entries(stream: &Arc<str>, reply: Value) -> Result<Vec<Entry>, LinkError> {
    let Value::Array(entries) = reply else { return Err(unexpected(&reply)) };
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let Value::Array(entry) = entry else { return Err(unexpected(&entry)) };
        let (Some(id), Some(fields)) = pair(entry) else { continue };
        // An entry that was deleted has no fields.
        let mut fields = if let Value::Array(fields) = fields { fields.into_iter() } else { continue };
        let mut entry = Entry { stream: Arc::clone(stream), id: text(id)?.into(), fields: Vec::new() };
        while let (Some(name), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
            if let Ok(name) = text(name) {
                entry.fields.push((name.into(), value.into()));
            }
        }
        read.push(entry);
    }
    Ok(read)
}

pub(super) fn pair(values: Vec<Value>) -> (Option<Value>, Option<Value>) {
    let mut values = values.into_iter();
    (values.next(), values.next())
}

pub(super) fn text(value: Value) -> Result<String, LinkError> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| LinkError("a name is not UTF-8".into()))
        }
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        other => Err(unexpected(&other)),
    }
}

/// An answer of another kind than was asked for, or an error.
pub(super) fn unexpected(answer: &Value) -> LinkError {
    match answer {
        Value::ServerError(error) => LinkError(
            format!("Redis refuses a command: {} {}", error.code(), error.details().unwrap_or_default())
                .into(),
        ),
        _ => LinkError("Redis answers something else than it was asked".into()),
    }
}

pub(super) fn write(pipeline: &mut Pipeline, command: &Command) {
    match command {
        Command::Subscribe(channel) => {
            let name = match channel {
                Channel::Exact(_) => "SUBSCRIBE",
                Channel::Pattern(_) => "PSUBSCRIBE",
                Channel::Sharded(_) => "SSUBSCRIBE",
            };
            pipeline.cmd(name).arg(channel.name());
        }
        Command::Unsubscribe(channel) => {
            let name = match channel {
                Channel::Exact(_) => "UNSUBSCRIBE",
                Channel::Pattern(_) => "PUNSUBSCRIBE",
                Channel::Sharded(_) => "SUNSUBSCRIBE",
            };
            pipeline.cmd(name).arg(channel.name());
        }
        Command::Publish { channel, payload } => {
            let name = if matches!(channel, Channel::Sharded(_)) { "SPUBLISH" } else { "PUBLISH" };
            pipeline.cmd(name).arg(channel.name()).arg(&payload[..]);
        }
        Command::Count(channel) => {
            let kind = if matches!(channel, Channel::Sharded(_)) { "SHARDNUMSUB" } else { "NUMSUB" };
            pipeline.cmd("PUBSUB").arg(kind).arg(channel.name());
        }
        Command::Channels(pattern) => {
            let kind = if matches!(pattern, Channel::Sharded(_)) { "SHARDCHANNELS" } else { "CHANNELS" };
            pipeline.cmd("PUBSUB").arg(kind).arg(pattern.name());
        }
        Command::Append { stream, max_len, fields } => {
            pipeline.cmd("XADD").arg(&**stream).arg("MAXLEN").arg("~").arg(*max_len).arg("*");
            for (name, value) in fields {
                pipeline.arg(&**name).arg(&value[..]);
            }
        }
        Command::Keep { key, value, time } => {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            pipeline.cmd("SET").arg(&**key).arg(&value[..]).arg("PX").arg(millis);
        }
        Command::Take(key) => {
            pipeline.cmd("GETDEL").arg(&**key);
        }
        Command::Forget(key) => {
            pipeline.cmd("DEL").arg(&**key);
        }
        Command::Range { from: Position { stream, id }, inclusive, count } => {
            let from = if *inclusive { id.to_string() } else { format!("({id}") };
            pipeline.cmd("XRANGE").arg(&**stream).arg(from).arg("+").arg("COUNT").arg(*count);
        }
        Command::Ping => {
            pipeline.cmd("PING");
        }
        Command::Asking => {
            pipeline.cmd("ASKING");
        }
    }
}

pub(super) fn read_reply(command: &Command, value: Value) -> Reply {
    match (command, value) {
        (_, Value::ServerError(error)) => {
            Err(format!("{} {}", error.code(), error.details().unwrap_or_default()).trim_end().into())
        }
        (Command::Count(_), value) => Ok(Told::Number(count(value))),
        (Command::Channels(_), Value::Array(names)) => {
            Ok(Told::Names(names.into_iter().filter_map(|name| text(name).ok().map(Into::into)).collect()))
        }
        (Command::Take(_), Value::BulkString(value)) => Ok(Told::Value(value.into())),
        (Command::Range { from, .. }, entries) => {
            let entries = read_entries(&from.stream, entries).map_err(|LinkError(error)| error)?;
            Ok(Told::Entries(entries))
        }
        _ => Ok(Told::Nothing),
    }
}

/// The number of `PUBSUB NUMSUB`, which comes after the channel's name.
fn count(value: Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(number).unwrap_or_default(),
        Value::Array(values) => values.into_iter().last().map_or(0, count),
        Value::Map(mut entries) => entries.pop().map_or(0, |(_, last)| count(last)),
        _ => 0,
    }
}

pub(super) fn read_push(info: PushInfo) -> Option<Push> {
    let mut data = info.data.into_iter();
    let mut next = || match data.next()? {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    let name = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    match info.kind {
        PushKind::Disconnection => Some(Push::Lost),
        PushKind::Message | PushKind::SMessage => {
            Some(Push::Message { channel: name(next()?)?, payload: next()?.into() })
        }
        PushKind::PMessage => {
            next()?;
            Some(Push::Message { channel: name(next()?)?, payload: next()?.into() })
        }
        // As an answer to SUNSUBSCRIBE it is of no consequence.
        PushKind::SUnsubscribe => Some(Push::Dropped(Channel::Sharded(name(next()?)?.into()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn commands_are_written_as_node_writes_them() {
        let exact = Channel::Exact("c#/#".into());
        let sharded = Channel::Sharded("c".into());
        let mut pipeline = Pipeline::new();
        for command in [
            Command::Subscribe(Channel::Pattern("p*".into())),
            Command::Unsubscribe(sharded.clone()),
            Command::Publish { channel: exact.clone(), payload: Bytes::from_static(b"\0x") },
            Command::Publish { channel: sharded.clone(), payload: Bytes::new() },
            Command::Count(exact.clone()),
            Command::Count(sharded.clone()),
            Command::Channels(exact),
            Command::Channels(sharded),
            Command::Append {
                stream: "s".into(),
                max_len: 10_000,
                fields: vec![("uid".into(), Bytes::from_static(b"u"))],
            },
            Command::Keep { key: "k".into(), value: Bytes::from_static(b"v"), time: Duration::from_secs(2) },
            Command::Take("k".into()),
            Command::Forget("k".into()),
            Command::Range {
                from: Position { stream: "s".into(), id: "1-0".into() },
                inclusive: false,
                count: 9,
            },
        ] {
            write(&mut pipeline, &command);
        }
        let written = pipeline.get_packed_pipeline();
        let expected = "*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\np*\r\n*2\r\n$12\r\nSUNSUBSCRIBE\r\n$1\r\nc\r\n\
            *3\r\n$7\r\nPUBLISH\r\n$4\r\nc#/#\r\n$2\r\n\0x\r\n*3\r\n$8\r\nSPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n\
            *3\r\n$6\r\nPUBSUB\r\n$6\r\nNUMSUB\r\n$4\r\nc#/#\r\n*3\r\n$6\r\nPUBSUB\r\n$11\r\nSHARDNUMSUB\r\n$1\r\nc\r\n\
            *3\r\n$6\r\nPUBSUB\r\n$8\r\nCHANNELS\r\n$4\r\nc#/#\r\n*3\r\n$6\r\nPUBSUB\r\n$13\r\nSHARDCHANNELS\r\n$1\r\nc\r\n\
            *8\r\n$4\r\nXADD\r\n$1\r\ns\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$5\r\n10000\r\n$1\r\n*\r\n$3\r\nuid\r\n$1\r\nu\r\n\
            *5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$4\r\n2000\r\n*2\r\n$6\r\nGETDEL\r\n$1\r\nk\r\n\
            *2\r\n$3\r\nDEL\r\n$1\r\nk\r\n\
            *6\r\n$6\r\nXRANGE\r\n$1\r\ns\r\n$4\r\n(1-0\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n$1\r\n9\r\n";
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}
