//! How fast a client must take what waits for it, so that this counts as a sign of life.

use std::time::Duration;

/// Bytes in a second. Whoever takes less would need more than an hour for a message of 1 MB, and could keep the server's
/// memory for good.
const SLOWEST: u128 = 240;

/// Whether so many bytes in that time are enough.
pub(crate) fn is_pace(bytes: usize, time: Duration) -> bool {
    bytes as u128 * 1000 >= SLOWEST * time.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_must_take_some_bytes_each_second() {
        let second = Duration::from_secs(1);
        assert!(is_pace(240, second) && !is_pace(239, second));
        assert!(is_pace(4_800, 20 * second) && !is_pace(4_799, 20 * second));
    }
}
