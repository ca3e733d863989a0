//! Commands that print something and end.

use std::process::Output;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::program::{Program, SERVER};

async fn run(arguments: &[&str]) -> Output {
    Command::new(SERVER).args(arguments).output().await.expect("the program runs")
}

/// What a command prints that ends well.
async fn printed(arguments: &[&str]) -> String {
    let output = run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The flags that `--help` shows.
async fn flags() -> Vec<String> {
    let help = printed(&["--help"]).await;
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let flags = flags.map(|line| line.split([' ', '[', '=']).next().unwrap_or_default().to_owned());
    let flags: Vec<_> = flags.filter(|flag| !flag.is_empty()).collect();
    assert!(flags.len() > 80, "{flags:?}");
    flags
}

#[tokio::test]
async fn the_manual_page_and_the_completions_know_every_flag() {
    let flags = flags().await;
    let page = printed(&["man"]).await;
    assert!(page.contains(".TH socketio-server 1"), "{page}");
    for flag in &flags {
        assert!(page.contains(&format!("\\-\\-{}", flag.replace('-', "\\-"))), "--{flag} is not on the page");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = printed(&["completions", shell]).await;
        for flag in &flags {
            assert!(completions.contains(flag.as_str()), "--{flag} is not completed by {shell}");
        }
    }
    let page = printed(&["man", "health"]).await;
    assert!(page.contains(".TH socketio-server-health 1") && page.contains("\\-\\-timeout"), "{page}");
    assert_eq!(run(&["man", "nothing"]).await.status.code(), Some(2));
    assert_eq!(run(&["completions", "nothing"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn the_version_says_how_the_program_was_built() {
    let text = printed(&["version"]).await;
    assert!(text.starts_with(concat!("socketio-server ", env!("CARGO_PKG_VERSION"), "\n")), "{text}");
    let json: serde_json::Value = serde_json::from_str(&printed(&["version", "--json"]).await).expect("JSON");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["optimised"], !cfg!(debug_assertions));
    let features = json["features"].as_array().expect("a list");
    for (feature, on) in [
        ("gateway", cfg!(feature = "gateway")),
        ("jemalloc", cfg!(feature = "jemalloc")),
        ("lab", cfg!(feature = "lab")),
        ("redis", cfg!(feature = "redis")),
        ("webtransport", cfg!(feature = "webtransport")),
    ] {
        assert_eq!(features.contains(&feature.into()), on, "{feature}: {json}");
    }
}

#[tokio::test]
async fn health_ends_well_if_the_server_is_well() {
    let mut program = Program::server(["--app=echo", "--listen=127.0.0.1:0", "--metrics=127.0.0.1:0"]);
    let metrics = program.line("metrics on ").await;
    let server = metrics.trim_end_matches("/metrics");
    for path in ["healthz", "readyz"] {
        let output = run(&["health", &format!("{server}/{path}")]).await;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let complaint = async |arguments: &[&str]| {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let wrong = format!("{server}/wrong");
    assert_eq!(
        complaint(&["health", &wrong]).await,
        format!("socketio-server: {wrong} answers HTTP/1.1 404\n")
    );
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("http://{}/", silent.local_addr().expect("an address"));
    let late = complaint(&["health", "--timeout", "50ms", &silent]).await;
    assert_eq!(late, format!("socketio-server: {silent} does not answer within 50ms\n"));
    drop(program);
    let gone = complaint(&["health", &format!("{server}/healthz")]).await;
    assert!(gone.contains("can't be asked: "), "{gone}");
    assert_eq!(run(&["health", "https://127.0.0.1:1/"]).await.status.code(), Some(2));
}
