//! A program that listens: started, watched, told to stop.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs};

use socketio_tests::{Connection, Response, WebSocket};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_socketio-server");

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A running program; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// The server, with these options.
    pub(crate) fn server<S: AsRef<std::ffi::OsStr>>(options: impl IntoIterator<Item = S>) -> Program {
        Program::start(Command::new(SERVER).args(options))
    }

    /// The server, with these options and these variables of its environment.
    pub(crate) fn server_with<S: AsRef<std::ffi::OsStr>, V: AsRef<std::ffi::OsStr>>(
        options: impl IntoIterator<Item = S>,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Program {
        Program::start(Command::new(SERVER).args(options).envs(variables))
    }

    /// The server with the echo application on a free port, and further options.
    pub(crate) async fn echo(options: &[&str]) -> (Program, SocketAddr) {
        let mut program = Program::server(["--app", "echo", "--listen", "127.0.0.1:0"].iter().chain(options));
        let address = program.address().await;
        (program, address)
    }

    /// The same with the usual actions of signals: a shell lets what runs behind it ignore some.
    pub(crate) async fn echo_with_usual_signals() -> (Program, SocketAddr) {
        let server = [SERVER, "--app", "echo", "--listen", "127.0.0.1:0"];
        let mut program = Program::start(Command::new("env").arg("--default-signal").args(server));
        let address = program.address().await;
        (program, address)
    }

    /// An example on a free port.
    pub(crate) async fn example(name: &str) -> (Program, SocketAddr) {
        let mut program = Program::start(Command::new(built(name).await).arg("127.0.0.1:0"));
        let address = program.address().await;
        (program, address)
    }

    /// The server with these options, and one socket that it gets as systemd passes it.
    pub(crate) fn with_socket<const N: usize>(socket: OwnedFd, options: [&str; N]) -> Program {
        // The first that is passed is number 3. Only the process itself knows its id before it becomes the server.
        let passes = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\" 3<&0 0</dev/null";
        let mut command = Command::new("sh");
        Program::start_with(command.args(["-c", passes, SERVER]).args(options), socket.into())
    }

    fn start(command: &mut Command) -> Program {
        Program::start_with(command, Stdio::null())
    }

    fn start_with(command: &mut Command, input: Stdio) -> Program {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let log = BufReader::new(child.stderr.take().expect("standard error")).lines();
        Program { child, out, log }
    }

    /// The next place that it says it listens at.
    pub(crate) async fn place(&mut self) -> String {
        let line = next(&mut self.out).await;
        line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// The same, which must be a URL.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let place = self.place().await;
        let address = place.strip_prefix("http://").or(place.strip_prefix("https://"));
        let address = address.and_then(|address| address.strip_suffix('/')?.parse().ok());
        address.unwrap_or_else(|| panic!("{place} is no URL of an address"))
    }

    /// The next line that it writes, which must begin like this; the rest.
    pub(crate) async fn line(&mut self, beginning: &str) -> String {
        let line = next(&mut self.out).await;
        line.strip_prefix(beginning).unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Waits until it has logged a line that contains `text`, which is returned.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        loop {
            let line = next(&mut self.log).await;
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the program runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name} {id}");
    }

    /// Waits for its end. Also returns the last line of the log.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, String) {
        let (status, mut log) = self.ended_with_log().await;
        (status, log.pop().unwrap_or_default())
    }

    /// Waits for its end. Also returns what it has logged since one last looked.
    pub(crate) async fn ended_with_log(&mut self) -> (ExitStatus, Vec<String>) {
        let mut log = Vec::new();
        let ended = timeout(LIMIT, async {
            while let Ok(Some(line)) = self.log.next_line().await {
                log.push(line);
            }
            self.child.wait().await
        });
        (ended.await.expect("the program ends").expect("its status"), log)
    }
}

/// The program of an example. `cargo test` has built it, but not if it was told to run some targets only.
async fn built(name: &str) -> PathBuf {
    let path = Path::new(SERVER).with_file_name("examples").join(name);
    if !is_fresh(&path) {
        let profile = if SERVER.contains("/release/") { "release" } else { "dev" };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "socketio-server",
                "--example",
                name,
                "--profile",
                profile,
            ])
            .status()
            .await;
        assert!(
            built.is_ok_and(|status| status.success()) && path.exists(),
            "{} is missing or older than its source: cargo build --examples",
            path.display()
        );
    }
    path
}

/// Whether a program is there and none of its sources is younger. Cargo lists them beside it.
fn is_fresh(program: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let Ok(list) = fs::read_to_string(program.with_extension("d")) else { return false };
    let mut sources = list.split_whitespace().skip(1).map(Path::new);
    time(program).is_some_and(|built| sources.all(|source| time(source).is_some_and(|made| made <= built)))
}

/// The next line, which has to come in time.
pub(crate) async fn next(lines: &mut Lines<impl AsyncBufRead + Unpin>) -> String {
    let line = timeout(LIMIT, lines.next_line()).await.expect("a line in time");
    line.expect("text").expect("the program ended")
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Response {
    Connection::open(address).await.request("GET", target, &[], b"").await
}

/// A client that has opened a session by WebSocket and has asked to join a namespace with `connect`, such as
/// `40`. Also returns the answer.
pub(crate) async fn connect(connection: Connection, connect: &str) -> (WebSocket, String) {
    let mut client = WebSocket::over(connection, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(client.next_text().await.starts_with("0{"));
    client.text(connect).await;
    let answer = client.next_text().await;
    (client, answer)
}

/// A client in the namespace `/`.
pub(crate) async fn join(address: SocketAddr) -> WebSocket {
    let (client, answer) = connect(Connection::open(address).await, "40").await;
    assert!(answer.starts_with("40{\"sid\":"), "{answer}");
    client
}
