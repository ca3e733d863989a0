//! How many lines of each kind are logged in a second. The log then says how many more there were.
//!
//! A client can have the server log as fast as it can send. A kind of line is the place in the code that logs it, so
//! that a flood of one hides no other.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};

const SECOND: Duration = Duration::from_secs(1);

/// The most of a line's message that is said when others like it are left out, in bytes.
const LONGEST_MESSAGE: usize = 80;

/// What was logged of each kind.
pub(super) struct RateLimits {
    /// How many lines of a kind are logged in a second; 0 stands for all.
    per_second: usize,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

struct Kind {
    second: Instant,
    logged: usize,
    /// What was left out, and not yet said to be.
    left_out: Option<LeftOut>,
}

/// Lines of one kind that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) level: Level,
    pub(super) target: &'static str,
    /// The message of the first.
    pub(super) like: String,
    pub(super) lines: u64,
}

/// Whether a line is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Logged,
    LeftOut,
    /// It is the first of its kind since it was last said how many were.
    FirstLeftOut,
}

impl RateLimits {
    pub(super) fn new(per_second: usize) -> RateLimits {
        RateLimits { per_second, kinds: Mutex::default() }
    }

    /// Whether a line is logged. Calls `first` if it is the first of those that aren't.
    pub(super) fn admit(&self, event: &Event<'_>, now: Instant, first: impl FnOnce()) -> bool {
        let metadata = event.metadata();
        let verdict = self.judge(metadata, now);
        if verdict == Verdict::FirstLeftOut {
            // Not under the lock: reading a message runs others' code.
            let mut message = Message(String::new());
            event.record(&mut message);
            if let Some(kind) = self.kinds.lock().get_mut(&metadata.callsite())
                && let Some(left_out) = &mut kind.left_out
            {
                left_out.like = message.0;
            }
            first();
        }
        verdict == Verdict::Logged
    }

    fn judge(&self, metadata: &Metadata<'static>, now: Instant) -> Verdict {
        if self.per_second == 0 {
            return Verdict::Logged;
        }
        let mut kinds = self.kinds.lock();
        let new = || Kind { second: now, logged: 0, left_out: None };
        let kind = kinds.entry(metadata.callsite()).or_insert_with(new);
        if now.saturating_duration_since(kind.second) >= SECOND {
            (kind.second, kind.logged) = (now, 0);
        }
        if kind.logged < self.per_second {
            kind.logged += 1;
            return Verdict::Logged;
        }
        if let Some(left_out) = &mut kind.left_out {
            left_out.lines += 1;
            return Verdict::LeftOut;
        }
        let (level, target) = (*metadata.level(), metadata.target());
        kind.left_out = Some(LeftOut { level, target, like: String::new(), lines: 1 });
        Verdict::FirstLeftOut
    }

    /// What was left out since this was last asked.
    pub(super) fn take_left_out(&self) -> Vec<LeftOut> {
        self.kinds.lock().values_mut().filter_map(|kind| kind.left_out.take()).collect()
    }
}

/// The beginning of a line's message.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // It ends with an error where there is enough of it.
            let _ = write!(self, "{value:?}");
        }
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_MESSAGE.saturating_sub(self.0.len());
        let end =
            (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        self.0.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time, what passed, and how often the first was left out.
    type Counts = Mutex<(Instant, usize, usize)>;

    /// Counts what passes.
    struct Through(std::sync::Arc<(RateLimits, Counts)>);

    impl tracing::Subscriber for Through {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &Event<'_>) {
            let (limits, counts) = &*self.0;
            let now = counts.lock().0;
            let mut first = 0;
            let passes = limits.admit(event, now, || first = 1);
            let mut counts = counts.lock();
            counts.1 += usize::from(passes);
            counts.2 += first;
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    fn counts(of: &Counts) -> (usize, usize) {
        let of = of.lock();
        (of.1, of.2)
    }

    #[test]
    fn each_kind_has_so_many_a_second_and_what_is_left_out_is_counted() {
        let began = Instant::now();
        let shared = std::sync::Arc::new((RateLimits::new(3), Mutex::new((began, 0, 0))));
        let refused = |n: usize| tracing::info!(n, "request {} refused", 7);
        let other = || tracing::warn!("another");
        tracing::subscriber::with_default(Through(shared.clone()), || {
            (0..10).for_each(refused);
            other();
            assert_eq!(counts(&shared.1), (3 + 1, 1), "a flood hides no other kind");
            let left_out = shared.0.take_left_out();
            assert_eq!(left_out.len(), 1);
            let LeftOut { level, like, lines, .. } = &left_out[0];
            assert_eq!((*level, like.as_str(), *lines), (Level::INFO, "request 7 refused", 7));
            assert_eq!(shared.0.take_left_out(), []);
            shared.1.lock().0 = began + SECOND;
            (0..10).for_each(refused);
            assert_eq!(counts(&shared.1), (3 + 1 + 3, 2), "another second, another three");
        });
    }

    #[test]
    fn a_message_is_cut_and_none_is_limited_by_zero() {
        let shared = std::sync::Arc::new((RateLimits::new(1), Mutex::new((Instant::now(), 0, 0))));
        let long = || tracing::info!("{}", "é".repeat(1_000));
        tracing::subscriber::with_default(Through(shared.clone()), || (0..2).for_each(|_| long()));
        assert_eq!(shared.0.take_left_out()[0].like, "é".repeat(LONGEST_MESSAGE / 2));
        let shared = std::sync::Arc::new((RateLimits::new(0), Mutex::new((Instant::now(), 0, 0))));
        tracing::subscriber::with_default(Through(shared.clone()), || (0..100).for_each(|_| long()));
        assert_eq!(shared.1.lock().1, 100);
    }
}
