//! A cluster on a Redis that is reached by TLS.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};

use crate::listeners::Folder;
use crate::program::{Program, join};

/// A `redis-server` that speaks TLS alone; killed when it is dropped.
struct Redis {
    port: u16,
    process: Child,
    /// Its certificate, the key, and in `ca.pem` the authority that signed it.
    folder: Folder,
}

impl Redis {
    /// Without an installed `redis-server` there is none: `tests/run` installs it.
    async fn start() -> Option<Redis> {
        let folder = Folder::new();
        certify(&folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let tls_port = port.to_string();
        let started = Command::new("redis-server")
            .args(["--port", "0", "--tls-port", &tls_port, "--bind", "127.0.0.1", "--tls-auth-clients", "no"])
            .args(["--save", "", "--appendonly", "no"])
            .args([
                "--tls-cert-file",
                "cert.pem",
                "--tls-key-file",
                "key.pem",
                "--tls-ca-cert-file",
                "ca.pem",
            ])
            .current_dir(folder.file(""))
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("redis-server is not installed: this is not tested");
            return None;
        };
        let mut redis = Redis { port, process, folder };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(redis.process.try_wait().is_ok_and(|ended| ended.is_none()), "redis-server ended");
            tokio::task::yield_now().await;
        }
        Some(redis)
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
    let authorities = redis.folder.file("ca.pem");
    let (mut one, mut other) = (node(&redis, &authorities), node(&redis, &authorities));
    let (mut sender, mut receiver) = (join(one.address().await).await, join(other.address().await).await);
    assert_eq!(receiver.next_text().await, r#"42["auth",{}]"#);
    // The servers may not hear each other yet.
    let heard = async {
        loop {
            sender.text(r#"42["broadcast","hello"]"#).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = heard => {}
        text = receiver.next_text() => assert_eq!(text, r#"42["bcast","hello"]"#),
    }
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
