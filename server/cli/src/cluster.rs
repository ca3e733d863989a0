//! The cluster that the server joins, if it joins one.

use std::error::Error;

use socketio::{Io, IoConfig};

use crate::options::Options;

/// The application, as a node of the cluster on the Redis that the options name.
#[cfg(feature = "redis")]
pub(crate) fn io(config: IoConfig, options: &Options) -> Result<Io, Box<dyn Error>> {
    use socketio_redis::{Mode, RedisAdapter, Subscriptions};

    use crate::options::RedisMode;

    if options.redis.is_empty() {
        return Ok(Io::with_config(config));
    }
    let mode = match options.redis_mode {
        RedisMode::PubSub => Mode::PubSub,
        RedisMode::Sharded => Mode::Sharded(Subscriptions::Dynamic),
        RedisMode::ShardedStatic => Mode::Sharded(Subscriptions::Static),
        RedisMode::ShardedDynamicPrivate => Mode::Sharded(Subscriptions::DynamicPrivate),
        RedisMode::Streams => Mode::Streams,
    };
    let urls = options.redis.iter().map(String::as_str);
    let adapter = match &options.redis[..] {
        [first, ..] if first.contains("+sentinel://") => RedisAdapter::sentinel(urls),
        [one] => RedisAdapter::open(one),
        _ => RedisAdapter::cluster(urls),
    };
    let adapter = adapter.map_err(|error| format!("redis: {error}"))?;
    let adapter = adapter.mode(mode).prefix(&options.redis_prefix).stream_name(&options.redis_stream);
    Ok(Io::with_adapter(config, adapter))
}

/// The application alone: a build without Redis has no cluster.
#[cfg(not(feature = "redis"))]
pub(crate) fn io(config: IoConfig, options: &Options) -> Result<Io, Box<dyn Error>> {
    match options.redis.is_empty() {
        false => Err("redis: this program was built without it; build it with --features redis".into()),
        true => Ok(Io::with_config(config)),
    }
}
