//! The program's standard streams. Code that serves clients never writes to them itself: their reader may be
//! slow, stop, or be gone, and must not delay anyone.
//!
//! A server's lines go through an [`Output`], which has a thread that writes and a bound on what may wait for it.
//! Commands that only print and end ([`print`], [`complain`]) wait for their reader, as programs do.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How many bytes of lines may wait to be written.
const WAITING: usize = 1 << 20;

/// How soon a stream that takes nothing for now is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// How soon after [`Output::remind`] the reminder comes.
const REMIND_AFTER: Duration = Duration::from_secs(1);

/// Prints to standard output. Says whether somebody took it.
pub(crate) fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Prints to standard error, if somebody reads it.
pub(crate) fn complain(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// So many of something: `1 session`, `2 sessions`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A stream that takes lines at once and writes them when it can. Clones are the same stream.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something for the thread.
    stirred: Condvar,
    /// The thread has nothing left.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// The thread has taken lines, and is not done with them.
    writing: bool,
    /// How many lines were left out since the thread last looked.
    left_out: u64,
    remind_at: Option<Instant>,
    /// Nobody can ever read what is written.
    gone: bool,
}

/// What an output's thread has to say by itself.
pub(crate) struct Notices {
    /// The line that says how many lines were left out, because too many waited.
    pub(crate) left_out: fn(u64) -> String,
    /// What is to be done a second after [`Output::remind`].
    pub(crate) reminder: Box<dyn FnMut() + Send>,
}

impl Output {
    /// An output that writes to a standard stream.
    ///
    /// # Errors
    /// If there can't be another descriptor or another thread.
    pub(crate) fn to(stream: &impl AsFd, notices: Notices) -> io::Result<Output> {
        // A descriptor of its own, since the standard library's streams have locks that others may hold.
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        Output::start(Box::new(file), notices)
    }

    fn start(out: Box<dyn Write + Send>, notices: Notices) -> io::Result<Output> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), stirred: Condvar::new(), idle: Condvar::new() });
        let output = Output(shared.clone());
        thread::Builder::new().name("output".to_owned()).spawn(move || write(&shared, out, notices))?;
        Ok(output)
    }

    /// Has a line written, which brings its own end. It is left out if too much waits already.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.gone {
            return;
        }
        if state.waiting.len() + line.len() > WAITING {
            state.left_out += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        self.0.stirred.notify_one();
    }

    /// Has the reminder come in a second, if it isn't to come anyway.
    pub(crate) fn remind(&self) {
        let mut state = self.0.state.lock();
        if state.remind_at.is_none() {
            state.remind_at = Some(Instant::now() + REMIND_AFTER);
            self.0.stirred.notify_one();
        }
    }

    /// Waits until all lines are written, but no longer than this. Says whether they are.
    pub(crate) fn finish(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.0.state.lock();
        let busy = |state: &mut State| !state.gone && (state.writing || !state.waiting.is_empty());
        !self.0.idle.wait_while_until(&mut state, busy, until).timed_out()
    }
}

/// What an output's thread does, until its stream can't be written to any more.
fn write(shared: &Shared, mut out: Box<dyn Write + Send>, mut notices: Notices) {
    let mut lines = Vec::new();
    loop {
        let mut state = shared.state.lock();
        while state.waiting.is_empty() || is_due(&state) {
            if is_due(&state) {
                state.remind_at = None;
                drop(state);
                (notices.reminder)();
                state = shared.state.lock();
                continue;
            }
            state.writing = false;
            shared.idle.notify_all();
            match state.remind_at {
                Some(at) => drop(shared.stirred.wait_until(&mut state, at)),
                None => shared.stirred.wait(&mut state),
            }
        }
        std::mem::swap(&mut lines, &mut state.waiting);
        let left_out = std::mem::take(&mut state.left_out);
        state.writing = true;
        drop(state);
        if left_out > 0 {
            // They would have come after all that waited.
            lines.extend_from_slice((notices.left_out)(left_out).as_bytes());
        }
        if write_all(&mut out, &lines).is_err() {
            let mut state = shared.state.lock();
            state.gone = true;
            state.waiting = Vec::new();
            shared.idle.notify_all();
            return;
        }
        lines.clear();
    }
}

fn is_due(state: &State) -> bool {
    state.remind_at.is_some_and(|at| at <= Instant::now())
}

/// Writes all of it, also to a stream that doesn't block: whoever shares it may have set it so.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// As long as anything may take.
    const LIMIT: Duration = Duration::from_secs(20);

    /// A stream whose reader takes a write when it likes, or goes.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn notices(reminder: impl FnMut() + Send + 'static) -> Notices {
        Notices { left_out: |lines| format!("{lines} left out\n"), reminder: Box::new(reminder) }
    }

    fn pipe() -> (Output, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        (Output::start(Box::new(Pipe(sender)), notices(|| {})).unwrap(), receiver)
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody_and_is_told_what_it_missed() {
        let (output, reader) = pipe();
        let line = vec![b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
        for _ in 0..4 * WAITING / line.len() {
            output.line(&line);
        }
        assert!(!output.finish(Duration::from_millis(1)), "nothing has been read");
        // The thread may have told of some before the others were left out.
        let all = 4 * WAITING / line.len();
        let (mut read, mut left_out) = (0, 0);
        while read + left_out < all {
            let came = String::from_utf8(reader.recv_timeout(LIMIT).unwrap()).unwrap();
            for line in came.lines() {
                match line.strip_suffix(" left out") {
                    Some(lines) => left_out += lines.parse::<usize>().unwrap(),
                    None => read += 1,
                }
            }
        }
        assert_eq!(read + left_out, all);
        assert!(read <= 2 * WAITING / line.len() + 2, "what waits is bounded: {read} lines");
        assert!(output.finish(LIMIT));
    }

    #[test]
    fn a_reader_that_has_gone_is_no_matter() {
        let (output, reader) = pipe();
        drop(reader);
        output.line(b"first\n");
        assert!(output.finish(LIMIT));
        output.line(b"second\n");
        assert!(output.finish(Duration::ZERO), "nothing waits for nobody");
    }

    #[test]
    fn a_reminder_comes_once_however_often_it_is_asked_for() {
        let (told, reminders) = sync_channel(2);
        let (sender, _reader) = sync_channel(0);
        let reminder = notices(move || told.send(()).unwrap());
        let output = Output::start(Box::new(Pipe(sender)), reminder).unwrap();
        output.remind();
        output.remind();
        reminders.recv_timeout(LIMIT).unwrap();
        assert!(output.0.state.lock().remind_at.is_none());
        assert!(reminders.try_recv().is_err());
    }

    #[test]
    fn a_stream_that_does_not_block_is_tried_again() {
        struct Reluctant(Vec<u8>, bool);
        impl Write for Reluctant {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.push(bytes[0]);
                Ok(1)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut reluctant = Reluctant(Vec::new(), false);
        write_all(&mut reluctant, b"abc").unwrap();
        assert_eq!(reluctant.0, b"abc");
    }
}
