//! docs/wire: the pages about the protocol show what a running server and its clients said to each other.
//!
//! A test replays each conversation, takes it from the server's journal, and holds against it what the page shows and
//! the diagrams beside it. `REGENERATE=1` writes both anew.

mod arrows;
mod page;
mod stage;
mod stories;
mod svg;

use std::fs;

use stage::Story;

/// Holds a page and its diagrams against the stories that it tells.
fn check(page: &str, stories: &[Story]) {
    let folder = super::root().join("docs/wire");
    let path = folder.join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files = vec![(path, page::made(&text, stories))];
    for story in stories {
        assert!(text.contains(&format!("]({}.svg)", story.name)), "{page} does not show {}.svg", story.name);
        files.push((folder.join(story.name).with_extension("svg"), svg::draw(story)));
    }
    for (path, made) in files {
        if std::env::var_os("REGENERATE").is_some() {
            fs::write(&path, &made).expect("the file is written");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        let differs = written.lines().zip(made.lines()).find(|(written, made)| written != made);
        assert!(
            written == made,
            "{} is not what the server does: {differs:?}\nmake it anew with\n\
             REGENERATE=1 cargo test -p socketio-tests --test docs",
            path.display()
        );
    }
}

// proves: features/wish/protocol-shown
#[tokio::test]
async fn the_page_of_the_handshake_is_what_the_server_does() {
    check("handshake.md", &[stories::handshake().await, stories::direct().await]);
}

#[tokio::test]
async fn the_page_of_polling_is_what_the_server_does() {
    check("polling.md", &[stories::polling().await]);
}

#[tokio::test]
async fn the_page_of_payloads_is_what_the_server_does() {
    check("payloads.md", &[stories::payloads().await, stories::limit().await]);
}

// proves: features/wish/protocol-shown
#[tokio::test]
async fn the_page_of_the_upgrade_is_what_the_server_does() {
    check("upgrade.md", &[stories::upgrade().await]);
}

#[tokio::test]
async fn the_page_of_heartbeats_is_what_the_server_does() {
    let (by_websocket, by_polling) = tokio::join!(stories::heartbeat(), stories::heartbeat_polling());
    check("heartbeat.md", &[by_websocket, by_polling]);
}

#[tokio::test]
async fn the_page_of_namespaces_is_what_the_server_does() {
    check("namespaces.md", &[stories::namespaces().await, stories::rooms().await]);
}

#[tokio::test]
async fn the_page_of_events_is_what_the_server_does() {
    check("events.md", &[stories::acks().await]);
}

#[tokio::test]
async fn the_page_of_binary_is_what_the_server_does() {
    check("binary.md", &[stories::binary().await, stories::base64().await]);
}

#[tokio::test]
async fn the_page_of_errors_is_what_the_server_does() {
    let stories = [stories::refused().await, stories::malformed().await, stories::malformed_polling().await];
    check("errors.md", &stories);
}

#[tokio::test]
async fn the_page_of_closing_is_what_the_server_does() {
    check("closing.md", &[stories::leaving().await, stories::put_out().await, stories::stopping().await]);
}

#[tokio::test]
async fn the_page_of_recovery_is_what_the_server_does() {
    check("recovery.md", &[stories::recovery().await]);
}

// proves: features/wish/protocol-shown
#[tokio::test]
async fn the_page_of_the_revisions_is_what_the_server_does() {
    check("revisions.md", &[stories::revisions().await]);
}
