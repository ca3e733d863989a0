//! What is refused of a head, and what of it is left for hyper.

use super::*;

fn admission() -> Arc<Admission> {
    Arc::new(Admission::new(crate::Limits::default(), Arc::default()))
}

/// How long the end of a connection takes, whose client sent `begin` and then a byte now and then.
async fn end(begin: &str) -> std::time::Duration {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Duration, Instant, sleep};

    let (ours, mut peer) = duplex(1000);
    let (mut ours, _) = Watched::new(ours, admission(), None);
    peer.write_all(begin.as_bytes()).await.unwrap();
    ours.read_exact(&mut vec![0; begin.len()]).await.unwrap();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(400)).await;
            if peer.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    ours.shutdown().await.unwrap();
    began.elapsed()
}

// proves: protocol/early-answers
#[tokio::test(start_paused = true)]
async fn what_a_client_still_sends_is_read_for_as_long_as_a_body_may_take() {
    let timeout = admission().limits.body_timeout;
    let post = "POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n";
    assert_eq!(end(post).await, timeout);
    assert_eq!(end("POST / HT").await, timeout);
    assert!(end("GET / HTTP/1.1\r\n\r\n").await.is_zero(), "nothing is under way");
}

// proves: protocol/early-answers
#[tokio::test]
async fn what_a_client_still_sends_is_read_up_to_a_bound() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    let (ours, mut peer) = duplex(1 << 20);
    let (mut ours, _) = Watched::new(ours, admission(), None);
    let head = b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n";
    peer.write_all(head).await.unwrap();
    ours.read_exact(&mut vec![0; head.len()]).await.unwrap();
    let sent = tokio::spawn(async move {
        let mut sent = 0;
        while peer.write_all(&[b'x'; 65536]).await.is_ok() {
            sent += 65536;
        }
        sent
    });
    ours.shutdown().await.unwrap();
    drop(ours);
    let sent = sent.await.unwrap();
    assert!((LINGER_BYTES..LINGER_BYTES + (2 << 20)).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte_on() {
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};

    let admission = admission();
    let timeout = admission.limits.head_timeout;
    let (ours, mut peer) = duplex(1000);
    let (mut ours, _) = Watched::new(ours, admission.clone(), None);
    let client = tokio::spawn(async move {
        // Idling costs nothing, nor does a body that takes its time.
        sleep(5 * timeout).await;
        peer.write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx").await.unwrap();
        sleep(5 * timeout).await;
        peer.write_all(b"xGET").await.unwrap();
        let began = Instant::now();
        // A byte now and then does not help.
        while peer.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(400)).await;
        }
        began
    });
    let error = ours.read_to_end(&mut Vec::new()).await.unwrap_err();
    let ended = Instant::now();
    drop(ours);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(ended - client.await.unwrap(), timeout);
    assert_eq!(admission.hits.get(Limit::HeadTimeout), 1);
}
