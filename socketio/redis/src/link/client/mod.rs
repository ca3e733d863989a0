//! Redis itself, through the client library redis-rs. No file beside this folder names it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion, Value,
};

use self::wire::{read_entries, read_push, read_reply, text, unexpected, write};
use super::{Answer, Command, Connection, Dial, Entry, LinkError, OnPush, Position, Reply, Task};

mod questions;
mod wire;

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

impl Server {
    async fn connect(&self, on_push: OnPush) -> Result<MultiplexedConnection, LinkError> {
        let client = Client::open(self.info.clone())?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_push_sender(move |info| {
                if let Some(push) = read_push(info) {
                    on_push(push);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// Its URL.
    #[cfg(test)]
    pub(crate) fn told(&self) -> String {
        let redis = self.info.redis_settings();
        let scheme =
            if matches!(self.info.addr(), redis::ConnectionAddr::TcpTls { .. }) { "rediss" } else { "redis" };
        let credentials = match (redis.username(), redis.password()) {
            (None, None) => String::new(),
            (user, password) => format!("{}:{}@", user.unwrap_or_default(), password.unwrap_or_default()),
        };
        format!("{scheme}://{credentials}{}/{}", self.info.addr(), redis.db())
    }
}

impl Dial for Server {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let server = self.clone();
        Box::pin(async move { Ok(Box::new(server.connect(on_push).await?) as Box<dyn Connection>) })
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

impl From<redis::RedisError> for LinkError {
    fn from(error: redis::RedisError) -> LinkError {
        LinkError(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_with_the_reason() {
        for url in ["", "http://x", "redis://x:port"] {
            assert!(Server::open(url).is_err(), "{url}");
        }
        assert!(Server::open("redis://:secret@localhost:6380/2").is_ok());
        assert!(Server::open("rediss://localhost").is_ok());
    }
}
