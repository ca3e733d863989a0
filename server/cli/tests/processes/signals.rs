//! What docs/guide/operating.md says of signals and of files for the log.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use socketio_tests::Connection;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::listeners::Folder;
use crate::program::{Program, SERVER, get};

const LIMIT: Duration = Duration::from_secs(20);

/// What the guide's table says a signal does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Drain,
    Reload,
    End,
}

/// The table's rows, one for each signal.
fn said() -> BTreeSet<(String, Does)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/operating.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let table =
        guide.split("## Signals").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a table");
    let mut said = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| SIG")) {
        let mut cells = row.split('|').skip(1);
        let (names, does) = (cells.next().expect("names"), cells.next().expect("words").trim());
        for name in names.split(',') {
            let name =
                name.split_whitespace().next().and_then(|name| name.strip_prefix("SIG")).expect("SIG...");
            let does = match does {
                does if does.starts_with("[drains]") => Does::Drain,
                does if does.starts_with("reads the files") => Does::Reload,
                does if does.contains("ends") => Does::End,
                other => panic!("SIG{name} {other}: add it here"),
            };
            said.insert((name.to_owned(), does));
        }
    }
    said
}

#[tokio::test]
async fn each_signal_does_what_the_guide_says() {
    let said = said();
    assert!(said.len() >= 7, "{said:?}");
    for (name, does) in said {
        let (mut program, address) = Program::echo_with_usual_signals().await;
        program.signal(&name).await;
        match does {
            Does::Drain => {
                program.logged("draining").await;
                assert_eq!(program.ended().await.0.code(), Some(0), "SIG{name}");
            }
            Does::Reload => {
                program.logged("SIGHUP: there is no file to reload, and the server goes on").await;
                assert_eq!(get(address, "/socket.io/?EIO=4&transport=polling").await.status, 200);
            }
            Does::End => {
                let status = program.ended().await.0;
                assert!(status.signal().is_some(), "SIG{name}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_a_shell_appends_to_a_file_goes_on_at_its_beginning_when_the_file_is_emptied() {
    let folder = Folder::new();
    let path = folder.file("log");
    let file = OpenOptions::new().create(true).append(true).open(&path).expect("a file");
    let mut server = Command::new(SERVER)
        .args(["--app", "echo", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let line = lines.next_line().await.expect("text").expect("a line");
    let address = line.trim_start_matches("listening on http://").trim_end_matches('/').parse();
    let address = address.expect("an address");
    let refused = async |transport: &str| {
        let target = format!("/socket.io/?EIO=4&transport={transport}");
        assert_eq!(Connection::open(address).await.request("GET", &target, &[], b"").await.status, 400);
        let has_it = async {
            loop {
                let text = std::fs::read(&path).expect("the file");
                let text = String::from_utf8(text).expect("no holes");
                if text.contains(transport) && text.ends_with('\n') {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, has_it).await.expect("a line in time")
    };
    refused("first").await;
    // As logrotate does with `copytruncate`.
    OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(0)).expect("an empty file");
    let text = refused("second").await;
    assert!(!text.contains("first") && !text.contains('\0'), "{text:?}");
}
