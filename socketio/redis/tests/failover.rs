//! On real servers: who is the master is looked for anew, and a server that was cut off is not believed.

mod redis_server;

use std::process::Command;
use std::time::{Duration, Instant};

use redis_server::{RedisCluster, RedisServer, Sentinel};
use socketio_redis::{Emitter, Mode, RedisAdapter};

/// What a server answers.
fn ask(server: &RedisServer, command: &[&str]) -> String {
    let answer = Command::new("redis-cli").args(["-u", &server.url()]).args(command).output();
    String::from_utf8(answer.expect("redis-cli runs").stdout).expect("it is text").trim().to_owned()
}

fn wait_for(server: &RedisServer, command: &[&str], expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask(server, command).contains(expected) {
        assert!(Instant::now() < deadline, "{command:?}: {}", ask(server, command));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn emitter(adapter: RedisAdapter) -> Emitter {
    Emitter::new(adapter.mode(Mode::Streams))
}

async fn emit(emitter: &Emitter) {
    let sent = emitter.emit("e", 1).expect("it can be written");
    tokio::time::timeout(Duration::from_secs(20), sent)
        .await
        .expect("it is sent in time")
        .expect("it is sent");
}

const LENGTH: [&str; 2] = ["xlen", "socket.io"];

// proves: features/adapters
#[tokio::test]
async fn a_master_that_has_become_a_replica_is_left_for_the_new_one() {
    let (Some(old), Some(new)) = (RedisServer::start(), RedisServer::start()) else { return };
    let first = Sentinel::start(&old, 0);
    let emitter = emitter(RedisAdapter::sentinel([&*first.url()]).expect("it is a URL"));
    emit(&emitter).await;
    assert_eq!(ask(&old, &LENGTH), "1");
    // By hand, so that no sentinel ends the connection.
    first.watch(&new);
    let [_, port] = new.host_and_port();
    assert_eq!(ask(&old, &["replicaof", "127.0.0.1", &port]), "OK");
    wait_for(&old, &["info", "replication"], "master_link_status:up");
    emit(&emitter).await;
    assert_eq!((ask(&new, &LENGTH), emitter.counts().refused()), ("1".to_owned(), 0));
}

// proves: features/adapters
#[tokio::test]
async fn the_sentinel_that_knows_of_the_last_failover_is_believed() {
    let (Some(old), Some(new)) = (RedisServer::start(), RedisServer::start()) else { return };
    let sentinels = [Sentinel::start(&old, 0), Sentinel::start(&new, 1), Sentinel::start(&old, 0)];
    let urls = sentinels.each_ref().map(Sentinel::url);
    let emitter = emitter(RedisAdapter::sentinel(urls.iter().map(String::as_str)).expect("they are URLs"));
    emit(&emitter).await;
    assert_eq!([&old, &new].map(|server| ask(server, &LENGTH)), ["0", "1"]);
}

// proves: features/adapters
#[tokio::test]
async fn a_server_that_was_cut_off_from_its_cluster_is_not_believed() {
    let (Some(cluster), Some(alone)) =
        (RedisCluster::start(), RedisServer::start_in_cluster(&std::env::temp_dir()))
    else {
        return;
    };
    assert_eq!(ask(&alone, &["cluster", "addslotsrange", "0", "16383"]), "OK");
    wait_for(&alone, &["cluster", "info"], "cluster_state:ok");
    let emitter = emitter(RedisAdapter::cluster([&*alone.url(), &*cluster.url()]).expect("they are URLs"));
    emit(&emitter).await;
    assert_eq!(ask(&alone, &LENGTH), "0");
}
