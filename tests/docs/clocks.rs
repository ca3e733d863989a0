//! The protocols have no clock: time comes from whoever calls them, so that tests and the simulation decide what it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// The one file of socketio that looks at a clock all the same: how long an acknowledgement takes, how old what is kept for
/// recovery is.
const ALLOWED: &[&str] = &["socketio/src/clock.rs"];

const CLOCKS: [&str; 2] = ["Instant::now()", "SystemTime::now()"];

/// The Rust files in a folder.
pub(super) fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a file") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether the file is there for tests alone.
pub(super) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| ["tests", "tests.rs", "testing.rs"].contains(&&*part.to_string_lossy()))
}

/// A file without its tests, which come last.
pub(super) fn code_of(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// Whether code looks at a clock, beside its documentation and its tests.
fn looks_at_a_clock(source: &str) -> bool {
    code_of(source)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| CLOCKS.iter().any(|clock| line.contains(clock)))
}

#[test]
fn the_protocols_have_no_clock() {
    let root = root();
    let mut files = Vec::new();
    for folder in ["engineio/src", "socketio/src"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "only {} files", files.len());
    let inside = |path: &PathBuf| path.strip_prefix(&root).expect("a file in it").to_owned();
    files.retain(|path| {
        let source = fs::read_to_string(path).expect("a file of text");
        !is_test(&inside(path)) && looks_at_a_clock(&source)
    });
    let mut found: Vec<_> =
        files.iter().map(|path| inside(path).to_string_lossy().replace('\\', "/")).collect();
    found.sort_unstable();
    let new: Vec<_> = found.iter().filter(|path| !ALLOWED.contains(&path.as_str())).collect();
    assert!(new.is_empty(), "these files look at a clock; take the time from the caller instead: {new:#?}");
    let done: Vec<_> = ALLOWED.iter().filter(|path| !found.iter().any(|found| found == *path)).collect();
    assert!(done.is_empty(), "take these off the list: {done:#?}");
}

#[test]
fn a_clock_in_a_test_or_in_documentation_is_no_matter() {
    assert!(looks_at_a_clock("fn f() {\n    let now = Instant::now();\n}\n"));
    assert!(!looks_at_a_clock(
        "/// let now = Instant::now();\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    Instant::now();\n}\n"
    ));
    assert!(
        is_test(Path::new("socketio/src/client/tests/events.rs"))
            && !is_test(Path::new("socketio/src/client.rs"))
    );
}
