//! What is read from streams, from where they end when it begins.
//!
//! A read waits at Redis, so it has its own connection. When that is lost, reading continues after the last
//! entry: nothing that is still in the stream is missed. What is gone by then is told.

use std::sync::Arc;
use std::time::Duration;

use socketio::Offset;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::counts::Counts;
use crate::link::{Command, Connection, Dial, Entry, LinkError, Position, Told};

/// Entries of one stream that are read at once, as npm's adapter does.
const COUNT: usize = 100;
/// How long a read waits at Redis.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer it may take.
const SILENCE: Duration = Duration::from_secs(15);
/// How often to look whether there is room for more.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads streams. Dropped, it stops.
pub(crate) struct StreamReader {
    task: JoinHandle<()>,
    began: watch::Receiver<bool>,
}

impl StreamReader {
    /// Begins to read. Entries go to `heard`, which must not block, while `has_room` says so: the stream keeps the others.
    pub(crate) fn start(
        dial: Arc<dyn Dial>,
        streams: Vec<Arc<str>>,
        counts: Arc<Counts>,
        has_room: impl Fn() -> bool + Send + Sync + 'static,
        heard: impl Fn(Entry) + Send + Sync + 'static,
    ) -> StreamReader {
        let (began, begins) = watch::channel(false);
        let target = Target { began, has_room, heard, counts };
        StreamReader { task: tokio::spawn(run(dial, streams, target)), began: begins }
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

/// Where it goes.
struct Target<R, H> {
    began: watch::Sender<bool>,
    has_room: R,
    heard: H,
    counts: Arc<Counts>,
}

/// How the reading goes.
#[derive(Default)]
struct Reading {
    /// How far the streams have been read, once that is known.
    positions: Option<Vec<Position>>,
    backoff: Backoff,
    /// It was said that they can't be read.
    is_interrupted: bool,
    /// It was said that entries are gone.
    is_behind: bool,
}

async fn run(
    dial: Arc<dyn Dial>,
    streams: Vec<Arc<str>>,
    target: Target<impl Fn() -> bool + Send + Sync, impl Fn(Entry) + Send + Sync>,
) {
    if streams.is_empty() {
        return;
    }
    let mut reading = Reading::default();
    loop {
        let error = match dial.dial(Arc::new(|_| {})).await {
            Ok(mut connection) => {
                let Err(error) = read(&mut *connection, &streams, &mut reading, &target).await;
                error
            }
            Err(error) => error,
        };
        if !std::mem::replace(&mut reading.is_interrupted, true) {
            tracing::warn!(%error, "the stream can't be read: what other nodes send comes later");
        }
        sleep(reading.backoff.next()).await;
    }
}

async fn read(
    connection: &mut dyn Connection,
    streams: &[Arc<str>],
    reading: &mut Reading,
    target: &Target<impl Fn() -> bool + Send + Sync, impl Fn(Entry) + Send + Sync>,
) -> Result<std::convert::Infallible, LinkError> {
    catch_up(connection, streams, reading, &target.counts).await?;
    target.began.send_replace(true);
    if std::mem::take(&mut reading.is_interrupted) {
        tracing::info!("the stream is read again");
    }
    loop {
        if !(target.has_room)() {
            while !(target.has_room)() {
                sleep(PAUSE).await;
            }
            catch_up(connection, streams, reading, &target.counts).await?;
        }
        let positions = reading.positions.get_or_insert_default();
        let read = timeout(PATIENCE + SILENCE, connection.read(positions, COUNT, PATIENCE)).await;
        for entry in read.map_err(|_| silent())?? {
            if let Some(position) = positions.iter_mut().find(|position| position.stream == entry.stream) {
                position.id.clone_from(&entry.id);
            }
            (target.heard)(entry);
        }
        reading.backoff.reset();
    }
}

/// Begins at the ends of the streams, or looks whether they still have what comes after that which was read.
async fn catch_up(
    connection: &mut dyn Connection,
    streams: &[Arc<str>],
    reading: &mut Reading,
    counts: &Counts,
) -> Result<(), LinkError> {
    let ends = timeout(SILENCE, connection.ends(streams)).await.map_err(|_| silent())??;
    let Some(positions) = &mut reading.positions else {
        reading.positions = Some(ends);
        return Ok(());
    };
    let first = |stream: &Arc<str>| Command::Range {
        from: Position { stream: Arc::clone(stream), id: EMPTY.into() },
        inclusive: false,
        count: 1,
    };
    let firsts: Vec<_> = streams.iter().map(first).collect();
    let firsts = timeout(SILENCE, connection.send(&firsts)).await.map_err(|_| silent())??;
    let mut is_behind = false;
    for ((position, end), first) in positions.iter_mut().zip(ends).zip(firsts) {
        if is_before(&end.id, &position.id) {
            // It is another stream, which begins anew, or a replica did not have the last entries yet.
            is_behind = true;
            *position = end;
        } else if let Ok(Told::Entries(first)) = first {
            // Of a stream that was empty nobody knows how it began.
            let is_gone = |first: &Entry| *position.id != *EMPTY && is_before(&position.id, &first.id);
            is_behind |= first.first().is_some_and(is_gone);
        }
    }
    if is_behind {
        counts.trimmed.add(1);
        if !reading.is_behind {
            tracing::warn!(
                "entries of the stream were gone before they were read: some of what other nodes sent may be missed"
            );
        }
    }
    reading.is_behind = is_behind;
    Ok(())
}

/// The position before all entries.
const EMPTY: &str = "0-0";

fn is_before(one: &str, other: &str) -> bool {
    matches!((one.parse::<Offset>(), other.parse::<Offset>()), (Ok(one), Ok(other)) if one < other)
}

fn silent() -> LinkError {
    LinkError("Redis does not answer".into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use parking_lot::Mutex;

    use super::*;
    use crate::link::fake::FakeRedis;

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_read_from_its_end_on_and_nothing_is_missed_or_comes_twice() {
        let redis = FakeRedis::new();
        redis.append("s", &[("n", "before")]);
        let (heard, counts) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Counts::default()));
        let log = Arc::clone(&heard);
        let reader = StreamReader::start(
            redis.dial(),
            vec!["s".into(), "t".into()],
            Arc::clone(&counts),
            || true,
            move |entry| {
                log.lock().push(String::from_utf8_lossy(&entry.fields[0].1).into_owned());
            },
        );
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
        assert_eq!(counts.trimmed(), 0);
        drop(reader);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&heard), 1, "its task has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_while_there_is_no_room_and_nothing_is_missed() {
        let redis = FakeRedis::new();
        let heard = Arc::new(Mutex::new(0));
        let (log, room) = (Arc::clone(&heard), Arc::new(AtomicBool::new(true)));
        let has_room = Arc::clone(&room);
        let has_room = move || has_room.load(Ordering::Relaxed);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let reader =
            StreamReader::start(redis.dial(), vec!["s".into()], counted, has_room, move |_| *log.lock() += 1);
        reader.began().await;
        redis.append("s", &[("n", "1")]);
        sleep(Duration::from_secs(1)).await;
        room.store(false, Ordering::Relaxed);
        // One read may be on its way.
        redis.append("s", &[("n", "2")]);
        sleep(Duration::from_secs(1)).await;
        for _ in 0..1000 {
            redis.append("s", &[("n", "more")]);
        }
        sleep(Duration::from_secs(10)).await;
        assert_eq!(*heard.lock(), 2);
        room.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.lock(), 1002);
        // What was thrown away in the meantime is told.
        room.store(false, Ordering::Relaxed);
        redis.append("s", &[("n", "3")]);
        sleep(Duration::from_secs(1)).await;
        (0..10).for_each(|_| redis.append("s", &[("n", "more")]));
        assert_eq!(counts.trimmed(), 0);
        redis.trim("s", 5);
        room.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        assert_eq!((*heard.lock(), counts.trimmed()), (1003 + 5, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_are_gone_when_redis_is_back_are_told() {
        let redis = FakeRedis::new();
        let (heard, counts) = (Arc::new(Mutex::new(0)), Arc::new(Counts::default()));
        let (log, counted) = (Arc::clone(&heard), Arc::clone(&counts));
        let streams = vec!["s".into(), "t".into()];
        let reader = StreamReader::start(redis.dial(), streams, counted, || true, move |_| *log.lock() += 1);
        reader.began().await;
        redis.append("s", &[("n", "1")]);
        sleep(Duration::from_secs(1)).await;
        for (more, keep, expected) in [
            // What was read last is still there, or was, and then the one before.
            (5, 6, (6, 0)),
            (5, 5, (11, 1)),
            (5, 4, (15, 2)),
        ] {
            redis.set_up(false);
            (0..more).for_each(|_| redis.append("s", &[("n", "more")]));
            redis.trim("s", keep);
            redis.set_up(true);
            sleep(Duration::from_secs(5)).await;
            assert_eq!((*heard.lock(), counts.trimmed()), expected);
        }
        // It has started again, with other streams.
        redis.set_up(false);
        redis.lose_streams();
        redis.set_up(true);
        sleep(Duration::from_secs(5)).await;
        (0..3).for_each(|_| redis.append("s", &[("n", "new")]));
        sleep(Duration::from_secs(5)).await;
        assert_eq!((*heard.lock(), counts.trimmed()), (18, 3));
    }
}
