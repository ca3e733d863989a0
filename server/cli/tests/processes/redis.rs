//! A cluster on a Redis that is reached by TLS.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::listeners::Folder;
use crate::program::{Program, join, next};

/// A `redis-server` that speaks TLS alone; killed when it is dropped.
struct Redis {
    port: u16,
    _process: Child,
    /// Kept, so that it can go on writing there.
    _log: Lines<BufReader<ChildStdout>>,
    /// Its certificate, the key, and in `ca.pem` the authority that signed it.
    folder: Folder,
}

impl Redis {
    /// Without an installed `redis-server` there is none: `tests/run` installs it.
    async fn start() -> Option<Redis> {
        let folder = Folder::new();
        certify(&folder);
        // Others may take a free port first.
        for _ in 0..10 {
            let port = free_port().to_string();
            let mut command = Command::new("redis-server");
            command.args(["--port", "0", "--tls-port", &port, "--bind", "127.0.0.1"]);
            command.args(["--tls-auth-clients", "no", "--save", "", "--appendonly", "no"]);
            command.args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]);
            command.args(["--tls-ca-cert-file", "ca.pem"]).current_dir(folder.file(""));
            let Ok((process, mut log)) = start(&mut command) else {
                eprintln!("redis-server is not installed: this is not tested");
                return None;
            };
            loop {
                let line = next(&mut log).await;
                if line.contains("Ready to accept connections") {
                    let port = port.parse().expect("it was a number");
                    return Some(Redis { port, _process: process, _log: log, folder });
                }
                if line.contains("Failed listening on port") {
                    break;
                }
            }
        }
        panic!("redis-server finds no port");
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// The commands that it is sent from now on.
    async fn watch(&self) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut command = Command::new("redis-cli");
        // It takes the certificate for self-signed: the authority has no name of its own.
        command.args(["-h", "localhost", "-p", &self.port.to_string(), "--tls", "--insecure", "MONITOR"]);
        let watching = start(&mut command);
        let (process, mut commands) = watching.expect("redis-cli starts");
        assert_eq!(next(&mut commands).await, "OK");
        (process, commands)
    }
}

/// Starts a program, and reads what it writes.
fn start(command: &mut Command) -> std::io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let out = process.stdout.take().expect("standard output");
    Ok((process, BufReader::new(out).lines()))
}

/// Below the ports that the system gives to clients: nobody gets it by chance before it is used.
fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..32_000)).find(free).expect("it goes on for ever")
}

/// Writes a certificate for `localhost`, by an authority of its own.
fn certify(folder: &Folder) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
    let server = server.signed_by(&key, &authority).expect("a certificate");
    let write = |name, text: String| fs::write(folder.file(name), text).expect("to write");
    write("ca.pem", authority.pem());
    write("cert.pem", server.pem());
    write("key.pem", key.serialize_pem());
}

fn node(redis: &Redis, authorities: &Path) -> Program {
    let options = ["--app", "echo", "--listen", "127.0.0.1:0", "--redis", &redis.url()];
    Program::server_with(options, [("SSL_CERT_FILE", authorities)])
}

// proves: features/adapters
#[tokio::test]
async fn servers_meet_on_a_redis_that_speaks_tls() {
    let Some(redis) = Redis::start().await else { return };
    let (_watching, mut commands) = redis.watch().await;
    let authorities = redis.folder.file("ca.pem");
    let (mut one, mut other) = (node(&redis, &authorities), node(&redis, &authorities));
    let (mut sender, mut receiver) = (join(one.address().await).await, join(other.address().await).await);
    assert_eq!(receiver.next_text().await, r#"42["auth",{}]"#);
    // Both servers have to listen before one sends.
    for _ in 0..2 {
        while !next(&mut commands).await.contains(r#""PSUBSCRIBE" "socket.io#*""#) {}
    }
    sender.text(r#"42["broadcast","hello"]"#).await;
    assert_eq!(receiver.next_text().await, r#"42["bcast","hello"]"#);
}

// proves: features/adapters
#[tokio::test]
async fn a_redis_whose_authority_is_not_trusted_gets_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let stranger = Folder::new();
    certify(&stranger);
    let mut program = node(&redis, &stranger.file("ca.pem"));
    let line = program.logged("Redis can't be reached").await;
    assert!(line.contains("certificate"), "{line}");
}
