use super::*;
use crate::link::fake::FakeRedis;

struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

fn started() -> (FakeRedis, Subscriber, Heard, Arc<Counts>) {
    let (redis, counts) = (FakeRedis::new(), Arc::new(Counts::default()));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let subscriber = Subscriber::start(redis.dial(), Arc::clone(&counts), move |channel, payload| {
        log.lock().push(format!("{channel} {}", String::from_utf8_lossy(&payload)));
    });
    (redis, subscriber, Heard(heard), counts)
}

fn exact(name: &str) -> Channel {
    Channel::Exact(name.into())
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_is_heard_and_the_rest_is_not() {
    let (redis, subscriber, heard, _) = started();
    subscriber.want([exact("a"), exact("b"), Channel::Pattern("p#*".into())]);
    subscriber.settled().await;
    for channel in ["a", "b", "c", "p#x"] {
        redis.publish(channel, "1");
    }
    assert_eq!(heard.take(), ["a 1", "b 1", "p#x 1"]);
    subscriber.unwant([exact("a")]);
    subscriber.settled().await;
    redis.publish("a", "2");
    assert_eq!(heard.take(), [""; 0]);
    assert_eq!(
        (subscriber.confirmed(exact("b")).await, subscriber.confirmed(exact("a")).await),
        (true, false)
    );
}

#[tokio::test(start_paused = true)]
async fn everything_is_subscribed_to_again_whenever_redis_is_back() {
    let (redis, subscriber, heard, counts) = started();
    subscriber.want((0..1000).map(|n| exact(&format!("c{n}"))));
    subscriber.settled().await;
    assert_eq!(redis.channels().len(), 1000);
    for away in [0, 1, 60, 3600] {
        redis.set_up(false);
        tokio::task::yield_now().await;
        sleep(Duration::from_secs(away)).await;
        // What is wanted may change meanwhile.
        subscriber.want([exact("another")]);
        subscriber.unwant([exact("c0")]);
        redis.set_up(true);
        let since = Instant::now();
        subscriber.settled().await;
        assert!(since.elapsed() <= Duration::from_secs(2), "{:?}", since.elapsed());
        assert_eq!(redis.channels().len(), 1000);
        redis.publish("c999", "1");
        redis.publish("another", "1");
        redis.publish("c0", "1");
        assert_eq!(heard.take(), ["c999 1", "another 1"]);
    }
    assert_eq!(counts.gaps(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_falls_silent_is_found_out() {
    let (redis, subscriber, heard, counts) = started();
    subscriber.want([exact("a")]);
    subscriber.settled().await;
    redis.set_silent(true);
    sleep(PING_INTERVAL + SILENCE + Duration::from_millis(1)).await;
    assert_eq!(counts.gaps(), 1);
    redis.set_silent(false);
    subscriber.settled().await;
    redis.publish("a", "1");
    assert_eq!(heard.take(), ["a 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_shards_channel_that_redis_drops_is_subscribed_to_again() {
    let (redis, subscriber, _, counts) = started();
    subscriber.want([Channel::Sharded("s".into())]);
    subscriber.settled().await;
    redis.drop_shard("s");
    assert!(redis.channels().is_empty());
    subscriber.settled().await;
    assert_eq!((redis.channels(), counts.gaps()), (vec!["s".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_shards_channel_that_redis_drops_at_once_is_not_taken_for_confirmed() {
    let (redis, subscriber, ..) = started();
    redis.drop_once("s");
    subscriber.want([Channel::Sharded("s".into())]);
    subscriber.settled().await;
    assert_eq!(redis.channels(), ["s"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_a_part_of_redis_can_not_take_holds_nothing_up() {
    let (redis, subscriber, heard, counts) = started();
    redis.lack(Some("c0"));
    subscriber.want((0..1000).map(|n| exact(&format!("c{n}"))));
    for confirmed in ["c999", "c1"].map(|name| subscriber.confirmed(exact(name))) {
        assert_eq!(timeout(SILENCE, confirmed).await, Ok(true));
    }
    redis.publish("c999", "1");
    assert_eq!((heard.take(), counts.gaps()), (vec!["c999 1".to_owned()], 1));
    sleep(10 * RETRY).await;
    redis.lack(None);
    subscriber.settled().await;
    assert_eq!((redis.channels().len(), counts.gaps()), (1000, 1));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_refused_is_tried_again_while_others_come_and_go() {
    let (redis, subscriber, ..) = started();
    redis.lack(Some("c"));
    subscriber.want([exact("c")]);
    sleep(RETRY / 2).await;
    redis.lack(None);
    for n in 0..30 {
        subscriber.want([exact(&format!("room {n}"))]);
        sleep(RETRY / 10).await;
    }
    assert!(redis.channels().contains(&"c".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_channel_learns_when_it_is_wanted_no_more() {
    let (redis, subscriber, ..) = started();
    redis.set_up(false);
    subscriber.want([exact("a")]);
    let waiting = tokio::spawn(subscriber.confirmed(exact("a")));
    tokio::task::yield_now().await;
    subscriber.close();
    assert!(!waiting.await.unwrap());
    subscriber.settled().await;
}

#[tokio::test(start_paused = true)]
async fn its_task_ends_with_it() {
    let (redis, subscriber, _, counts) = started();
    subscriber.want([exact("a")]);
    subscriber.settled().await;
    drop(subscriber);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((redis.channels().len(), Arc::strong_count(&counts)), (0, 1));
}
