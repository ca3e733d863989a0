//! Starts the server under test, reads its address from its output, and ends it.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reference.mjs");
const PATIENCE: Duration = Duration::from_secs(10);

static RUNNING: Mutex<Vec<Child>> = Mutex::new(Vec::new());
static LOG: Mutex<String> = Mutex::new(String::new());

/// A server; `kill_all` ends it.
pub struct Server {
    flags: Vec<String>,
    port: u16,
    id: u32,
}

impl Server {
    /// Starts a server with these flags on a free port, and waits until it accepts clients.
    pub fn start(flags: &[&str]) -> Self {
        let flags = flags.iter().map(ToString::to_string).collect();
        let mut server = Self { flags, port: 0, id: 0 };
        server.restart();
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word to anybody.
    pub fn kill(&self) {
        let mut running = RUNNING.lock().expect("no panic holds it");
        let child = running.iter_mut().find(|child| child.id() == self.id).expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Starts it once more, on the port that it had.
    pub fn restart(&mut self) {
        let program = env::var("TESTED_SERVER").unwrap_or_else(|_| "reference".into());
        let mut command = if program == "reference" {
            let mut node = Command::new("node");
            node.arg(REFERENCE);
            node
        } else {
            Command::new(program)
        };
        command.args(["--app", "echo", "--listen", &format!("127.0.0.1:{}", self.port)]).args(&self.flags);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server's program runs");
        let (ports, port) = channel();
        read(child.stdout.take().expect("it is piped"), ports.clone());
        read(child.stderr.take().expect("it is piped"), ports);
        self.id = child.id();
        RUNNING.lock().expect("no panic holds it").push(child);
        self.port = port.recv_timeout(PATIENCE).expect("the server prints its address");
    }
}

/// Prints what the servers have printed.
pub fn report() {
    let log = LOG.lock().expect("no panic holds it");
    eprintln!("--- the server's log ---\n{}------------------------", *log);
}

/// Ends every server of this process.
pub fn kill_all() {
    for child in RUNNING.lock().expect("no panic holds it").iter_mut() {
        // It may have ended before.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn read(output: impl Read + Send + 'static, ports: Sender<u16>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                // Only the first address is waited for.
                let _ = ports.send(digits.parse().expect("a port"));
            }
            LOG.lock().expect("no panic holds it").push_str(&(line + "\n"));
        }
    });
}
