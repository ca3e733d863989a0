//! The TOML file, and what is wrong in one.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::*;

#[test]
fn a_file_is_checked_without_a_server_and_the_printed_one_is_right() {
    let run = |arguments: &[&str], file: &str| {
        let arguments = ["socketio-server"].iter().chain(arguments).map(OsString::from);
        let file = file.to_owned();
        Command::settle(arguments, [], move |_| Ok(file))
    };
    let check = ["config", "check", "server.toml"];
    assert!(
        matches!(run(&check, "app = 'echo'"), Ok(Command::ConfigCheck(check)) if check.file == Path::new("server.toml"))
    );
    assert!(
        matches!(run(&check, "lisen = '3000'"), Err(Stop::Options(errors)) if errors[0].to_string() == "lisen in server.toml, line 1: no such option; did you mean listen?")
    );
    let wrong =
        "lisen = '3000'\nping-interval = '1'\nmax-sessions = 'x'\n[[gateway.events]]\nname = 'a'\nto = 'b'";
    let Err(Stop::Options(errors)) = run(&check, wrong) else { panic!("{wrong} is right") };
    let lines: Vec<_> = errors.iter().map(|error| error.place.clone()).collect();
    assert_eq!(
        lines,
        [
            "lisen in server.toml, line 1",
            "max-sessions in server.toml, line 3",
            "gateway.events in server.toml, line 6",
            "ping-interval in server.toml, line 2",
        ],
        "all at once"
    );
    let Err(Stop::Options(errors)) =
        Command::settle(["socketio-server", "config", "check", "none.toml"].map(OsString::from), [], |_| {
            Err(io::Error::from(io::ErrorKind::NotFound))
        })
    else {
        panic!("there is no file")
    };
    assert_eq!(errors[0].to_string(), "none.toml: can't read it: entity not found");
    assert!(matches!(run(&["config", "default"], ""), Ok(Command::ConfigDefault)));

    let text = config::default_file();
    assert!(matches!(run(&check, &text), Ok(Command::ConfigCheck(_))));
    assert!(!text.contains("\n#event = "), "rules are tables");
    // What stands for a value without a default is right as it stands, as far as a file alone can be.
    for line in text.lines().filter(|line| line.ends_with("# no default")) {
        let (key, value) = line.trim_start_matches('#').split_once(" = ").unwrap();
        assert!(!value.starts_with("\"\""), "{key}");
    }
    // With every comment that is an option taken away, each is known, and those with a default are right.
    let options =
        text.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')));
    let options: Vec<_> = options.filter(|line| !line.contains("# no default")).collect();
    let keys: Vec<_> = options.iter().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
    assert!(TABLE.iter().all(|row| row.default.is_empty() || keys.contains(&row.key)));
    let mut plain: Vec<_> = options.iter().take_while(|line| !line.starts_with('[')).copied().collect();
    // Lists without a default may not be empty, and these need others beside them.
    let refines = [
        "admin-",
        "redis-",
        "cookie-",
        "cors-",
        "deflate-",
        "inspect-",
        "recovery-",
        "webhook-",
        "jwt-",
        "echo-",
        "app ",
    ];
    plain.retain(|line| !line.ends_with("= []") && !refines.iter().any(|start| line.starts_with(start)));
    let result = run(&check, &format!("app = 'gateway'\n{}", plain.join("\n")));
    assert!(matches!(result, Ok(Command::ConfigCheck(_))), "{result:?}");
}

#[test]
fn an_error_names_the_place() {
    let problem = r#""25" is not a time, such as 25s, 500ms or 1m 30s"#;
    assert_eq!(command_line_error(&["--ping-interval", "25"]), format!("--ping-interval: {problem}"));
    assert_eq!(
        environment_error("SOCKETIO_PING_INTERVAL", "25"),
        format!("SOCKETIO_PING_INTERVAL: {problem}")
    );
    assert_eq!(
        file_error("# times\napp = 'echo'\nping-interval = '25'\n"),
        format!("ping-interval in server.toml, line 3: {problem}")
    );
}

// proves: protocol/unknown-options
#[test]
fn an_unknown_key_is_an_error() {
    assert_eq!(file_error("app = 'echo'\npong = 1"), "pong in server.toml, line 2: no such option");
    assert_eq!(
        file_error("ping_interval = '1s'"),
        "ping_interval in server.toml, line 1: no such option; it is written ping-interval"
    );
    assert_eq!(file_error("config = 'x'"), "config in server.toml, line 1: a file can't name another");
    assert!(
        file_error("\n[cors]\norigin = '*'")
            .starts_with("cors in server.toml, line 2: no such option; write options")
    );
    let unknown = command_line_error(&["--ping-intervall", "1s"]);
    assert!(unknown.contains("'--ping-intervall'") && unknown.contains("'--ping-interval'"), "{unknown}");
}

#[test]
fn a_wrong_type_is_an_error() {
    for (file, problem) in [
        (
            "ping-interval = 25",
            r#"ping-interval in server.toml, line 1: must be a string, such as "25s", and is an integer"#,
        ),
        (
            "max-payload = '1000'",
            "max-payload in server.toml, line 1: must be a decimal number, such as 1000000, and is a string",
        ),
        (
            "max-payload = 0xff",
            "max-payload in server.toml, line 1: must be a decimal number, such as 1000000, and is an integer of another base",
        ),
        (
            "max-payload = 1e6",
            "max-payload in server.toml, line 1: must be a decimal number, such as 1000000, and is a float",
        ),
        ("no-eio3 = 'true'", "no-eio3 in server.toml, line 1: must be true or false, and is a string"),
        (
            "cors-origin = [1]",
            "cors-origin in server.toml, line 1: must be an array of strings, and is an array",
        ),
        (
            "cors-origin = true",
            "cors-origin in server.toml, line 1: must be an array of strings, and is a boolean",
        ),
        ("cookie = { name = 'io' }", "cookie in server.toml, line 1: must be a string, and is a table"),
    ] {
        assert_eq!(file_error(file), problem);
    }
}

#[test]
fn a_file_that_is_no_toml_is_an_error() {
    let error = file_error("app = 'echo'\nping-interval 1s\n");
    assert!(error.starts_with("server.toml, line 2: "), "{error}");
    let error = file_error("app = 'echo'\napp = 'chat'\n");
    assert!(error.starts_with("server.toml, line 2: duplicate key"), "{error}");
}

#[test]
fn a_file_that_can_not_be_read_is_an_error() {
    assert_eq!(
        command_line_error(&["--config", "none.toml"]),
        r#"--config: can't read "none.toml": entity not found"#
    );
    assert_eq!(
        environment_error("SOCKETIO_CONFIG", "none.toml"),
        r#"SOCKETIO_CONFIG: can't read "none.toml": entity not found"#
    );
}

#[test]
fn what_is_wrong_is_on_one_line() {
    let error = environment_error("SOCKETIO_LISTEN", "\n\x1b[31m");
    assert!(!error.contains(char::is_control), "{error}");
}
