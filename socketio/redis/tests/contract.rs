//! The adapter keeps the contract of adapters on a real Redis.

mod redis_server;

use redis_server::RedisServer;
use socketio_adapter_contract::check;
use socketio_redis::RedisAdapter;

#[tokio::test]
async fn the_adapter_keeps_the_contract_with_classic_pub_sub() {
    let Some(redis) = RedisServer::start() else { return };
    check(|| RedisAdapter::open(&redis.url()).expect("it is a URL")).await;
}
