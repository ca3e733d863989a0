//! What is printed: help, the page of options, the version, exit codes.

use std::ffi::OsString;
use std::{env, fs};

use super::*;
use crate::options::row::Form;

#[test]
fn help_has_every_option_with_its_default_and_its_variable() {
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let Err(Stop::CommandLine(help)) = load(arguments, &[], "") else { panic!("no help") };
        assert!(!help.use_stderr());
        let help = help.to_string();
        // Lines are wrapped, so that words may stand on two of them.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for row in TABLE {
            let variable = format!("[env: SOCKETIO_{}]", row.key.to_uppercase().replace('-', "_"));
            assert!(help.contains(&format!("--{}", row.key)), "{}", row.key);
            assert!(help.contains(&variable), "{variable}");
        }
        for default in ["[default: 25s]", "[default: localhost:3000]", "[default: chat]"] {
            assert!(help.contains(default), "{default}");
        }
    }
}

#[test]
fn the_short_help_fits_a_screen_and_names_the_long_one() {
    let help = |arguments: &[&str]| match load(arguments, &[], "") {
        Err(Stop::CommandLine(help)) => help.to_string(),
        other => panic!("no help: {other:?}"),
    };
    for arguments in [&["-h"][..], &["serve", "-h"]] {
        let short = help(arguments);
        assert!(short.lines().count() <= 50, "{} lines", short.lines().count());
        assert!(short.lines().all(|line| line.chars().count() <= 120), "{short}");
        for shown in ["--listen", "--app", "--tls-cert", "--inspect", "--config", "--help"] {
            assert!(short.contains(shown), "{shown} in {short}");
        }
        assert!(!short.contains("--max-attachments"), "{short}");
    }
    assert!(help(&["--help"]).lines().count() > 200);
}

/// docs/guide/options.md, made of the table.
fn page() -> String {
    let mut text = String::from(
        "# Options\n\n\
         Every option of `socketio-server`: a flag (`--ping-interval 25s`), an environment variable\n\
         (`SOCKETIO_PING_INTERVAL=25s`), and a key of the file that `--config` names (`ping-interval = \"25s\"`).\n\
         [Running the server](running.md#options) says how the three work together.\n\n\
         This page is made of the code: `REGENERATE=1 cargo test -p socketio-server-cli page_of_options`.\n",
    );
    let mut section = "";
    for row in TABLE {
        if row.section != section {
            section = row.section;
            text += &format!(
                "\n## {section}\n\n| option | value | default | what it does |\n|---|---|---|---|\n"
            );
        }
        let value = if row.form == Form::Switch { "" } else { row.value };
        let code = |words: String| if words.is_empty() { words } else { format!("`{words}`") };
        let default = if row.form == Form::Switch { "off".to_owned() } else { code(row.default.join(", ")) };
        let cells =
            [code(row.key.to_owned()), code(value.replace('|', "\\|")), default, row.help.trim().into()];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

#[test]
fn the_page_of_options_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/options.md");
    if env::var_os("REGENERATE").is_some() {
        fs::write(path, page()).expect("the page is written");
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == page(),
        "docs/guide/options.md is not what the table says; make it anew with\n\
         REGENERATE=1 cargo test -p socketio-server-cli page_of_options"
    );
}

#[test]
fn what_is_wrong_is_told_in_the_format_that_was_asked_for() {
    let format = |arguments: &[&str], variable: Option<&str>| {
        sources::log_format(arguments.iter().map(OsString::from), variable.map(OsString::from))
    };
    assert_eq!(format(&["--log", "json", "--listen=x"], None), Some(LogFormat::Json));
    assert_eq!(format(&["serve", "--log=json"], Some("text")), Some(LogFormat::Json));
    assert_eq!(format(&["--logs"], Some("json")), Some(LogFormat::Json));
    assert_eq!(format(&["--log"], None), None);
    assert_eq!(format(&["--log=xml"], None), None);
    assert_eq!(sources::log_format_in_file("app = 1\nlog = 'json'\nbroken"), Some(LogFormat::Json));
    assert_eq!(sources::log_format_in_file("log-level = \"info\""), None);
}

#[test]
fn the_version_is_told() {
    let Err(Stop::CommandLine(version)) = load(&["--version"], &[], "") else { panic!("no version") };
    assert_eq!(version.to_string(), format!("socketio-server {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!version.use_stderr());
}

#[test]
fn the_exit_code_is_2_after_a_mistake_and_0_after_help() {
    for (arguments, code) in [
        (["--help"], 0),
        (["--version"], 0),
        (["--pong"], 2),
        (["--listen=x"], 2),
        (["--config=none.toml"], 2),
    ] {
        assert_eq!(load(&arguments, &[], "").unwrap_err().code(), code, "{arguments:?}");
    }
}

#[test]
fn an_option_that_others_name_differently_is_named() {
    let error = command_line_error(&["--jwt-secret", "x"]);
    assert!(error.contains("'--jwt-key'") && !error.contains("issuer"), "{error}");
}
