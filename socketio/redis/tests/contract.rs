//! The adapter keeps the contract of adapters on a real Redis.

mod redis_server;

use redis_server::{RedisCluster, RedisServer};
use socketio_adapter_contract::{check, check_recovery};
use socketio_redis::{Mode, RedisAdapter, Subscriptions};

#[tokio::test]
async fn the_adapter_keeps_the_contract_with_classic_pub_sub() {
    let Some(redis) = RedisServer::start() else { return };
    check(|| RedisAdapter::open(&redis.url()).expect("it is a URL")).await;
}

#[tokio::test]
async fn the_adapter_keeps_the_contract_with_sharded_pub_sub() {
    let Some(redis) = RedisServer::start() else { return };
    for subscriptions in [Subscriptions::Static, Subscriptions::Dynamic, Subscriptions::DynamicPrivate] {
        let mode = Mode::Sharded(subscriptions);
        check(|| RedisAdapter::open(&redis.url()).expect("it is a URL").mode(mode)).await;
    }
}

#[tokio::test]
async fn the_adapter_keeps_the_contract_with_streams() {
    let Some(redis) = RedisServer::start() else { return };
    for count in [1, 4] {
        let adapter = || RedisAdapter::open(&redis.url()).expect("it is a URL");
        check(|| adapter().mode(Mode::Streams).stream_count(count)).await;
    }
}

#[tokio::test]
async fn clients_recover_on_any_node_with_streams() {
    let Some(redis) = RedisServer::start() else { return };
    for count in [1, 4] {
        let adapter = || RedisAdapter::open(&redis.url()).expect("it is a URL");
        check_recovery(|| adapter().mode(Mode::Streams).stream_count(count)).await;
    }
}

#[tokio::test]
async fn the_adapter_keeps_the_contract_on_a_redis_cluster() {
    let Some(redis) = RedisCluster::start() else { return };
    let adapter = || RedisAdapter::cluster([&*redis.url()]).expect("it is a URL");
    check(adapter).await;
    for subscriptions in [Subscriptions::Static, Subscriptions::Dynamic, Subscriptions::DynamicPrivate] {
        check(|| adapter().mode(Mode::Sharded(subscriptions))).await;
    }
    for count in [1, 4] {
        check(|| adapter().mode(Mode::Streams).stream_count(count)).await;
    }
    check_recovery(|| adapter().mode(Mode::Streams)).await;
}
