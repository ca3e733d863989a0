//! Several servers are asked the same at once, and the newest answer counts: one that was cut off from the others may be the
//! first to answer.

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::LinkError;

/// How long an answer may take if there is none yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long further answers are waited for.
pub(super) const GRACE: Duration = Duration::from_millis(200);

/// Returns the answers that come in time: the newest first, and among equals in the order of asking.
pub(super) async fn newest<T, A: Ord>(
    asking: impl IntoIterator<Item = impl Future<Output = Result<T, LinkError>>>,
    patience: Duration,
    age: impl Fn(&T) -> A,
) -> Result<Vec<T>, LinkError> {
    let numbered = asking.into_iter().enumerate().map(|(at, asking)| async move { (at, asking.await) });
    let mut asking: FuturesUnordered<_> = numbered.collect();
    let mut error = LinkError("nobody answers in time".into());
    let mut answers = Vec::new();
    let mut until = Instant::now() + patience;
    while let Ok(Some((at, answer))) = timeout_at(until, asking.next()).await {
        match answer {
            Ok(answer) => {
                if answers.is_empty() {
                    until = until.min(Instant::now() + GRACE);
                }
                answers.push((at, answer));
            }
            Err(failed) => error = failed,
        }
    }
    if answers.is_empty() {
        return Err(error);
    }
    answers.sort_by_key(|(at, answer)| (Reverse(age(answer)), *at));
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// One that answers after so many milliseconds, if it does.
    async fn one(millis: u64, answer: Option<(u64, &'static str)>) -> Result<(u64, &'static str), LinkError> {
        sleep(Duration::from_millis(millis)).await;
        answer.ok_or_else(|| LinkError("refused".into()))
    }

    async fn asked(
        all: Vec<(u64, Option<(u64, &'static str)>)>,
    ) -> (Result<Vec<&'static str>, String>, Duration) {
        let since = Instant::now();
        let asking = all.into_iter().map(|(millis, answer)| one(millis, answer));
        let answers = newest(asking, PATIENCE, |(epoch, _)| *epoch).await;
        let names = answers.map(|all| all.into_iter().map(|(_, name)| name).collect());
        (names.map_err(|LinkError(error)| error.into()), since.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_answer_counts_whoever_answers_first() {
        let (names, took) =
            asked(vec![(1, Some((3, "stale"))), (50, Some((5, "new"))), (2, Some((5, "too")))]).await;
        assert_eq!((names, took), (Ok(vec!["new", "too", "stale"]), Duration::from_millis(50)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_cut_off_is_not_waited_for_once_another_has_answered() {
        let (names, took) =
            asked(vec![(60_000, Some((9, "gone"))), (0, None), (10, Some((1, "here")))]).await;
        assert_eq!((names, took), (Ok(vec!["here"]), GRACE + Duration::from_millis(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn if_nobody_answers_it_is_said_why() {
        let (names, took) = asked(vec![(60_000, Some((9, "gone"))), (1500, None)]).await;
        assert_eq!((names, took), (Err("refused".to_owned()), PATIENCE));
        let (names, took) = asked(Vec::new()).await;
        assert_eq!((names, took), (Err("nobody answers in time".to_owned()), Duration::ZERO));
    }
}
