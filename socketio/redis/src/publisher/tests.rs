use tokio::time::Instant;

use super::held::PATIENCE;
use super::*;
use crate::link::Channel;
use crate::link::fake::FakeRedis;

fn started(limit: usize) -> (FakeRedis, Publisher, Arc<Counts>) {
    let (redis, counts) = (FakeRedis::new(), Arc::new(Counts::default()));
    let publisher = Publisher::start(redis.dial(), limit, Arc::clone(&counts));
    (redis, publisher, counts)
}

fn message(n: usize) -> Command {
    Command::Publish { channel: Channel::Exact("c".into()), payload: n.to_string().into() }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_keep_their_order_and_go_in_batches() {
    let (redis, publisher, counts) = started(1_000_000);
    let mut last = None;
    for n in 0..2000 {
        last = Some(publisher.send(message(n)));
    }
    last.unwrap().await.unwrap();
    assert_eq!(redis.published(), numbers(0..2000));
    assert_eq!(redis.batches(), [512, 512, 512, 464]);
    assert_eq!(counts.published(), 2000);
}

#[tokio::test(start_paused = true)]
async fn what_waits_while_redis_is_away_goes_out_once_when_it_is_back() {
    let (redis, publisher, counts) = started(1_000_000);
    publisher.send(message(0)).await.unwrap();
    redis.set_up(false);
    for n in 1..100 {
        drop(publisher.send(message(n)));
        sleep(Duration::from_millis(500)).await;
    }
    redis.set_up(true);
    publisher.send(message(100)).await.unwrap();
    assert_eq!(redis.published(), numbers(0..101));
    assert_eq!((counts.published(), counts.unsure(), counts.dropped()), (101, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_what_is_too_much_is_counted() {
    let (redis, publisher, counts) = started(10 * message(0).cost());
    redis.set_up(false);
    let mut full = 0;
    let mut waiting = Vec::new();
    for n in 0..25 {
        let sent = publisher.0.push(message(n % 10));
        match sent {
            Ok(answer) => waiting.push(answer),
            Err(PublishError::Full) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((waiting.len(), full, counts.dropped()), (10, 15, 15));
    redis.set_up(true);
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(redis.published(), numbers(0..10));
    // One that is larger than the bound goes, if nothing else waits.
    let large = Command::Publish { channel: Channel::Exact("c".into()), payload: vec![0; 10_000].into() };
    publisher.send(large).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_is_not_sent_again() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.set_silent(true);
    let first = publisher.send(message(0));
    sleep(Duration::from_millis(1)).await;
    let second = publisher.send(message(1));
    redis.set_up(true);
    redis.set_silent(false);
    assert!(matches!(first.await, Err(PublishError::Unsure)));
    second.await.unwrap();
    assert_eq!((redis.published(), counts.unsure()), (numbers(1..2), 1));
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_is_silent_for_long_is_given_up() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.set_silent(true);
    let sent = publisher.send(message(0));
    assert!(matches!(sent.await, Err(PublishError::Unsure)));
    assert_eq!(counts.unsure(), 1);
    // A pause that is shorter delays what is sent, and nothing else.
    let sent = publisher.send(message(1));
    sleep(SILENCE / 2).await;
    redis.set_silent(false);
    sent.await.unwrap();
    assert_eq!(redis.published(), numbers(1..2));
}

#[tokio::test(start_paused = true)]
async fn questions_that_nobody_waits_for_are_not_asked() {
    let (redis, publisher, _) = started(1_000_000);
    redis.set_up(false);
    for _ in 0..10 {
        drop(publisher.send(Command::Count(Channel::Exact("c".into()))));
    }
    redis.set_up(true);
    publisher.send(message(0)).await.unwrap();
    assert_eq!(redis.batches(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_redis_refuses_is_an_error_of_that_message() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.refuse(true);
    let error = publisher.send(message(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "Redis refused it: NOPERM no");
    redis.refuse(false);
    publisher.send(message(1)).await.unwrap();
    assert_eq!((counts.refused(), counts.published()), (1, 1));
}

fn to(channel: &str, n: usize) -> Command {
    Command::Publish { channel: Channel::Exact(channel.into()), payload: format!("{channel}{n}").into() }
}

#[tokio::test(start_paused = true)]
async fn what_is_for_a_part_that_is_away_waits_in_its_order_and_holds_up_nothing() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.lack(Some("a"));
    let (mut waiting, since) = (Vec::new(), Instant::now());
    for n in 0..3 {
        waiting.push(publisher.send(to("a", n)));
        publisher.send(to("b", n)).await.unwrap();
        // Also when it has been tried again, and on another connection.
        sleep(Duration::from_millis(250)).await;
        redis.set_up(false);
        redis.set_up(true);
    }
    assert_eq!(redis.published(), ["b0", "b1", "b2"]);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    redis.lack(None);
    waiting.push(publisher.send(to("a", 3)));
    for sent in waiting {
        sent.await.unwrap();
    }
    assert_eq!(redis.published()[3..], ["a0", "a1", "a2", "a3"]);
    assert_eq!((counts.published(), counts.unsure(), counts.refused()), (7, 0, 0));
    assert_eq!(publisher.0.queue.lock().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_away_for_long_is_waited_for_once() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.lack(Some("a"));
    let since = Instant::now();
    let sent = [0, 1].map(|n| publisher.send(to("a", n)));
    for sent in sent {
        assert!(matches!(sent.await, Err(PublishError::Refused(_))));
    }
    let waited = since.elapsed();
    assert!(waited > PATIENCE && waited < PATIENCE + Duration::from_secs(1), "{waited:?}");
    let since = Instant::now();
    assert!(matches!(publisher.send(to("a", 2)).await, Err(PublishError::Refused(_))));
    assert_eq!((since.elapsed(), counts.refused()), (Duration::ZERO, 3));
    redis.lack(None);
    publisher.send(to("a", 3)).await.unwrap();
    redis.lack(Some("a"));
    let sent = publisher.send(to("a", 4));
    sleep(PATIENCE / 2).await;
    redis.lack(None);
    sent.await.unwrap();
    assert_eq!((redis.published().join(" "), publisher.0.queue.lock().bytes), ("a3 a4".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_part_counts_among_what_waits() {
    let (redis, publisher, counts) = started(10 * to("a", 0).cost());
    redis.lack(Some("a"));
    let mut waiting = Vec::new();
    for n in 0..25 {
        waiting.push(publisher.send(to("a", n % 10)));
        // It is taken out of the queue, and put aside.
        sleep(Duration::from_millis(10)).await;
    }
    redis.lack(None);
    let mut full = 0;
    for sent in waiting {
        full += usize::from(matches!(sent.await, Err(PublishError::Full)));
    }
    assert_eq!((full, counts.dropped(), redis.published().len()), (15, 15, 10));
}

#[tokio::test(start_paused = true)]
async fn what_comes_when_the_time_is_over_passes_nothing_that_waits() {
    let (redis, publisher, _) = started(1_000_000);
    redis.lack(Some("a"));
    let first = publisher.send(to("a", 0));
    // It was tried a moment ago, and is tried again in a moment.
    sleep(PATIENCE + Duration::from_millis(50)).await;
    redis.lack(None);
    publisher.send(to("a", 1)).await.unwrap();
    first.await.unwrap();
    assert_eq!(redis.published(), ["a0", "a1"]);
}

#[tokio::test(start_paused = true)]
async fn what_redis_took_later_is_not_followed_by_what_it_refused_before() {
    let (redis, publisher, counts) = started(1_000_000);
    redis.refuse_once("CLUSTERDOWN for a moment");
    let [first, second] = [0, 1].map(|n| publisher.send(to("a", n)));
    assert!(matches!(first.await, Err(PublishError::Refused(_))));
    second.await.unwrap();
    // Others may still be sent.
    redis.refuse_once("CLUSTERDOWN for a moment");
    let [first, other] = ["a", "b"].map(|channel| publisher.send(to(channel, 2)));
    other.await.unwrap();
    first.await.unwrap();
    assert_eq!(redis.published(), ["a1", "b2", "a2"]);
    // A question passes nothing.
    redis.refuse_once("CLUSTERDOWN for a moment");
    let sent = publisher.send(to("a", 3));
    let asked = publisher.send(Command::Count(Channel::Exact("a".into())));
    asked.await.unwrap();
    sent.await.unwrap();
    assert_eq!(redis.published()[3..], ["a3"]);
    assert_eq!((counts.refused(), publisher.0.queue.lock().bytes), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn when_a_server_has_become_a_replica_another_connection_is_made() {
    for error in
        ["READONLY You can't write against a read only replica.", "MASTERDOWN Link with MASTER is down"]
    {
        let (redis, counts) = (FakeRedis::single(), Arc::new(Counts::default()));
        let publisher = Publisher::start(redis.dial(), 1_000_000, Arc::clone(&counts));
        publisher.send(message(0)).await.unwrap();
        redis.hand_over(error);
        let since = Instant::now();
        let sent = [1, 2, 3].map(|n| publisher.send(message(n)));
        for sent in sent {
            sent.await.unwrap();
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        assert_eq!((redis.published(), redis.dialled()), (numbers(0..4), 2));
        assert_eq!((counts.published(), counts.refused(), counts.unsure()), (4, 0, 0));
        assert_eq!(publisher.0.queue.lock().bytes, 0);
        assert!(!publisher.is_away());
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_redis_has_just_started_waits_and_it_is_tried_less_and_less_often() {
    let (redis, counts) = (FakeRedis::single(), Arc::new(Counts::default()));
    let publisher = Publisher::start(redis.dial(), 1_000_000, Arc::clone(&counts));
    publisher.send(message(0)).await.unwrap();
    redis.turn_away(Some("LOADING Redis is loading the dataset in memory"));
    let mut waiting = Vec::new();
    for n in 1..61 {
        waiting.push(publisher.send(message(n)));
        sleep(Duration::from_secs(1)).await;
        assert!(publisher.is_away());
    }
    // A question that nobody asks any more tells nothing, and no message waits for it.
    drop(publisher.send(Command::Count(Channel::Exact("c".into()))));
    assert!(redis.dialled() < 80, "{}", redis.dialled());
    redis.turn_away(None);
    for sent in waiting {
        sent.await.unwrap();
    }
    assert_eq!((redis.published(), counts.refused()), (numbers(0..61), 0));
    assert!(!publisher.is_away());
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_left_before_but_not_for_a_redis_that_is_away() {
    let (redis, publisher, _) = started(1_000_000);
    drop(publisher.send(message(0)));
    publisher.flushed().await;
    assert_eq!(redis.published(), numbers(0..1));
    redis.set_up(false);
    sleep(Duration::from_secs(1)).await;
    drop(publisher.send(message(1)));
    let since = tokio::time::Instant::now();
    publisher.flushed().await;
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn its_task_ends_with_it() {
    let (redis, publisher, counts) = started(1_000_000);
    let sent = publisher.send(message(0));
    drop(publisher);
    sent.await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!((redis.published().len(), Arc::strong_count(&counts)), (1, 1));
}
