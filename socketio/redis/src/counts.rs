//! Counts what was sent, received and lost.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }
}

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counts of one adapter or emitter, since it began.
        ///
        /// ```
        /// use socketio_redis::{RedisAdapter, RedisError};
        ///
        /// let adapter = RedisAdapter::open("redis://127.0.0.1:6379")?;
        /// let counts = adapter.counts();
        /// assert_eq!(counts.published(), 0);
        /// # Ok::<_, RedisError>(())
        /// ```
        #[derive(Debug, Default)]
        pub struct Counts {
            $(pub(crate) $name: Counter,)+
        }

        impl Counts {
            /// All of them, by name.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name()),)+]
            }
        }

        impl Counts {$(
            $(#[doc = $doc])+
            #[must_use]
            pub fn $name(&self) -> u64 {
                self.$name.0.load(Ordering::Relaxed)
            }
        )+}
    };
}

counts! {
    /// Messages that Redis took.
    published,
    /// Messages that were thrown away because too much waited for Redis.
    dropped,
    /// Messages that were on their way when the connection broke. Redis may have taken them or not; they are not
    /// sent again.
    unsure,
    /// Messages that Redis refused.
    refused,
    /// Messages that were heard.
    heard,
    /// Messages that nobody here could want, and which were not looked into: of rooms and namespaces that this node
    /// does not have, and its own.
    unwanted,
    /// Messages that could not be understood.
    foreign,
    /// Messages that were thrown away because too many waited to be looked into.
    overrun,
    /// How often the connection that hears was lost. What others sent meanwhile is missed.
    gaps,
    /// How often a stream had let go of entries that may not have been read here: this node was away from Redis for too
    /// long, or too slow, or Redis has lost the stream. See
    /// [`stream_max_len`](crate::RedisAdapter::stream_max_len).
    trimmed,
}
