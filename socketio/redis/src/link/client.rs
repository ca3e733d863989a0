//! Redis itself, through the client library redis-rs. No other file names it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, PushKind, Value,
};

use super::{
    Answer, Channel, Command, Connection, Dial, Entry, LinkError, OnPush, Position, Push, Reply, Task, Told,
};

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that acknowledges nothing for so long is gone, whatever TCP hopes for.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// A Redis server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    info: ConnectionInfo,
}

impl Server {
    /// A server by its URL: `redis://user:password@host:6379/0`, `rediss://` with TLS, or `unix:///path`.
    pub(crate) fn open(url: &str) -> Result<Server, LinkError> {
        let info = url.into_connection_info()?;
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let keepalive =
            TcpKeepalive::new().with_time(PEER_TIMEOUT / 2).with_interval(PEER_TIMEOUT / 5).with_retries(3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(PEER_TIMEOUT);
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        // It checks the address.
        Client::open(info.clone())?;
        Ok(Server { info })
    }
}

/// Where a server of a cluster listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    host: Box<str>,
    port: u16,
}

/// Slots that one server of a cluster has.
#[derive(Clone, Debug)]
pub(crate) struct SlotRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) server: Address,
    /// It, and its replicas.
    pub(crate) all: Vec<Address>,
}

impl Address {
    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(Address { host: host.into(), port: port.parse().ok()? })
    }
}

/// # Of a cluster
impl Server {
    /// Another server of the same cluster: with the same user, password and TLS.
    pub(crate) fn at(&self, address: &Address) -> Server {
        let (host, port) = (address.host.to_string(), address.port);
        let info = self.info.clone();
        let at = match info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Server { info: info.set_addr(at) }
    }

    fn host(&self) -> Box<str> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.as_str().into(),
            _ => "localhost".into(),
        }
    }

    /// Which server has which slots, as this one sees it.
    pub(crate) async fn slots(&self) -> Result<Vec<SlotRange>, LinkError> {
        let client = Client::open(self.info.clone())?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let command = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
        match connection.send_packed_command(&command).await? {
            Value::Array(ranges) => ranges.into_iter().map(|range| self.read_range(range)).collect(),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads `[first, last, [host, port, id, ..], replicas ..]`. A server that doesn't know its own name says so.
    fn read_range(&self, range: Value) -> Result<SlotRange, LinkError> {
        let Value::Array(parts) = range else { return Err(unexpected(&range)) };
        let mut parts = parts.into_iter();
        let (Some(Value::Int(first)), Some(Value::Int(last))) = (parts.next(), parts.next()) else {
            return Err(unexpected(&Value::Nil));
        };
        let address = |server: Value| {
            let Value::Array(server) = server else { return Err(unexpected(&server)) };
            let (host, Some(Value::Int(port))) = pair(server) else { return Err(unexpected(&Value::Nil)) };
            let host = match host {
                Some(Value::BulkString(host)) if !host.is_empty() && host != b"?" => {
                    text(Value::BulkString(host))?.into()
                }
                _ => self.host(),
            };
            let port = u16::try_from(port).map_err(|_| unexpected(&Value::Nil))?;
            Ok(Address { host, port })
        };
        let all = parts.map(address).collect::<Result<Vec<_>, _>>()?;
        let server = all.first().cloned().ok_or_else(|| unexpected(&Value::Nil))?;
        let slot = |slot| u16::try_from(slot).map_err(|_| unexpected(&Value::Nil));
        Ok(SlotRange { first: slot(first)?, last: slot(last)?, server, all })
    }
}

impl Dial for Server {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let client = Client::open(self.info.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_push_sender(move |info| {
                if let Some(push) = read_push(info) {
                    on_push(push);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        Box::pin(async move {
            let connection = client?.get_multiplexed_async_connection_with_config(&config).await;
            Ok(Box::new(connection?) as Box<dyn Connection>)
        })
    }
}

impl Connection for MultiplexedConnection {
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> Answer<'a, Vec<Reply>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for command in commands {
                write(&mut pipeline, command);
            }
            let replies = self.send_packed_commands(&pipeline, 0, commands.len()).await?;
            Ok(commands.iter().zip(replies).map(|(command, reply)| read_reply(command, reply)).collect())
        })
    }

    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(streams.len());
            for stream in streams {
                pipeline.cmd("XREVRANGE").arg(&**stream).arg("+").arg("-").arg("COUNT").arg(1);
            }
            let replies = self.send_packed_commands(&pipeline, 0, streams.len()).await?;
            let end = |(stream, reply): (&Arc<str>, Value)| {
                let last = read_entries(stream, reply)?.pop();
                let id = last.map_or_else(|| "0-0".into(), |entry| entry.id);
                Ok(Position { stream: Arc::clone(stream), id })
            };
            streams.iter().zip(replies).map(end).collect()
        })
    }

    fn read<'a>(
        &'a mut self,
        positions: &'a [Position],
        count: usize,
        patience: Duration,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(count).arg("BLOCK").arg(patience.as_millis() as u64).arg("STREAMS");
            for position in positions {
                command.arg(&*position.stream);
            }
            for position in positions {
                command.arg(&*position.id);
            }
            match self.send_packed_command(&command).await? {
                Value::Nil => Ok(Vec::new()),
                Value::Map(streams) => {
                    let mut entries = Vec::new();
                    for (stream, read) in streams {
                        entries.extend(read_entries(&Arc::from(text(stream)?), read)?);
                    }
                    Ok(entries)
                }
                other => Err(unexpected(&other)),
            }
        })
    }
}

/// Reads `[[id, [name, value, ..]], ..]`. What others have put there and is no text is left out.
fn read_entries(stream: &Arc<str>, reply: Value) -> Result<Vec<Entry>, LinkError> {
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

fn pair(values: Vec<Value>) -> (Option<Value>, Option<Value>) {
    let mut values = values.into_iter();
    (values.next(), values.next())
}

fn text(value: Value) -> Result<String, LinkError> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| LinkError("a name is not UTF-8".into()))
        }
        Value::SimpleString(text) => Ok(text),
        other => Err(unexpected(&other)),
    }
}

/// An answer of another kind than was asked for, or an error.
fn unexpected(answer: &Value) -> LinkError {
    match answer {
        Value::ServerError(error) => LinkError(
            format!("Redis refuses a command: {} {}", error.code(), error.details().unwrap_or_default())
                .into(),
        ),
        _ => LinkError("Redis answers something else than it was asked".into()),
    }
}

fn write(pipeline: &mut Pipeline, command: &Command) {
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

fn read_reply(command: &Command, value: Value) -> Reply {
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

fn read_push(info: PushInfo) -> Option<Push> {
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

impl From<redis::RedisError> for LinkError {
    fn from(error: redis::RedisError) -> LinkError {
        LinkError(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_url_that_is_none_is_refused_with_the_reason() {
        for url in ["", "http://x", "redis://x:port"] {
            assert!(Server::open(url).is_err(), "{url}");
        }
        assert!(Server::open("redis://:secret@localhost:6380/2").is_ok());
        assert!(Server::open("rediss://localhost").is_ok());
    }
}
