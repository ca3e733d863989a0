//! Redis itself, through the client library redis-rs. No other file names it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, PushKind, Value,
};

use super::{Channel, Command, Connection, Dial, LinkError, OnPush, Push, Reply, SendFuture, Task};

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that acknowledges nothing for so long is gone, whatever TCP hopes for.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// A Redis server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    client: Client,
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
        let client = Client::open(info.set_redis_settings(redis).set_tcp_settings(tcp))?;
        Ok(Server { client })
    }
}

impl Dial for Server {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let client = self.client.clone();
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
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            Ok(Box::new(connection?) as Box<dyn Connection>)
        })
    }
}

impl Connection for MultiplexedConnection {
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> SendFuture<'a> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for command in commands {
                write(&mut pipeline, command);
            }
            let replies = self.send_packed_commands(&pipeline, 0, commands.len()).await?;
            Ok(replies.into_iter().map(read_reply).collect())
        })
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
        Command::Ping => drop(pipeline.cmd("PING")),
    }
}

/// A number, or the one of `PUBSUB NUMSUB`, which stands behind the channel's name.
fn read_reply(value: Value) -> Reply {
    match value {
        Value::Int(number) => Ok(u64::try_from(number).unwrap_or_default()),
        Value::Array(values) => values.into_iter().last().map_or(Ok(0), read_reply),
        Value::Map(mut entries) => entries.pop().map_or(Ok(0), |(_, count)| read_reply(count)),
        Value::ServerError(error) => {
            Err(format!("{} {}", error.code(), error.details().unwrap_or_default()).into())
        }
        _ => Ok(0),
    }
}

fn read_push(info: PushInfo) -> Option<Push> {
    let mut data = info.data.into_iter();
    let mut next = || match data.next()? {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    let name = |bytes: Vec<u8>| Some(Arc::from(String::from_utf8(bytes).ok()?));
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
        PushKind::SUnsubscribe => Some(Push::Dropped(Channel::Sharded(name(next()?)?))),
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
            Command::Count(exact),
            Command::Count(sharded),
        ] {
            write(&mut pipeline, &command);
        }
        let written = pipeline.get_packed_pipeline();
        let expected = "*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\np*\r\n*2\r\n$12\r\nSUNSUBSCRIBE\r\n$1\r\nc\r\n\
            *3\r\n$7\r\nPUBLISH\r\n$4\r\nc#/#\r\n$2\r\n\0x\r\n*3\r\n$8\r\nSPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n\
            *3\r\n$6\r\nPUBSUB\r\n$6\r\nNUMSUB\r\n$4\r\nc#/#\r\n*3\r\n$6\r\nPUBSUB\r\n$11\r\nSHARDNUMSUB\r\n$1\r\nc\r\n";
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
