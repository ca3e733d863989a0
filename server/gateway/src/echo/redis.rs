//! What the application publishes in Redis.
//!
//! One task keeps a connection. When it is lost, the task connects again, for ever. What is published meanwhile is
//! lost: Redis keeps no messages.

use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, IntoConnectionInfo as _, RedisError};

/// How long it may take to connect and to subscribe.
const PATIENCE: Duration = Duration::from_secs(5);

/// A peer that acknowledges nothing for so long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after a lost connection: at first, and at the longest.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

pub(super) struct Subscription<H> {
    client: Client,
    prefix: String,
    /// What is done with a message, by its channel without the prefix.
    hear: H,
}

impl<H: Fn(&str, &[u8]) + Send + Sync + 'static> Subscription<H> {
    /// # Errors
    /// The URL is wrong.
    pub(super) fn open(url: &str, prefix: &str, hear: H) -> Result<Subscription<H>, RedisError> {
        let info = url.into_connection_info()?;
        let keepalive =
            TcpKeepalive::new().with_time(PEER_TIMEOUT / 2).with_interval(PEER_TIMEOUT / 5).with_retries(3);
        let info = info.set_tcp_settings(TcpSettings::default().set_keepalive(keepalive));
        Ok(Subscription { client: Client::open(info)?, prefix: prefix.to_owned(), hear })
    }

    pub(super) fn start(self) {
        tokio::spawn(self.run());
    }

    async fn run(self) {
        let (mut pause, mut is_lost) = (SHORTEST, false);
        loop {
            let error = match tokio::time::timeout(PATIENCE, self.subscribe()).await {
                Ok(Ok(mut messages)) => {
                    if is_lost {
                        tracing::info!("Redis is back: what was published meanwhile is lost");
                    }
                    (pause, is_lost) = (SHORTEST, false);
                    while let Some(message) = messages.next().await {
                        self.hear(&message);
                    }
                    "the connection is lost".to_owned()
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if !is_lost {
                is_lost = true;
                tracing::warn!(error, "can't receive what the application publishes in Redis: trying again");
            }
            let share = rand::rng().random_range(0.5..=1.0);
            tokio::time::sleep(pause.mul_f64(share)).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    async fn subscribe(&self) -> Result<redis::aio::PubSubStream, RedisError> {
        let mut subscriptions = self.client.get_async_pubsub().await?;
        subscriptions.psubscribe(pattern(&self.prefix)).await?;
        Ok(subscriptions.into_on_message())
    }

    fn hear(&self, message: &redis::Msg) {
        let Ok(channel) = message.get_channel::<String>() else { return };
        if let Some(channel) = channel.strip_prefix(&self.prefix) {
            (self.hear)(channel, message.get_payload_bytes());
        }
    }
}

/// The pattern of all names with that prefix, whatever characters it has.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_meant_literally() {
        assert_eq!(pattern(""), "*");
        assert_eq!(pattern("laravel_database_"), "laravel_database_*");
        assert_eq!(pattern(r"a*[b]?\"), r"a\*\[b\]\?\\*");
    }
}
