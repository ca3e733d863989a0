//! `socketio-server explain`, as it is called.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::listeners::Folder;
use crate::program::SERVER;

/// What it does with these arguments and this on standard input.
fn explain(arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(SERVER)
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that wants no input may have ended before it comes.
    drop(program.stdin.take().expect("standard input").write_all(input));
    program.wait_with_output().expect("its output")
}

/// Its exit code and what it printed.
fn printed(arguments: &[&str], input: &[u8]) -> (Option<i32>, String) {
    let output = explain(arguments, input);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn a_legal_packet_is_explained_and_the_exit_code_is_0() {
    let (code, text) = printed(&[r#"421["chat","hi"]"#], b"");
    assert_eq!(code, Some(0));
    for line in ["type 4, message", "type 2, EVENT", "acknowledgement id", "argument 1: a string"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn an_illegal_packet_is_named_with_its_first_wrong_byte_and_the_exit_code_is_1() {
    let (code, text) = printed(&[r#"42["connect"]"#], b"");
    assert_eq!(code, Some(1));
    let wrong = text.lines().find(|line| line.contains("WRONG: RESERVED_EVENT")).expect("the rule");
    assert!(wrong.trim_start().starts_with("3  "), "{wrong}");
    assert!(text.contains("the server ends the session: `parse error`"), "{text}");
}

#[test]
fn a_message_comes_as_text_hexadecimal_or_base64_from_the_command_line_a_file_or_standard_input() {
    let folder = Folder::new();
    let file = folder.file("packet");
    std::fs::write(&file, "40/admin,\n").expect("a file");
    let name = file.display().to_string();
    let (_, expected) = printed(&["40/admin,"], b"");
    let at_name = format!("@{name}");
    for (arguments, input) in [
        (&["--hex", "34302f 61:64:6d696e2c"][..], &b""[..]),
        (&["34302f 61:64:6d696e2c"], b""),
        (&["--base64", "NDAvYWRtaW4s"], b""),
        (&["--file", &name], b""),
        (&[&at_name], b""),
        (&[], b"40/admin,\r\n"),
        (&["--hex"], b"34302f61646d696e2c\n"),
    ] {
        assert_eq!(printed(arguments, input), (Some(0), expected.clone()), "{arguments:?}");
    }
}

#[test]
fn the_name_of_a_file_without_its_sign_is_told() {
    let folder = Folder::new();
    let file = folder.file("11.1.9.jsonl");
    std::fs::write(&file, "40").expect("a file");
    let name = file.display().to_string();
    for arguments in [&[&*name][..], &["--hex", &name], &["40", &name]] {
        let output = explain(arguments, b"");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            error.contains(&format!("to explain what is in the file {name}, write @{name}\n")),
            "{error}"
        );
    }
}

#[test]
fn a_cut_record_is_not_explained_and_told() {
    let record = r#"{"n":7,"time":7,"session":1,"direction":"in","raw":"42[","left_out":9,"kind":"body"}"#;
    let output = explain(&[record], b"");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.starts_with("bytes of 1 record were left out of the journal: "), "{error}");
}

#[test]
fn a_journal_is_explained_record_by_record() {
    let record = r#"{"n":7,"time":7,"session":1,"direction":"in","raw":"42{}","kind":"body"}"#;
    let journal = format!("{{\"journal\":1,\"by\":\"a test\",\"began\":0,\"redacted\":true}}\n{record}\n");
    for (arguments, input) in [(&[record][..], ""), (&[], &journal)] {
        let (code, text) = printed(arguments, input.as_bytes());
        assert_eq!(code, Some(1));
        assert!(text.contains("record 7, session 1, from the client"), "{text}");
        assert!(text.contains("WRONG: NOT_AN_ARRAY"), "{text}");
    }
}

#[test]
fn revision_and_carrier_can_be_told() {
    let (code, text) = printed(&["--eio", "3", "2:40"], b"");
    assert!(code == Some(0) && text.contains("Engine.IO 3, a polling payload"), "{text}");
    let (code, text) = printed(&["--polling", "40"], b"");
    assert!(code == Some(0) && text.contains("Engine.IO 4, a polling payload"), "{text}");
    let (code, text) = printed(&["--hex", "818200000000 3430"], b"");
    assert!(code == Some(0) && text.contains("masking key"), "{text}");
    let (code, text) = printed(&["--from", "client", "44{}"], b"");
    assert!(code == Some(1) && text.contains("CONNECT_ERROR_FROM_CLIENT"), "{text}");
    let (code, text) = printed(&["--engineio", "4anything"], b"");
    assert!(code == Some(0) && text.contains("the message: 8 bytes of text"), "{text}");
    let (code, text) = printed(&["--websocket", r#"451-["e",{"_placeholder":true,"num":0}]"#, "bAQID"], b"");
    assert!(code == Some(0) && text.contains("attachment 0 (1 of 1): 3 bytes"), "{text}");
}

#[test]
fn a_mistake_on_the_command_line_is_exit_code_2_and_says_what_is_wrong() {
    for (arguments, problem) in [
        (&["--hex", "4x"][..], "MESSAGE: is not hexadecimal"),
        (&["--base64", "!"], "MESSAGE: is not base64"),
        (&["@/nowhere/at-all"], "/nowhere/at-all: can't be read"),
        (&["--eio", "5", "40"], "[possible values: 3, 4]"),
        (&["--polling", "--frames", "40"], "cannot be used with"),
    ] {
        let output = explain(arguments, b"");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(problem), "{error}");
    }
}

/// The documents with examples: those of `docs` and of its folders.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A document with what the program prints after each example, and how many examples it has.
fn with_real_output(document: &str) -> (String, usize) {
    const PROMPT: &str = "$ socketio-server explain ";
    let (mut out, mut examples) = (String::new(), 0);
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        out += line;
        out.push('\n');
        let Some(arguments) = line.strip_prefix(PROMPT) else { continue };
        let command = format!("'{SERVER}' explain {arguments}");
        let output = Command::new("bash").args(["-c", &command]).output().expect("bash");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        out += &String::from_utf8(output.stdout).expect("UTF-8");
        examples += 1;
        while lines.next_if(|line| !line.starts_with("$ ") && *line != "```").is_some() {}
    }
    (out, examples)
}

#[test]
fn the_examples_in_the_documentation_are_what_it_prints() {
    let mut files = Vec::new();
    documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"), &mut files);
    let mut examples = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a document");
        let (real, found) = with_real_output(&text);
        examples += found;
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(&file, &real).expect("the document is written");
        } else if real != text {
            let (file, correct) =
                (file.display(), "REGENERATE=1 cargo test -p socketio-server-cli in_the_documentation");
            panic!("an example in {file} is not what the program prints; correct it with\n{correct}");
        }
    }
    assert!(examples > 2, "only {examples} examples were found");
}
