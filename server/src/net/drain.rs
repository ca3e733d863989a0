//! How a server that stops closes its clients. They reconnect to other servers, which may not be able to take all at
//! once. So if there are many clients, they are closed one after the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Up to this many clients are closed at once.
const AT_ONCE: usize = 500;

/// What is set about the end of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// How long the server continues as before, so that load balancers notice.
    pub(crate) wait: Duration,
    /// The time over which many clients are closed.
    pub(crate) spread: Duration,
    /// How long clients have to leave, from when the first is closed.
    pub(crate) timeout: Duration,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain { wait: Duration::ZERO, spread: Duration::from_secs(10), timeout: Duration::from_secs(30) }
    }
}

impl Drain {
    /// When to close each of that many clients, the first one now. The last one has half of the timeout to leave.
    pub(crate) fn schedule(&self, clients: usize) -> DrainSchedule {
        let spread = if clients > AT_ONCE { self.spread.min(self.timeout / 2) } else { Duration::ZERO };
        DrainSchedule { began: Instant::now(), spread, of: clients.max(1), taken: AtomicUsize::new(0) }
    }
}

/// Evenly spread moments, one for each client.
#[derive(Debug)]
pub(crate) struct DrainSchedule {
    began: Instant,
    spread: Duration,
    of: usize,
    taken: AtomicUsize,
}

impl DrainSchedule {
    /// Takes the next moment, and waits for it.
    pub(crate) async fn next(&self) {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed).min(self.of);
        let whole = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let at = self.began + self.spread * whole(turn) / whole(self.of);
        if Instant::now() < at {
            sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use socketio::Io;
    use tokio::task::JoinSet;

    use super::*;
    use crate::{Server, Service};

    const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
    const SPREAD: Duration = Duration::from_secs(10);

    fn service() -> Service {
        let builder = Server::builder().socketio("/engine.io/", Io::new());
        builder.drain_spread(SPREAD).build().unwrap().into_service()
    }

    async fn get(service: &Service, target: &str) -> (u16, String) {
        let request = Request::get(target).header("host", "test").body(Body::empty()).unwrap();
        let response = service.respond(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Opens a session by polling; the target of its further requests.
    async fn open(service: &Service) -> String {
        let (status, body) = get(service, POLLING).await;
        assert_eq!(status, 200, "{body}");
        let sid = body.split('"').nth(3).unwrap();
        format!("{POLLING}&sid={sid}")
    }

    /// Polls, and is told to go: by the close packet, or by a noop and that.
    async fn poll_goodbye(service: &Service, target: &str) {
        let (status, body) = get(service, target).await;
        assert!(status == 200 && ["1", "6\u{1e}1"].contains(&&*body), "{status}: {body:?}");
    }

    /// When, after the begin of a drain, each of so many clients that poll is told.
    async fn told(service: &Service, clients: usize) -> Vec<Duration> {
        let mut polls = JoinSet::new();
        let mut targets = Vec::new();
        for _ in 0..clients {
            targets.push(open(service).await);
        }
        let began = Instant::now();
        for target in targets {
            let service = service.clone();
            polls.spawn(async move {
                poll_goodbye(&service, &target).await;
                began.elapsed()
            });
        }
        tokio::task::yield_now().await;
        service.drain().await;
        let mut told = polls.join_all().await;
        told.sort();
        told
    }

    // proves: features/wish/drain
    #[tokio::test(start_paused = true)]
    async fn many_clients_are_let_go_evenly() {
        let told = told(&service(), 1_000).await;
        for (at, told) in told.iter().enumerate() {
            let turn = SPREAD * u32::try_from(at).unwrap() / 1_000;
            assert!(told.abs_diff(turn) <= Duration::from_millis(2), "number {at} after {told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn some_hundred_clients_are_let_go_at_once() {
        let told = told(&service(), AT_ONCE).await;
        assert!(told.last() < Some(&Duration::from_millis(10)), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_turn_comes_between_two_polls_is_told_by_the_next() {
        let service = service();
        let target = open(&service).await;
        let drained = tokio::spawn({
            let service = service.clone();
            async move { service.drain().await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        poll_goodbye(&service, &target).await;
        drained.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_over_once_the_last_client_has_left() {
        let service = service();
        for _ in 0..=AT_ONCE {
            open(&service).await;
        }
        let began = Instant::now();
        let gone = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let at_once = Arc::new(Drain::default().schedule(1));
            for endpoint in &service.site().endpoints {
                endpoint.drain(at_once.clone()).await;
            }
        };
        tokio::join!(service.drain(), gone);
        // Nobody polls, so each session takes its close timeout.
        let close_timeout = crate::EngineConfig::default().close_timeout;
        assert_eq!(began.elapsed().as_secs(), 1 + close_timeout.as_secs());
    }

    // proves: features/wish/drain
    #[tokio::test(start_paused = true)]
    async fn new_clients_are_let_in_until_the_wait_for_load_balancers_is_over() {
        let wait = Duration::from_secs(15);
        let builder = Server::builder().socketio("/engine.io/", Io::new()).drain_wait(wait);
        let service = builder.build().unwrap().into_service();
        let early = open(&service).await;
        let drained = tokio::spawn({
            let service = service.clone();
            async move { service.drain().await }
        });
        tokio::time::sleep(wait - Duration::from_secs(1)).await;
        assert!(service.is_draining());
        let late = open(&service).await;
        let parked = tokio::spawn({
            let service = service.clone();
            async move { poll_goodbye(&service, &late).await }
        });
        assert_eq!(service.sessions(), 2);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(get(&service, POLLING).await.0, 503);
        poll_goodbye(&service, &early).await;
        parked.await.unwrap();
        drained.await.unwrap();
    }
}
