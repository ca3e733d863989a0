//! What is read from streams, from where they end when it begins.
//!
//! A read waits at Redis, so it has its own connection. When that is lost, reading continues after the last
//! entry: nothing that is still in the stream is missed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::link::{Connection, Dial, Entry, LinkError, Position};

/// Entries of one stream that are read at once, as npm's adapter does.
const COUNT: usize = 100;
/// How long a read waits at Redis.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer it may take.
const SILENCE: Duration = Duration::from_secs(15);

/// Reads streams. Dropped, it stops.
pub(crate) struct StreamReader {
    task: JoinHandle<()>,
    began: watch::Receiver<bool>,
}

impl StreamReader {
    /// Begins to read. Entries go to `heard`, which must not block.
    pub(crate) fn start(
        dial: Arc<dyn Dial>,
        streams: Vec<Arc<str>>,
        heard: impl Fn(Entry) + Send + Sync + 'static,
    ) -> StreamReader {
        let (began, begins) = watch::channel(false);
        StreamReader { task: tokio::spawn(run(dial, streams, began, heard)), began: begins }
    }

    /// Waits until it is known from where on the streams are read.
    pub(crate) fn began(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut began = self.began.clone();
        async move {
            // Where there are no streams, nobody tells.
            let _ = began.wait_for(|began| *began).await;
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    dial: Arc<dyn Dial>,
    streams: Vec<Arc<str>>,
    began: watch::Sender<bool>,
    heard: impl Fn(Entry) + Send + Sync + 'static,
) {
    if streams.is_empty() {
        return;
    }
    let mut backoff = Backoff::default();
    let mut positions = None;
    loop {
        if let Ok(mut connection) = dial.dial(Arc::new(|_| {})).await {
            let Err(error) =
                read(&mut *connection, &streams, &mut positions, &began, &heard, &mut backoff).await;
            tracing::debug!(%error, "the stream is read on another connection");
        }
        sleep(backoff.next()).await;
    }
}

async fn read(
    connection: &mut dyn Connection,
    streams: &[Arc<str>],
    positions: &mut Option<Vec<Position>>,
    began: &watch::Sender<bool>,
    heard: &(impl Fn(Entry) + Send + Sync),
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, LinkError> {
    let silent = || LinkError("Redis does not answer".into());
    let positions = match positions {
        Some(positions) => positions,
        None => {
            let ends = timeout(SILENCE, connection.ends(streams)).await.map_err(|_| silent())??;
            began.send_replace(true);
            positions.insert(ends)
        }
    };
    loop {
        let read = timeout(PATIENCE + SILENCE, connection.read(positions, COUNT, PATIENCE)).await;
        for entry in read.map_err(|_| silent())?? {
            if let Some(position) = positions.iter_mut().find(|position| position.stream == entry.stream) {
                position.id.clone_from(&entry.id);
            }
            heard(entry);
        }
        backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::link::fake::FakeRedis;

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_read_from_its_end_on_and_nothing_is_missed_or_comes_twice() {
        let redis = FakeRedis::new();
        redis.append("s", &[("n", "before")]);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let reader = StreamReader::start(redis.dial(), vec!["s".into(), "t".into()], move |entry| {
            log.lock().push(String::from_utf8_lossy(&entry.fields[0].1).into_owned());
        });
        reader.began().await;
        let mut expected = Vec::new();
        for n in 0..500 {
            if n % 100 == 50 {
                redis.set_up(false);
                sleep(Duration::from_secs(1)).await;
            }
            let text = n.to_string();
            redis.append(if n % 10 == 0 { "t" } else { "s" }, &[("n", &text)]);
            expected.push(text);
            if n % 100 == 80 {
                redis.set_up(true);
                sleep(Duration::from_secs(3)).await;
            }
        }
        sleep(Duration::from_secs(3)).await;
        // Each stream keeps its order.
        for stream in [true, false] {
            let of = |all: &[String]| -> Vec<String> {
                all.iter().filter(|n| n.ends_with('0') == stream).cloned().collect()
            };
            assert_eq!(of(&heard.lock()), of(&expected));
        }
        drop(reader);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&heard), 1, "its task has ended");
    }
}
