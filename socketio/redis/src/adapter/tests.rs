use std::time::Duration;

use socketio::{ClusterError, FetchError, Io, IoConfig};
use tokio::time::{Instant, sleep};

use super::*;
use crate::link::fake::FakeRedis;

fn node(redis: &FakeRedis) -> (Io, Arc<Counts>) {
    let adapter = RedisAdapter::on(redis.dial());
    let counts = adapter.counts();
    (Io::with_adapter(IoConfig::default(), adapter), counts)
}

/// All modes.
const MODES: [Mode; 5] = [
    Mode::PubSub,
    Mode::Sharded(Subscriptions::Static),
    Mode::Sharded(Subscriptions::Dynamic),
    Mode::Sharded(Subscriptions::DynamicPrivate),
    Mode::Streams,
];

#[tokio::test]
async fn the_adapter_keeps_the_contract_in_each_mode() {
    for mode in MODES {
        let redis = FakeRedis::new();
        socketio_adapter_contract::check(|| RedisAdapter::on(redis.dial()).mode(mode)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_listens_to_its_rooms_for_as_long_as_it_has_them() {
    let redis = FakeRedis::new();
    let adapter = RedisAdapter::on(redis.dial()).mode(Mode::Sharded(Subscriptions::Dynamic));
    let io = Io::with_adapter(IoConfig::default(), adapter);
    let client = socketio_adapter_contract::TestClient::join(&io);
    io.cluster_ready().await;
    let channels = redis.channels();
    assert_eq!(channels.len(), 2, "{channels:?}");
    client.socket().join("r").unwrap();
    io.cluster_ready().await;
    assert!(redis.channels().contains(&"socket.io#/#r#".to_owned()));
    client.socket().leave("r");
    io.cluster_ready().await;
    assert_eq!(redis.channels(), channels);
}

// proves: features/emitter
#[tokio::test]
async fn an_emitter_reaches_the_clients_of_all_nodes_in_each_mode() {
    for mode in MODES {
        let redis = FakeRedis::new();
        let io = Io::with_adapter(IoConfig::default(), RedisAdapter::on(redis.dial()).mode(mode));
        io.cluster_ready().await;
        let mut client = socketio_adapter_contract::TestClient::join(&io);
        let heard = Arc::new(tokio::sync::Notify::new());
        let hears = Arc::clone(&heard);
        io.on_server_side("hey", move |()| {
            hears.notify_one();
            async {}
        });
        let emitter = crate::Emitter::new(RedisAdapter::on(redis.dial()).mode(mode));
        emitter.to(client.socket().id()).sockets_join("room").await.unwrap();
        emitter
            .to(["room", "none"])
            .emit("e", (1, socketio::Binary::from(&b"x"[..])))
            .unwrap()
            .await
            .unwrap();
        emitter.except("room").emit("others", ()).unwrap().await.unwrap();
        emitter.of("other").emit("another", ()).unwrap().await.unwrap();
        emitter.within("room").sockets_leave("room").await.unwrap();
        emitter.to("room").emit("nobody", ()).unwrap().await.unwrap();
        // No rooms are nobody: not everybody, and nothing that goes to Redis.
        let none: [&str; 0] = [];
        emitter.to(none).emit("nobody", ()).unwrap().await.unwrap();
        emitter.to(none).disconnect_sockets(true).await.unwrap();
        emitter.server_side_emit("hey", ()).unwrap().await.unwrap();
        emitter.disconnect_sockets(false).await.unwrap();
        let event = r#"51-["e",1,{"_placeholder":true,"num":0}]"#;
        client.expect("what an emitter sends", &[event, "bytes [120]", "1"]).await;
        heard.notified().await;
        assert!(emitter.emit("disconnect", ()).is_err());
        assert_eq!(emitter.counts().published(), 8);
    }
}

/// Lets what was published be read.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_nobody_here_can_want_is_not_looked_into() {
    let redis = FakeRedis::new();
    let (io, counts) = node(&redis);
    let _ = io.of("/a#b");
    io.cluster_ready().await;
    // These can't be decoded, so whatever is looked into is counted as foreign.
    for channel in
        ["socket.io#/#x#", "socket.io#/other#", "socket.io#/a#b#c#", "socket.io#/", "socket.io#/a#c#"]
    {
        redis.publish(channel, "");
    }
    settle().await;
    assert_eq!((counts.heard(), counts.unwanted(), counts.foreign()), (5, 5, 0));
    for channel in ["socket.io#/#", "socket.io#/a#b#"] {
        redis.publish(channel, "");
    }
    settle().await;
    assert_eq!((counts.unwanted(), counts.foreign()), (5, 2));
    io.emit("own", ()).unwrap();
    settle().await;
    assert_eq!((counts.heard(), counts.unwanted(), counts.foreign()), (8, 6, 2));
    assert!(io.adapter_counts().contains(&("heard", 8)) && io.adapter_counts().contains(&("gaps", 0)));
}

#[tokio::test]
async fn answers_to_others_are_not_looked_into() {
    let redis = FakeRedis::new();
    let (io, counts) = node(&redis);
    io.cluster_ready().await;
    // These can't be decoded, so whatever is looked into is counted as foreign.
    for answer in
        [&b"{\"requestId\":\"theirs\",\"sockets\":["[..], b"\x83\xa4type\x09\xa9requestId\xa6theirs"]
    {
        redis.publish("socket.io-response#/#", answer);
    }
    settle().await;
    assert_eq!((counts.heard(), counts.unwanted(), counts.foreign()), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_redis_this_node_goes_on_and_says_what_is_missing() {
    let redis = FakeRedis::new();
    redis.set_up(false);
    let (io, counts) = node(&redis);
    let since = Instant::now();
    io.emit("e", ()).unwrap();
    let FetchError { found, error, .. } = io.fetch_sockets().await.unwrap_err();
    assert!(found.is_empty() && matches!(error, ClusterError::NotCounted));
    assert_eq!(since.elapsed(), Duration::from_secs(5));
    let answers = io.timeout(Duration::from_secs(1)).emit_with_ack::<()>("q", ()).unwrap().await;
    assert!(answers.answers.is_empty());
    let since = Instant::now();
    io.leave_cluster().await;
    assert_eq!(since.elapsed(), Duration::ZERO, "there is nothing to leave");
    assert_eq!(counts.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_is_gone_or_silent_does_not_keep_a_node_from_leaving() {
    for (gone, takes) in [(true, Duration::ZERO), (false, IoConfig::default().cluster_timeout)] {
        let redis = FakeRedis::new();
        let (io, _) = node(&redis);
        io.cluster_ready().await;
        if gone {
            redis.set_up(false);
        } else {
            redis.set_silent(true);
        }
        settle().await;
        io.close();
        let since = Instant::now();
        io.leave_cluster().await;
        assert_eq!(since.elapsed(), takes, "gone: {gone}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_node_is_left_behind_it() {
    let redis = FakeRedis::new();
    let (io, counts) = node(&redis);
    io.cluster_ready().await;
    assert_eq!(redis.channels().len(), 4);
    io.close();
    io.leave_cluster().await;
    assert!(redis.channels().is_empty());
    let _ = io.of("/opened-later");
    io.cluster_ready().await;
    assert!(redis.channels().is_empty());
    drop(io);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(Arc::strong_count(&counts), 1, "its tasks have ended");
}

#[tokio::test]
async fn servers_in_javascript_are_told_all_rooms() {
    let redis = FakeRedis::new();
    let (io, _) = node(&redis);
    io.cluster_ready().await;
    let asked = redis.published().len();
    redis.publish("socket.io-request#/#", r#"{"uid":"them","requestId":"r","type":1}"#);
    redis.publish("socket.io-request#/#", r#"{"uid":"them","requestId":"s","type":0,"rooms":["x"]}"#);
    let publisher_done = async {
        while redis.published().len() < asked + 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), publisher_done).await.expect("it answers");
    let expected = [r#"{"requestId":"r","rooms":[]}"#, r#"{"requestId":"s","sockets":[]}"#];
    assert_eq!(redis.published()[asked + 2..], expected);
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn nodes_that_are_silent_are_named_where_the_format_has_names() {
    for mode in MODES {
        let redis = FakeRedis::new();
        let nodes = [(); 4]
            .map(|()| Io::with_adapter(IoConfig::default(), RedisAdapter::on(redis.dial()).mode(mode)));
        for io in &nodes {
            io.cluster_ready().await;
        }
        let [here, answers, silent, gone] = &nodes;
        answers.on_server_side("q", |()| async {});
        // A room whose name looks like a node's.
        let client = socketio_adapter_contract::TestClient::join(answers);
        client.socket().join("no node, a room").unwrap();
        let asking = here.clone();
        let asking = tokio::spawn(async move { asking.server_side_emit_with_ack::<()>("q", ()).await });
        sleep(Duration::from_secs(1)).await;
        gone.leave_cluster().await;
        let answered = asking.await.unwrap().unwrap();
        assert_eq!((answered.answers.len(), answered.silent_nodes), (1, 1), "{mode:?}");
        let expected =
            if mode == Mode::PubSub { Vec::new() } else { vec![silent.node_id().unwrap().clone()] };
        assert_eq!(answered.silent_ids, expected, "{mode:?}");
    }
}
