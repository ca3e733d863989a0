//! Which Redis, and how it is used.

use super::{Form, Reader, one_of, only};
use crate::options::choices::RedisMode;

pub(crate) const REDIS: Reader<Vec<String>> = Reader::new("URL", Form::List, |words| {
    let sentinels = words.iter().filter(|url| is_sentinel(url)).count();
    match words.iter().all(|url| is_sentinel(url) || is_redis(url)) {
        true if sentinels == 0 || sentinels == words.len() => Ok(words.to_vec()),
        true => Err("must be only URLs of sentinels, or none of them".to_owned()),
        // It may have a password in it.
        false => {
            Err("must be a URL that begins with redis://, rediss://, unix:// or redis+sentinel://".to_owned())
        }
    }
});

fn is_redis(url: &str) -> bool {
    ["redis://", "rediss://", "unix://"].iter().any(|start| url.starts_with(start))
}

/// Whether the URL is that of a sentinel, which tells where Redis is.
fn is_sentinel(url: &str) -> bool {
    ["redis+sentinel://", "rediss+sentinel://"].iter().any(|start| url.starts_with(start))
}

pub(crate) const REDIS_OR_NONE: Reader<Option<String>> =
    Reader::new("URL", Form::Text, |words| match words {
        [] => Ok(None),
        words if words.iter().all(|url| is_redis(url)) => Ok(words.first().cloned()),
        _ => Err("must be a URL that begins with redis://, rediss:// or unix://".to_owned()),
    });

pub(crate) const REDIS_MODE: Reader<RedisMode> =
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

pub(crate) const REDIS_NAME: Reader<String> = Reader::new("TEXT", Form::Text, |words| match only(words) {
    "" => Err("must not be empty".to_owned()),
    prefix => Ok(prefix.to_owned()),
});
