//! The session of the moment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::client::{ClientConfig, ClientEnding};
use rand::RngExt as _;
use tokio::time::Instant;

use crate::dial::{Driver, DriverEvent, Target, advice, not_opened};

/// The first pause before connecting again, and the longest: those of `socket.io-client`.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The session of the moment.
pub(super) enum Link {
    Up(Box<Session>),
    /// It is lost, and is tried again then.
    Down {
        again: Instant,
    },
}

/// A session, from its handshake on.
pub(super) struct Session {
    pub(super) driver: Driver,
    pub(super) began: Instant,
    progress: Progress,
}

/// How far a handshake has come.
enum Progress {
    /// What came so far.
    Opening(Bytes),
    Opened,
}

/// How a session ended; what the wires said, if they did.
pub(super) type Ended = (ClientEnding, Option<String>);

impl Link {
    pub(super) fn connect(target: Arc<Target>, config: ClientConfig) -> Link {
        Link::Up(Box::new(Session {
            driver: Driver::open(target, config),
            began: Instant::now(),
            progress: Progress::Opening(Bytes::new()),
        }))
    }

    pub(super) fn lost() -> Link {
        Link::Down { again: Instant::now() }
    }

    /// Connects again after so many failures.
    pub(super) fn again(failures: u32) -> (Link, Duration) {
        let pause = pause(failures);
        (Link::Down { again: Instant::now() + pause }, pause)
    }

    /// What the session brings next; nothing while there is none.
    pub(super) async fn next(&mut self) -> DriverEvent {
        let Link::Up(session) = self else { return std::future::pending().await };
        let event = session.driver.next().await;
        match (&event, &mut session.progress) {
            (DriverEvent::Opened, progress) => *progress = Progress::Opened,
            (DriverEvent::Wire { sent: false, bytes, .. }, Progress::Opening(came)) => {
                *came = bytes.clone();
            }
            _ => {}
        }
        event
    }
}

impl Session {
    /// Whether the handshake succeeded.
    pub(super) fn was_open(&self) -> bool {
        matches!(self.progress, Progress::Opened)
    }

    /// Why it ended; what to try, if it was never open.
    pub(super) fn why(&self, ended: Ended, path: &str) -> String {
        let ended = match ended {
            // It says enough: no transport was there to fail.
            (ClientEnding::TransportError, Some(trouble)) if !self.was_open() => return trouble,
            other => other,
        };
        let advice = match (&self.progress, &ended.0) {
            (Progress::Opened, _) => None,
            (_, ClientEnding::Refused(refusal)) => advice(refusal, path),
            (Progress::Opening(came), ClientEnding::NotOpened | ClientEnding::Broken(_)) => {
                Some(not_opened(came, path))
            }
            _ => None,
        };
        match advice {
            Some(advice) => format!("{}: {advice}", in_words(ended)),
            None => in_words(ended),
        }
    }

    /// Ends it. Says how that went.
    pub(super) async fn goodbye(mut self: Box<Self>) -> Ended {
        self.driver.close();
        loop {
            if let DriverEvent::Ended(ending, trouble) = self.driver.next().await {
                let all = self.driver.finish().await;
                if ending == ClientEnding::ClosedHere && !all {
                    let why = "not all that was sent has gone out".to_owned();
                    return (ClientEnding::TransportError, Some(why));
                }
                return (ending, trouble);
            }
        }
    }
}

pub(super) fn in_words((ending, trouble): Ended) -> String {
    match trouble {
        Some(trouble) => format!("{ending}: {trouble}"),
        None => ending.to_string(),
    }
}

/// The pause after so many failures: it doubles, and is up to a half shorter or longer by chance, so that the clients of
/// a server that was restarted don't all come at once.
fn pause(failures: u32) -> Duration {
    let pause = RETRY.0.saturating_mul(1 << failures.min(8));
    pause.mul_f64(rand::rng().random_range(0.5..1.5)).min(RETRY.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_it_may_be_and_no_longer() {
        for (failures, least, longest) in
            [(0, 500, 1500), (1, 1000, 3000), (2, 2000, 5000), (100, 5000, 5000)]
        {
            let (least, longest) = (Duration::from_millis(least), Duration::from_millis(longest));
            for _ in 0..1000 {
                let pause = pause(failures);
                assert!((least..=longest).contains(&pause), "{failures}: {pause:?}");
            }
        }
    }
}
