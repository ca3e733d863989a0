//! A `redis-server` of our own, or a cluster of three, where one is installed.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Killed when it is dropped.
pub(crate) struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    /// Starts one on a free port. Without an installed `redis-server` there is none: `tests/run` installs it.
    pub(crate) fn start() -> Option<RedisServer> {
        RedisServer::start_with(&[])
    }

    fn start_with(options: &[&str]) -> Option<RedisServer> {
        let port = free_port();
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .args(options)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("redis-server is not installed: this is not tested");
            return None;
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            sleep(Duration::from_millis(10));
        }
        Some(RedisServer { port, process })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Three servers, each with a third of the slots.
pub(crate) struct RedisCluster {
    servers: [RedisServer; 3],
    folder: PathBuf,
}

impl RedisCluster {
    pub(crate) fn start() -> Option<RedisCluster> {
        // What an earlier server left there, it would take for its own.
        let folder =
            std::env::temp_dir().join(format!("redis-cluster-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir(&folder).expect("a new folder");
        let mut servers = Vec::new();
        for number in 0..3 {
            let bus = free_port().to_string();
            let file = format!("nodes-{number}.conf");
            let options = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-config-file",
                &file,
                "--dir",
                folder.to_str().expect("it is text"),
            ];
            servers.push(RedisServer::start_with(&options)?);
        }
        let servers = servers.try_into().ok().expect("there are three");
        let cluster = RedisCluster { servers, folder };
        let places = cluster.servers.each_ref().map(|server| format!("127.0.0.1:{}", server.port));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-yes"])
            .output()
            .expect("redis-cli runs");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        Some(cluster)
    }

    /// One of them: the others are found.
    pub(crate) fn url(&self) -> String {
        self.servers[0].url()
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        // They may still write there; what is left is the system's to remove.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}
