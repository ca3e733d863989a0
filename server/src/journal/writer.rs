//! The journal as an observer, and the thread that writes it, so that no session waits for a disk.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engineio::observe::{Observation, Observer};
use parking_lot::Mutex;

use super::recorder::Recorder;
use super::{Entry, Header, Record, VERSION, terminal};

/// How many records may wait to be written.
const WAITING: usize = 16 * 1024;

/// How many bytes of them, about.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What may be set about a journal.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long it may become in bytes; 100 MB by default. On a terminal there is no limit.
    pub limit: u64,
    /// Whether it shows auth, cookies and the like; no by default.
    pub secrets: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { limit: 100_000_000, secrets: false }
    }
}

/// Writes down everything that passes between a server and its clients: an observer for
/// [`Builder::observer`](crate::Builder::observer).
///
/// It may lose records where they can't be written as fast as they come, and says how many.
pub struct Journal {
    state: Mutex<State>,
    /// The bytes that wait to be written.
    waiting: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    recorder: Recorder,
    /// `None` once it has been finished.
    sender: Option<SyncSender<Record>>,
    lost: u64,
}

/// Where records go.
enum Sink {
    Lines {
        out: io::BufWriter<Box<dyn Write + Send>>,
        left: u64,
    },
    Terminal {
        out: io::BufWriter<io::Stdout>,
        colours: bool,
    },
    /// It is full, or can't be written to.
    Closed,
}

impl Journal {
    /// A journal in a new file, which takes the place of what is there. Only its owner may read it.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn file(path: &Path, options: Options) -> io::Result<Arc<Journal>> {
        let mut open = OpenOptions::new();
        let file = open.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Journal::lines(Box::new(file), options)
    }

    /// A journal that goes wherever `out` goes.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn lines(out: Box<dyn Write + Send>, options: Options) -> io::Result<Arc<Journal>> {
        let mut out = io::BufWriter::new(out);
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = Header {
            journal: VERSION,
            by: concat!("socketio-server ", env!("CARGO_PKG_VERSION")).to_owned(),
            began: u64::try_from(began.as_millis()).unwrap_or_default(),
            redacted: !options.secrets,
        };
        let line = serde_json::to_string(&header).map_err(io::Error::other)?;
        writeln!(out, "{line}")?;
        out.flush()?;
        let left = options.limit.saturating_sub(line.len() as u64 + 1);
        Journal::start(Sink::Lines { out, left }, options)
    }

    /// What happens, on standard output, for people: a line each, in colours on a terminal whose user has not
    /// set [`NO_COLOR`](https://no-color.org).
    ///
    /// # Errors
    /// If there can't be another thread.
    pub fn terminal(options: Options) -> io::Result<Arc<Journal>> {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = io::stdout().is_terminal() && !no_color;
        Journal::start(Sink::Terminal { out: io::BufWriter::new(io::stdout()), colours }, options)
    }

    fn start(sink: Sink, options: Options) -> io::Result<Arc<Journal>> {
        let (sender, receiver) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = waiting.clone();
        let write = move || write(&receiver, sink, &count);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(write)?;
        let recorder = Recorder::new(Instant::now(), !options.secrets);
        Ok(Arc::new(Journal {
            state: Mutex::new(State { recorder, sender: Some(sender), lost: 0 }),
            waiting,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Writes what waits, and nothing after that.
    pub fn finish(&self) {
        self.state.lock().sender = None;
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl Observer for Journal {
    fn observe(&self, observation: &Observation<'_>) {
        let mut guard = self.state.lock();
        let State { recorder, sender, lost } = &mut *guard;
        let Some(sender) = sender else { return };
        let Some(record) = recorder.record(observation) else { return };
        if *lost > 0 && self.send(sender, recorder.note(Entry::Lost { records: *lost })) {
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
    size_of::<Record>() + record.raw.as_ref().map_or(0, |raw| raw.0.len())
}

fn write(records: &Receiver<Record>, mut sink: Sink, waiting: &AtomicUsize) {
    while let Ok(record) = records.recv() {
        let mut next = Some(record);
        while let Some(record) = next {
            waiting.fetch_sub(cost(&record), Ordering::Relaxed);
            if let Err(error) = sink.write(&record) {
                tracing::error!(%error, "the journal can't be written any further");
                sink = Sink::Closed;
            }
            next = records.try_recv().ok();
        }
        if let Err(error) = sink.flush() {
            tracing::error!(%error, "the journal can't be written any further");
            sink = Sink::Closed;
        }
    }
}

impl Sink {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match self {
            Sink::Closed => Ok(()),
            Sink::Terminal { out, colours } => writeln!(out, "{}", terminal::line(record, *colours)),
            Sink::Lines { out, left } => {
                let line = serde_json::to_string(record).map_err(io::Error::other)?;
                let len = line.len() as u64 + 1;
                if len <= *left {
                    *left -= len;
                    return writeln!(out, "{line}");
                }
                let full = Record {
                    session: None,
                    at: None,
                    direction: None,
                    carrier: None,
                    from: None,
                    raw: None,
                    entry: Entry::Full,
                    ..*record
                };
                writeln!(out, "{}", serde_json::to_string(&full).map_err(io::Error::other)?)?;
                out.flush()?;
                tracing::warn!("the journal is full");
                *self = Sink::Closed;
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Lines { out, .. } => out.flush(),
            Sink::Terminal { out, .. } => out.flush(),
            Sink::Closed => Ok(()),
        }
    }
}
