//! The journal as an observer, and its writing thread, so that no session waits for a disk.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engineio::observe::{Observation, Observer};
use parking_lot::Mutex;

use super::recorder::Recorder;
use super::sink::{self, Sink};
use super::{Entry, Header, Raw, Record, VERSION};

/// How many records may wait to be written.
const WAITING: usize = 16 * 1024;

/// How many bytes of them, about.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// How long finishing a journal may take, since a disk or a terminal may block forever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The interval of attempts to queue the last record.
const RETRY: Duration = Duration::from_millis(10);

/// What may be set about a journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// Its largest size in bytes; 100 MB by default. [Text](Sink::text) has no limit.
    pub limit: u64,
    /// Whether it shows auth, cookies and the like; no by default.
    pub secrets: bool,
}

impl Default for JournalConfig {
    fn default() -> JournalConfig {
        JournalConfig { limit: 100_000_000, secrets: false }
    }
}

/// Writes down everything that passes between a server and its clients: an observer for
/// [`Builder::observer`](crate::Builder::observer).
///
/// If records come faster than they can be written, some are lost, and the journal says how many.
pub struct Journal {
    state: Mutex<State>,
    /// The bytes that wait to be written.
    waiting: Arc<AtomicUsize>,
    /// Receives the thread's end. `None` once a caller waits for it.
    ended: Mutex<Option<Receiver<()>>>,
}

struct State {
    recorder: Recorder,
    /// `None` once it has been finished.
    sender: Option<SyncSender<Record>>,
    lost: u64,
}

impl Journal {
    /// A journal that is written to all of these. Each line is made once. `secrets` says whether it shows auth,
    /// cookies and the like.
    ///
    /// # Errors
    /// If a sink can't be written to, or the thread can't be started.
    pub fn new(sinks: impl IntoIterator<Item = Sink>, secrets: bool) -> io::Result<Arc<Journal>> {
        let mut sinks: Vec<Sink> = sinks.into_iter().collect();
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = Header {
            journal: VERSION,
            by: concat!("socketio-server ", env!("CARGO_PKG_VERSION")).to_owned(),
            began: u64::try_from(began.as_millis()).unwrap_or_default(),
            redacted: !secrets,
        };
        for sink in &mut sinks {
            sink.begin(&header)?;
        }
        let (sender, receiver) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = waiting.clone();
        let (end, ended) = sync_channel(1);
        thread::Builder::new().name("journal".to_owned()).spawn(move || {
            write(&receiver, &mut sinks, &count);
            // Nobody waits who had no patience.
            let _ = end.send(());
        })?;
        let recorder = Recorder::new(Instant::now(), !secrets);
        Ok(Arc::new(Journal {
            state: Mutex::new(State { recorder, sender: Some(sender), lost: 0 }),
            waiting,
            ended: Mutex::new(Some(ended)),
        }))
    }

    /// A journal in a file that only its owner may read, after the journals that are already in it.
    ///
    /// # Errors
    /// As [`Sink::file`].
    pub fn file(path: &Path, config: JournalConfig) -> io::Result<Arc<Journal>> {
        Journal::new([Sink::file(path, config.limit)?], config.secrets)
    }

    /// A journal that is written to `out`.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn lines(out: Box<dyn Write + Send>, config: JournalConfig) -> io::Result<Arc<Journal>> {
        Journal::new([Sink::lines(out, config.limit)], config.secrets)
    }

    /// Writes what waits, and then stops. It drops what it can't write within some seconds.
    pub fn finish(&self) {
        self.finish_within(PATIENCE);
    }

    fn finish_within(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let left_over = {
            let State { recorder, sender, lost } = &mut *self.state.lock();
            let record = |recorder: &mut Recorder| Record::lost(recorder.number(), recorder.time(), *lost);
            sender.take().map(|sender| (sender, (*lost > 0).then(|| record(recorder))))
        };
        let (sender, lost) = left_over.unzip();
        if let (Some(sender), Some(record)) = (&sender, lost.flatten()) {
            self.waiting.fetch_add(cost(&record), Ordering::Relaxed);
            send_by(sender, record, until);
        }
        // The thread ends once the sender is dropped.
        drop(sender);
        let Some(ended) = self.ended.lock().take() else { return };
        match ended.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => tracing::error!("the journal's thread panicked"),
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the end of the journal is missing: it could not be written fast enough");
            }
        }
    }
}

/// Sends a record once there is room for it, until a deadline.
fn send_by(sender: &SyncSender<Record>, mut record: Record, until: Instant) {
    while let Err(TrySendError::Full(back)) = sender.try_send(record) {
        if Instant::now() >= until {
            return;
        }
        record = back;
        thread::sleep(RETRY);
    }
}

impl Observer for Journal {
    fn observe(&self, observation: &Observation<'_>) {
        let mut guard = self.state.lock();
        let State { recorder, sender, lost } = &mut *guard;
        let Some(sender) = sender else { return };
        let number = recorder.number();
        let Some(record) = recorder.record(observation) else { return };
        if *lost > 0 && self.send(sender, Record::lost(number, record.time, *lost)) {
            *lost = 0;
        }
        *lost += u64::from(!self.send(sender, record));
    }
}

impl Journal {
    fn send(&self, sender: &SyncSender<Record>, record: Record) -> bool {
        let cost = cost(&record);
        if self.waiting.fetch_add(cost, Ordering::Relaxed) < WAITING_BYTES {
            match sender.try_send(record) {
                Ok(()) => return true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
        self.waiting.fetch_sub(cost, Ordering::Relaxed);
        false
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

fn cost(record: &Record) -> usize {
    let head = match &record.entry {
        Entry::Request { target, headers, .. } => target.len() + length(headers),
        Entry::Response { headers, .. } => length(headers),
        _ => 0,
    };
    size_of::<Record>() + head + record.raw.as_ref().map_or(0, |raw| raw.0.len())
}

/// Reads the payload of a Socket.IO packet as the JSON that it is.
fn read_payload(record: &mut Record) {
    if let (Entry::SocketPacket { payload, .. }, Some(Raw(raw))) = (&mut record.entry, &record.raw) {
        *payload = serde_json::from_slice(raw).ok();
    }
}

fn length(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len()).sum()
}

fn write(records: &Receiver<Record>, sinks: &mut [Sink], waiting: &AtomicUsize) {
    while let Ok(record) = records.recv() {
        let mut next = Some(record);
        while let Some(mut record) = next {
            waiting.fetch_sub(cost(&record), Ordering::Relaxed);
            read_payload(&mut record);
            sink::write(sinks, &record);
            next = records.try_recv().ok();
        }
        sinks.iter_mut().for_each(Sink::flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that takes nothing until this is dropped.
    struct Stuck(Arc<Mutex<()>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.lock());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_journal_is_finished_as_soon_as_it_is_written() {
        let journal = Journal::lines(Box::new(io::sink()), JournalConfig::default()).unwrap();
        journal.observe(&Observation {
            sid: None,
            what: engineio::observe::What::Limit(engineio::Limit::Payload),
        });
        let began = Instant::now();
        journal.finish_within(Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30), "it waited for itself");
    }

    #[test]
    fn a_journal_that_can_not_be_written_holds_up_no_end() {
        let lock = Arc::new(Mutex::new(()));
        let journal = Journal::lines(Box::new(Stuck(lock.clone())), JournalConfig::default()).unwrap();
        let stuck = lock.lock();
        for _ in 0..2 * WAITING {
            journal.observe(&Observation {
                sid: None,
                what: engineio::observe::What::Limit(engineio::Limit::Payload),
            });
        }
        assert!(journal.state.lock().lost > 0, "all that may wait does");
        journal.finish_within(Duration::from_millis(50));
        assert!(journal.state.lock().sender.is_none());
        drop(stuck);
        // Nothing waits for the thread any more, and it ends by itself.
        journal.finish();
    }
}
