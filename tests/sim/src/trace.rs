//! What happened in a run, line by line, for who reads a failure.

use std::cell::RefCell;
use std::fmt;

use tokio::time::Instant;

thread_local! {
    static TRACE: RefCell<Option<(Instant, Vec<String>)>> = const { RefCell::new(None) };
}

/// Has this thread's steps written down from now on.
pub(crate) fn begin() {
    TRACE.set(Some((Instant::now(), Vec::new())));
}

/// What was written down.
pub(crate) fn end() -> Vec<String> {
    TRACE.take().map(|(_, lines)| lines).unwrap_or_default()
}

pub(crate) fn note(step: fmt::Arguments<'_>) {
    TRACE.with_borrow_mut(|trace| {
        if let Some((began, lines)) = trace {
            lines.push(format!("{:>9.3} {step}", began.elapsed().as_secs_f64()));
        }
    });
}

/// Writes a step down.
macro_rules! step {
    ($($arg:tt)*) => { $crate::trace::note(format_args!($($arg)*)) };
}
pub(crate) use step;
