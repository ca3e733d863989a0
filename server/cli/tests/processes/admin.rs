//! The options for administrators.

use std::{env, fs, process};

use socketio_tests::{Connection, WebSocket};

use crate::program::{Program, connect, get};

/// That of "changeit".
const HASH: &str = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";

/// Waits until the administrator is sent the event of that name. Returns its text.
async fn next(admin: &mut WebSocket, name: &str) -> String {
    loop {
        let text = admin.next_text().await;
        if text.starts_with(&format!("42/admin,[\"{name}\"")) {
            return text;
        }
    }
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_logs_in_and_the_journal_and_the_log_have_no_secrets() {
    let journal = env::temp_dir().join(format!("admin-{}.jsonl", process::id()));
    let trace = journal.to_str().expect("UTF-8");
    let login = r#"40/admin,{"username":"root","password":"changeit"}"#;
    let options = [
        "--admin-user",
        "root",
        "--admin-password-hash",
        HASH,
        "--admin-server-id",
        "eu-1",
        "--trace",
        trace,
    ];
    let (mut program, address) = Program::echo(&options).await;
    let (_, refused) = connect(Connection::open(address).await, &login.replace("changeit", "letmein")).await;
    assert_eq!(refused, r#"44/admin,{"message":"invalid credentials"}"#);
    let (mut admin, answer) = connect(Connection::open(address).await, login).await;
    assert!(answer.starts_with("40/admin,{"), "{answer}");
    assert!(next(&mut admin, "server_stats").await.contains(r#""serverId":"eu-1""#));
    program.signal("TERM").await;
    let (status, log) = program.ended_with_log().await;
    assert!(status.success());
    let log = log.join("\n");
    assert!(
        log.contains("an administrator was refused") && log.contains("an administrator connected"),
        "{log}"
    );
    let journal =
        fs::read_to_string(&journal).inspect(|_| drop(fs::remove_file(&journal))).expect("a journal");
    assert!(journal.contains("server_stats"), "{journal}");
    for secret in ["changeit", "letmein", "$2b$", "\\\"session\\\""] {
        assert!(!journal.contains(secret) && !log.contains(secret), "{secret}");
    }
}

// proves: features/admin-ui
#[tokio::test]
async fn the_page_of_administrators_is_served_from_its_folder() {
    let folder = env::temp_dir().join(format!("admin-page-{}", process::id()));
    fs::create_dir_all(folder.join("js")).expect("a folder");
    fs::write(folder.join("index.html"), "<p>admin").expect("a file");
    fs::write(folder.join("js/app.js"), "run()").expect("a file");
    let options = ["--admin-token", "0123456789abcdef", "--admin-dir", folder.to_str().expect("UTF-8")];
    let (_program, address) = Program::echo(&options).await;
    let (login, session) = (r#"40/admin,{"token":"0123456789abcdef"}"#, r#"42/admin,["session","#);
    let (mut admin, _) = connect(Connection::open(address).await, login).await;
    assert!(admin.next_text().await.starts_with(session));
    assert_eq!(get(address, "/admin/").await.text(), "<p>admin");
    assert_eq!(get(address, "/admin/js/app.js").await.text(), "run()");
    assert_eq!(get(address, "/admin").await.header("location"), Some("admin/"));
    assert_eq!(get(address, "/admin/js/").await.status, 404);
    let _ = fs::remove_dir_all(folder);
}
