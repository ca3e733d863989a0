//! A `redis-server` of our own, a cluster of three, or a sentinel, where one is installed.
#![allow(dead_code, reason = "each test needs some of it")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
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
        // Others may take a free port first.
        for _ in 0..10 {
            let mut server = RedisServer::spawn(options)?;
            if server.listens() {
                return Some(server);
            }
        }
        panic!("redis-server finds no port");
    }

    fn spawn(options: &[&str]) -> Option<RedisServer> {
        let port = free_port();
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            // A replica stores what its master has, to read it.
            .args(["--rdb-del-sync-files", "yes"])
            .args(options)
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("redis-server is not installed: this is not tested");
            return None;
        };
        Some(RedisServer { port, process })
    }

    /// Waits until this very process answers at the port. Returns whether it does: else another has the port.
    fn listens(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        let own = format!("process_id:{}\r\n", self.process.id());
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if self.info().is_ok_and(|info| info.contains(&own)) {
                return true;
            }
            assert!(Instant::now() < deadline, "redis-server does not listen");
            sleep(Duration::from_millis(10));
        }
        false
    }

    /// What the server at the port says of itself.
    fn info(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"INFO server\r\n")?;
        // It answers and closes. A sentinel knows no QUIT.
        stream.shutdown(Shutdown::Write)?;
        let mut info = String::new();
        stream.read_to_string(&mut info)?;
        Ok(info)
    }

    /// One that can be in a cluster. What an earlier server left in the folder, it would take for its own.
    pub(crate) fn start_in_cluster(folder: &Path) -> Option<RedisServer> {
        let (bus, name) = (free_port().to_string(), free_port());
        let file = format!("nodes-{}-{name}.conf", std::process::id());
        RedisServer::start_with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus,
            "--cluster-config-file",
            &file,
            "--dir",
            folder.to_str().expect("it is text"),
        ])
    }

    pub(crate) fn host_and_port(&self) -> [String; 2] {
        ["127.0.0.1".to_owned(), self.port.to_string()]
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
        for _ in 0..3 {
            servers.push(RedisServer::start_in_cluster(&folder)?);
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

/// A sentinel that watches a server by the name `main`.
pub(crate) struct Sentinel {
    server: RedisServer,
    file: PathBuf,
}

impl Sentinel {
    /// `epoch` is the number of the last failover that it knows of.
    pub(crate) fn start(watched: &RedisServer, epoch: u64) -> Sentinel {
        let file = std::env::temp_dir().join(format!("sentinel-{}-{}.conf", std::process::id(), free_port()));
        let [host, port] = watched.host_and_port();
        let settings = format!("sentinel monitor main {host} {port} 1\nsentinel config-epoch main {epoch}\n");
        std::fs::write(&file, settings).expect("a new file");
        let port = free_port();
        let process = Command::new("redis-server")
            .arg(&file)
            .args(["--sentinel", "--port", &port.to_string(), "--bind", "127.0.0.1"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs");
        let mut server = RedisServer { port, process };
        assert!(server.listens(), "another has the sentinel's port");
        Sentinel { server, file }
    }

    /// Watches another server from now on.
    pub(crate) fn watch(&self, other: &RedisServer) {
        let [host, port] = other.host_and_port();
        for command in [&["remove", "main"][..], &["monitor", "main", &host, &port, "1"]] {
            let done =
                Command::new("redis-cli").args(["-u", &self.server.url(), "sentinel"]).args(command).output();
            assert_eq!(done.expect("redis-cli runs").stdout, b"OK\n");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.server.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Below the ports that the system gives to clients: nobody gets it by chance before it is used.
fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..32_000)).find(free).expect("it goes on for ever")
}
