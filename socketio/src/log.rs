//! Text from clients, made safe for a log.

use std::fmt::{self, Write as _};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock;

/// Text that came from a client: escaped, so that it can't forge lines or move a terminal's cursor, and cut.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

const MAX_CHARS: usize = 100;

/// Lets at most ten lines of one kind into the log in ten seconds.
#[derive(Default)]
pub(crate) struct LogThrottle(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    /// When the first line of this period was written.
    since: Option<Instant>,
    count: u32,
    left_out: u64,
}

const PERIOD: Duration = Duration::from_secs(10);
const LINES: u32 = 10;

impl LogThrottle {
    /// Whether a line may be written, and how many were left out before it.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_at(clock::now())
    }

    fn next_at(&self, now: Instant) -> Option<u64> {
        let lines = &mut *self.0.lock();
        if lines.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            *lines = Lines { since: Some(now), count: 0, left_out: lines.left_out };
        }
        if lines.count == LINES {
            lines.left_out += 1;
            return None;
        }
        lines.count += 1;
        Some(std::mem::take(&mut lines.left_out))
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(MAX_CHARS) {
            // U+2028 and the direction marks are not control characters, but as harmful in a log.
            if char.is_ascii_graphic() || char == ' ' || char.is_alphanumeric() {
                f.write_char(char)?;
            } else {
                write!(f, "{}", char.escape_default())?;
            }
        }
        if chars.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_a_few_are_written_and_the_next_says_how_many_were_not() {
        let (lines, start) = (LogThrottle::default(), Instant::now());
        let written: Vec<_> = (0..100).map(|_| lines.next_at(start)).collect();
        assert_eq!((&written[..10], &written[10..]), (&[Some(0); 10][..], &[None; 90][..]));
        assert_eq!(lines.next_at(start + Duration::from_millis(9_999)), None);
        assert_eq!(lines.next_at(start + Duration::from_secs(10)), Some(91));
        assert_eq!(lines.next_at(start + Duration::from_secs(10)), Some(0));
    }

    #[test]
    fn control_characters_are_escaped_and_long_text_is_cut() {
        assert_eq!(Excerpt("a\n\u{1b}[31m é\u{2028}").to_string(), "a\\n\\u{1b}[31m é\\u{2028}");
        assert_eq!(Excerpt(&"a".repeat(1000)).to_string(), format!("{}…", "a".repeat(100)));
    }
}
