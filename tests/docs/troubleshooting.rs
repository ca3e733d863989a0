//! The page of troubleshooting names lines of the log and errors as they are in the code.

use std::fs;
use std::path::Path;

use super::{read, root};

/// All code of the program, in one text in which no string is broken into lines.
fn code(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            code(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = fs::read_to_string(&path).expect("a file of text").replace("\\\"", "\"");
            let mut parts = file.split("\\\n");
            *text += parts.next().unwrap_or_default();
            parts.for_each(|part| *text += part.trim_start());
        }
    }
}

#[test]
fn the_log_has_the_lines_that_the_page_explains() {
    let mut text = String::new();
    for folder in ["engineio/src", "socketio/src", "socketio/redis/src", "server"] {
        code(&root().join(folder), &mut text);
    }
    // What the operating system says is not in the code.
    let page = read("docs/troubleshooting.md")
        .replace(": Address already in use`", "`")
        .replace(": Permission denied`", "`");
    let (_, lines) = page.split_once("## What the log says").expect("a section");
    let mut count = 0;
    for row in lines.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cell = row.split(" | ").next().unwrap_or_default();
        for line in cell.split('`').step_by(2) {
            let line = line.replace("0.0.0.0:3000", "{}").replace("0.0.0.0:443", "{}");
            let line = line.strip_suffix(": {}").unwrap_or(&line).trim_end_matches(" {}");
            count += 1;
            assert!(text.contains(line), "no code says {line:?}");
        }
    }
    assert!(count > 60, "only {count} lines were found");
}
