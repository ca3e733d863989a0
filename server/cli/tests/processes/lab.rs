//! `socketio-server lab`, as it is called: how it ends, and what it says of what is misspelt.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use socketio_tests::Connection;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::listeners::Folder;
use crate::program::SERVER;

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A lab under way.
struct Lab {
    process: Child,
    errors: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Lab {
    async fn start(arguments: &[&str]) -> Lab {
        let mut process = Command::new(SERVER)
            .args(["lab", "--listen", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut errors = BufReader::new(process.stderr.take().expect("standard error"));
        let mut line = String::new();
        timeout(LIMIT, errors.read_line(&mut line)).await.expect("in time").expect("a line");
        let (_, address) = line.trim_end().split_once("http://").unwrap_or_else(|| panic!("{line}"));
        Lab { process, address: address.parse().expect("an address"), errors }
    }

    async fn next(&self, agent: &str) -> Value {
        let target = format!("/next?agent={agent}");
        let asked = async { Connection::open(self.address).await.request("GET", &target, &[], b"").await };
        let answer = timeout(LIMIT, asked).await.expect("an answer in time");
        serde_json::from_str(answer.text()).unwrap_or_else(|_| panic!("{answer:?}"))
    }

    /// Its exit code, and what else it printed.
    async fn ended(mut self) -> (Option<i32>, String, String) {
        let rest = async {
            let mut errors = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut self.errors, &mut errors).await.expect("text");
            (self.process.wait_with_output().await.expect("its output"), errors)
        };
        let (output, errors) = timeout(LIMIT, rest).await.expect("it ends");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"), errors)
    }
}

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let running = Command::new(SERVER).arg("lab").args(arguments).kill_on_drop(true).output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn an_agent_that_stops_early_fails_the_run_and_what_it_wrote_comes_with_its_case() {
    let folder = Folder::new();
    let (pipe, junit) = (folder.file("pipe"), folder.file("results.xml"));
    let made = Command::new("mkfifo").arg(&pipe).status().await.expect("mkfifo");
    assert!(made.success());
    // It ends well once the test says so.
    let command = format!("cat {} >&2", pipe.display());
    let junit = junit.display().to_string();
    let lab = Lab::start(&["--only", "1.1.1,1.1.2", "--junit", &junit, "--", "sh", "-c", &command]).await;
    assert_eq!(lab.next("early").await["case"], "1.1.1");
    tokio::task::spawn_blocking(move || fs::write(pipe, "trouble\n"))
        .await
        .expect("no panic")
        .expect("a writer");
    let (code, out, errors) = lab.ended().await;
    assert_eq!((code, &*out), (Some(1), "early: no case is over\n"), "{errors}");
    assert!(errors.contains("[1.1.1] trouble\n"), "{errors}");
    assert!(errors.contains("lab: early: it stopped early, after 0 of 2 cases\n"), "{errors}");
    assert!(fs::read_to_string(junit).expect("the results").contains("<error message=\"it stopped early"));
}

#[tokio::test]
async fn an_agent_that_hangs_is_ended() {
    let lab = Lab::start(&[
        "--only",
        "1.1.1,1.1.2",
        "--patience",
        "20ms",
        "--agent-timeout",
        "300ms",
        "--",
        "sleep",
        "1000",
    ])
    .await;
    assert_eq!(lab.next("hanging").await["case"], "1.1.1");
    let (code, _, errors) = lab.ended().await;
    assert_eq!(code, Some(1));
    let hangs = "lab: the agent hangs: it did not ask for its next case within 300ms (--agent-timeout)\n";
    assert!(errors.contains(hangs), "{errors}");
    assert!(errors.contains("lab: hanging: it stopped early, after 1 of 2 cases\n"), "{errors}");
}

#[tokio::test]
async fn a_command_that_never_asks_is_ended_and_the_results_are_written() {
    let folder = Folder::new();
    let junit = folder.file("results.xml").display().to_string();
    let started = ["--listen", "0", "--agent-timeout", "30ms", "--junit", &junit, "--", "sleep", "1000"];
    let (code, _, errors) = run(&started).await;
    assert_eq!(code, Some(1));
    let hangs = "lab: the command hangs: no agent asked for a case within 300ms (10 times --agent-timeout)\n";
    assert!(errors.contains(hangs) && errors.ends_with("lab: no agent asked for a case\n"), "{errors}");
    assert!(fs::read_to_string(junit).expect("the results").contains("<error message=\"no agent asked"));
}

#[tokio::test]
async fn a_command_that_does_not_end_after_the_last_case_is_ended_and_its_results_count() {
    let folder = Folder::new();
    let (json, known) = (folder.file("results.json"), folder.file("known.txt"));
    fs::write(&known, "1.1.1\n").expect("a file");
    let (json, known) = (json.display().to_string(), known.display().to_string());
    let (quick, files) = (["--patience", "20ms", "--agent-timeout", "300ms"], ["--json", &json]);
    let (only, command) = (["--only", "1.1.1", "--known-failures", &known], ["--", "sleep", "1000"]);
    let lab = Lab::start(&[&quick[..], &files, &only, &command].concat()).await;
    for agent in ["first", "second"] {
        assert_eq!(lab.next(agent).await["case"], "1.1.1");
        assert_eq!(lab.next(agent).await["done"], true);
    }
    let (code, out, errors) = lab.ended().await;
    assert_eq!(code, Some(0), "{errors}");
    let ended =
        "lab: the command was ended: it did not end within 300ms after the last case (--agent-timeout)\n";
    assert!(errors.ends_with(ended), "{errors}");
    assert!(out.contains("first: 1 fail") && out.contains("second: 1 fail"), "{out}");
    let results = fs::read_to_string(json).expect("the results");
    let results: Value = serde_json::from_str(&results).expect("JSON");
    assert_eq!(results["progress"][1]["had"], 1);
}

#[tokio::test]
async fn an_agent_that_can_not_be_started_leaves_results_too() {
    let folder = Folder::new();
    let junit = folder.file("results.xml").display().to_string();
    let (code, _, errors) = run(&["--listen", "0", "--junit", &junit, "--", "/nonexistent"]).await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("/nonexistent: No such file"), "{errors}");
    assert!(fs::read_to_string(junit).expect("the results").contains("<error message=\"no agent asked"));
}

#[tokio::test]
async fn an_agent_that_is_started_again_has_its_outcomes_printed_again() {
    let mut lab = Lab::start(&["--only", "1.1.1", "--patience", "20ms"]).await;
    for _ in 0..2 {
        // The lab may not have noted yet that the agent knows that it had all cases.
        let mut answer = lab.next("a").await;
        while answer["done"] == true {
            answer = lab.next("a").await;
        }
        assert_eq!(answer["case"], "1.1.1");
        assert_eq!(lab.next("a").await["done"], true);
    }
    let mut lines = BufReader::new(lab.process.stdout.take().expect("standard output")).lines();
    let mut printed = 0;
    while printed < 2 {
        let line = timeout(LIMIT, lines.next_line()).await.expect("in time").expect("UTF-8").expect("a line");
        printed += usize::from(line.starts_with("a: 1.1.1   fail"));
    }
}

#[tokio::test]
async fn a_lab_without_an_agent_says_so() {
    let (code, out, errors) = run(&["--listen", "0", "--", "true"]).await;
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(errors.ends_with("lab: no agent asked for a case\n"), "{errors}");
}

#[tokio::test]
async fn an_agent_that_is_waited_for_gets_its_last_answer_and_all_is_printed() {
    for _ in 0..10 {
        let lab = Lab::start(&["--only", "1.1.1", "--patience", "20ms", "--agent", "a"]).await;
        assert_eq!(lab.next("a").await["case"], "1.1.1");
        assert_eq!(lab.next("a").await["done"], true);
        let (code, out, _) = lab.ended().await;
        assert_eq!(code, Some(1));
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].starts_with("a: 1.1.1   fail"), "{out}");
        assert_eq!(lines[3..], ["a: 1 fail", "  failed and a must: 1.1.1"], "{out}");
    }
}

#[tokio::test]
async fn an_agent_of_another_name_than_the_one_that_is_waited_for_is_told() {
    let mut lab = Lab::start(&["--only", "1.1.1", "--patience", "20ms", "--agent", "my client"]).await;
    assert_eq!(lab.next("my-client").await["case"], "1.1.1");
    let mut line = String::new();
    timeout(LIMIT, lab.errors.read_line(&mut line)).await.expect("in time").expect("a line");
    assert_eq!(line, "lab: my-client is not the agent that --agent names: my client\n");
}

#[tokio::test]
async fn what_is_misspelt_or_can_not_be_is_told_before_anything_runs() {
    let folder = Folder::new();
    let known = folder.file("known.txt");
    fs::write(&known, "1.1.1\n99.1.1 # gone\n").expect("a file");
    let known = known.display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (arguments, wanted, problem) in [
        (&["--only", "99.9"][..], 2, "--only \"99.9\": there is no such case or group"),
        (&["--list", "--only", "abc"], 2, "--only \"abc\": there is no such case or group"),
        (&["cases", "--skip", "1.1.77"], 2, "--skip \"1.1.77\": there is no such case or group"),
        (&["--group", "nonsense"], 2, "there is no such group: 1 Opening, 2 Polling"),
        (&["--only", "1.1.1", "--group", "heartbeat"], 2, "leave no case"),
        (&["--known-failures", &known], 2, "line 2: there is no case 99.1.1"),
        (&["--only", "1.1.1", "java", "Agent"], 2, "the agent's command comes after `--`: -- java"),
        (&["--listen", "nowhere"], 2, "give a port, or an address and a port"),
        (&["--listen", &port], 1, "choose another with --listen"),
        (
            &["--json", "/nonexistent/x.json", "--listen", &port],
            1,
            "lab: --json /nonexistent/x.json: No such file",
        ),
    ] {
        let (code, out, errors) = run(arguments).await;
        assert_eq!((code, &*out), (Some(wanted), ""), "{arguments:?}: {errors}");
        assert!(errors.contains(problem), "{arguments:?}: {errors}");
    }
    let (code, out, _) = run(&["cases", "--only", "1.1.1"]).await;
    assert!(code == Some(0) && out.ends_with("\n1 case\n"), "{out}");
}
