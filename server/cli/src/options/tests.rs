use std::ffi::OsString;
use std::path::Path;
use std::{env, fs, io};

use super::error::Stop;
use super::row::Form;
use super::*;

/// What the program makes of a command line, an environment, and the text of `server.toml`, which is only
/// read where one of the former names it.
fn load(arguments: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Options, Stop> {
    let arguments = ["socketio-server"].iter().chain(arguments).map(OsString::from);
    let environment = environment.iter().map(|(name, text)| (OsString::from(name), OsString::from(text)));
    let read_file = |path: &Path| match path.to_str() {
        Some("server.toml") => Ok(file.to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Command::settle(arguments, environment, read_file).map(|command| match command {
        Command::Serve(options) => *options,
        Command::Replay(replay) => panic!("a replay: {replay:?}"),
        Command::Explain(explain) => panic!("{explain:?}"),
        other => panic!("{other:?}"),
    })
}

fn message(result: Result<Options, Stop>) -> String {
    match result {
        Ok(options) => panic!("accepted: {options:?}"),
        Err(Stop::Option(error)) => error.to_string(),
        Err(Stop::CommandLine(error)) => error.to_string(),
    }
}

fn command_line_error(arguments: &[&str]) -> String {
    message(load(arguments, &[], ""))
}

fn file_error(file: &str) -> String {
    message(load(&["--config", "server.toml"], &[], file))
}

fn environment_error(name: &str, text: &str) -> String {
    message(load(&[], &[(name, text)], ""))
}

#[test]
fn the_defaults_are_the_references() {
    let options = load(&[], &[], "").unwrap();
    assert_eq!(options.app, App::Chat);
    assert_eq!(options.listen, [Place::Localhost(3000)]);
    assert_eq!(options.backlog, socketio_server::BACKLOG);
    assert!(options.recovery().is_none());
    assert_eq!((options.tls_cert, options.tls_key), (None, None));
    assert_eq!(options.path, "/socket.io/");
    assert_eq!(options.client_dir, None);
    assert_eq!(options.drain_timeout, Duration::from_secs(30));
    assert_eq!((options.drain_spread, options.drain_wait), (Duration::from_secs(10), Duration::ZERO));
    assert_eq!(options.ping_interval, Duration::from_secs(25));
    assert_eq!(options.ping_timeout, Duration::from_secs(20));
    assert_eq!(options.upgrade_timeout, Duration::from_secs(10));
    assert!(matches!(options.parser, Parser::Default));
    assert_eq!(options.connect_timeout, Duration::from_secs(45));
    assert_eq!(options.close_timeout, Duration::from_secs(5));
    assert_eq!(options.max_payload, 1_000_000);
    assert_eq!(options.transports, Transports { polling: true, websocket: true });
    assert!(!options.no_upgrades && !options.jsonp && !options.no_http_compression);
    assert_eq!(options.http_compression_threshold, 1024);
    assert_eq!(options.trailing_slash, TrailingSlash::Optional);
    assert!(!options.no_eio3 && !options.no_eio4);
    assert_eq!(options.cors, None);
    assert_eq!(options.cookie, None);
    assert_eq!(options.log, LogFormat::Text);
    assert_eq!(options.log_level, LevelFilter::INFO);
}

#[test]
fn the_limits_are_those_of_the_libraries_unless_set() {
    let options = load(&[], &[], "").unwrap();
    assert_eq!(format!("{:?}", options.limits()), format!("{:?}", Limits::default()));
    let protocol = socketio_server::Config::default();
    assert_eq!((options.max_packets, options.send_budget), (protocol.max_packets, protocol.send_budget));
    assert_eq!(options.max_fragments, protocol.max_fragments);
    assert_eq!(options.max_packet_rate, protocol.packets_per_second);
    assert_eq!(options.max_byte_rate, protocol.bytes_per_second);
    assert_eq!(options.max_ping_rate, protocol.pings_per_second);
    assert_eq!(options.memory_budget, protocol.memory_budget);
    let socketio = socketio::Config::default();
    assert_eq!(options.max_backlog, socketio.max_backlog);
    assert_eq!(options.max_attachments, socketio.max_attachments);
    assert_eq!(options.attachment_timeout, socketio.attachment_timeout);
    assert_eq!(options.max_event_name, socketio.max_event_name);
    assert_eq!(options.max_namespaces, socketio.max_namespaces);
    assert_eq!(options.max_rooms, socketio.max_rooms);
    assert_eq!(options.max_pending_acks, socketio.max_pending_acks);
    assert_eq!(options.ack_timeout, socketio.ack_timeout);
    assert_eq!(options.max_running_handlers, socketio.max_running_handlers);
}

#[test]
fn serve_is_the_command_where_none_is_named() {
    for arguments in [&["--app", "echo"][..], &["serve", "--app", "echo"]] {
        assert_eq!(load(arguments, &[], "").unwrap().app, App::Echo);
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let file = "ping-interval = '3s'\nping-timeout = '3s'\nupgrade-timeout = '3s'\nno-eio3 = true\n\
                cors-origin = ['https://c.example']";
    let environment = [
        ("SOCKETIO_CONFIG", "server.toml"),
        ("SOCKETIO_PING_INTERVAL", "2s"),
        ("SOCKETIO_PING_TIMEOUT", "2s"),
        ("SOCKETIO_CORS_ORIGIN", "https://a.example, https://b.example"),
    ];
    let options = load(&["--ping-interval=1s", "--no-eio3=false"], &environment, file).unwrap();
    assert_eq!(options.ping_interval, Duration::from_secs(1));
    assert_eq!(options.ping_timeout, Duration::from_secs(2));
    assert_eq!(options.upgrade_timeout, Duration::from_secs(3));
    assert_eq!(options.connect_timeout, Duration::from_secs(45));
    assert!(!options.no_eio3);
    // A list replaces the one before it.
    assert_eq!(options.cors, Some(Cors::new(["https://a.example", "https://b.example"]).unwrap()));
}

#[test]
fn the_command_line_names_the_file_before_the_environment_does() {
    let environment = [("SOCKETIO_CONFIG", "other.toml")];
    let options = load(&["--config", "server.toml"], &environment, "app = 'none'").unwrap();
    assert_eq!(options.app, App::None);
}

/// That of "changeit".
const BCRYPT: &str = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";

/// Some value of each option, as text and as TOML. A new option needs a line here.
const SAMPLES: &[(&str, &str, &str)] = &[
    ("app", "none", "'none'"),
    ("listen", "[::1]:80", "'[::1]:80'"),
    ("backlog", "16", "16"),
    ("tls-cert", "chain.pem", "'chain.pem'"),
    ("tls-key", "key.pem", "'key.pem'"),
    ("trusted-proxy", "10.0.0.0/8", "['10.0.0.0/8']"),
    ("path", "/chat", "'/chat'"),
    ("trailing-slash", "required", "'required'"),
    ("client-dir", "dist", "'dist'"),
    ("drain-timeout", "0s", "'0s'"),
    ("drain-spread", "0s", "'0s'"),
    ("drain-wait", "15s", "'15s'"),
    ("ping-interval", "1m 30s", "'1m 30s'"),
    ("ping-timeout", "500ms", "'500ms'"),
    ("upgrade-timeout", "2s", "'2s'"),
    ("parser", "msgpack", "'msgpack'"),
    ("connect-timeout", "2s", "'2s'"),
    ("close-timeout", "2s", "'2s'"),
    ("max-payload", "5000000", "5_000_000"),
    ("no-eio3", "true", "true"),
    ("no-eio4", "true", "true"),
    ("transports", "websocket", "['websocket']"),
    ("no-upgrades", "true", "true"),
    ("jsonp", "true", "true"),
    ("no-http-compression", "true", "true"),
    ("http-compression-threshold", "4096", "4096"),
    ("max-connections", "7", "7"),
    ("max-sessions", "7", "7"),
    ("max-address-connections", "7", "7"),
    ("max-address-handshakes", "7", "7"),
    ("max-head", "7", "7"),
    ("max-fields", "7", "7"),
    ("head-timeout", "3s", "'3s'"),
    ("idle-timeout", "3s", "'3s'"),
    ("body-timeout", "3s", "'3s'"),
    ("message-timeout", "3s", "'3s'"),
    ("hook-timeout", "9s", "'9s'"),
    ("write-timeout", "3s", "'3s'"),
    ("max-packets", "7", "7"),
    ("max-fragments", "7", "7"),
    ("max-packet-rate", "7", "7"),
    ("max-byte-rate", "7", "7"),
    ("max-ping-rate", "7", "7"),
    ("send-budget", "7", "7"),
    ("memory-budget", "7", "7"),
    ("max-backlog", "7", "7"),
    ("max-attachments", "7", "7"),
    ("attachment-timeout", "3s", "'3s'"),
    ("max-event-name", "7", "7"),
    ("max-namespaces", "7", "7"),
    ("max-rooms", "7", "7"),
    ("max-pending-acks", "7", "7"),
    ("ack-timeout", "3s", "'3s'"),
    ("max-running-handlers", "7", "7"),
    ("recovery", "2m", "'2m'"),
    ("recovery-bytes", "1000", "1000"),
    ("recovery-sessions", "10", "10"),
    ("recovery-skip-middlewares", "true", "true"),
    ("redis", "rediss://:secret@redis.example:6380/1", "['rediss://:secret@redis.example:6380/1']"),
    ("redis-mode", "sharded", "'sharded'"),
    ("redis-prefix", "chat", "'chat'"),
    ("redis-stream", "chat", "'chat'"),
    ("admin-user", "root", "'root'"),
    ("admin-password-hash", BCRYPT, "'$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS'"),
    ("admin-token", "0123456789abcdef", "'0123456789abcdef'"),
    ("admin-read-only", "true", "true"),
    ("admin-mode", "production", "'production'"),
    ("admin-server-id", "eu-1", "'eu-1'"),
    ("admin-dir", "ui/dist", "'ui/dist'"),
    ("cors-origin", "https://a.example", "['https://a.example']"),
    ("cors-credentials", "true", "true"),
    ("cors-allowed-header", "x-token", "['x-token']"),
    ("cors-exposed-header", "x-token", "'x-token'"),
    ("cors-max-age", "10m", "'10m'"),
    ("allowed-host", "a.example", "['a.example']"),
    ("bind-origin", "true", "true"),
    ("cookie", "io", "'io'"),
    ("cookie-secure", "true", "true"),
    ("cookie-path", "/chat", "'/chat'"),
    ("cookie-domain", "example.com", "'example.com'"),
    ("cookie-max-age", "1year", "'1year'"),
    ("cookie-same-site", "strict", "'strict'"),
    ("cookie-for-scripts", "true", "true"),
    ("api", "127.0.0.1:3001", "'127.0.0.1:3001'"),
    ("api-key", "0123456789abcdef", "['0123456789abcdef']"),
    ("api-key-file", "keys", "'keys'"),
    ("webhook", "https://a.example/hook", "'https://a.example/hook'"),
    ("ca-file", "ca.pem", "'ca.pem'"),
    (
        "webhook-secret",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']",
    ),
    ("webhook-secret-file", "secrets", "'secrets'"),
    ("webhook-hook", "connect", "['connect']"),
    ("webhook-header", "cookie", "['cookie']"),
    ("webhook-events", "chat,typing", "['chat', 'typing']"),
    ("webhook-connect-timeout", "2s", "'2s'"),
    ("webhook-event-timeout", "2s", "'2s'"),
    ("other-events", "refuse", "'refuse'"),
    ("namespace", "/chat", "['/chat']"),
    ("event", "typing=rooms@5/s", "[{ name = 'typing', to = 'rooms', rate = '5/s' }]"),
    ("jwt-key", "a secret of at least 32 characters", "'a secret of at least 32 characters'"),
    ("jwt-key-file", "login.pem", "'login.pem'"),
    ("jwt-key-url", "https://a.example/jwks.json", "'https://a.example/jwks.json'"),
    ("jwt-audience", "chat", "'chat'"),
    ("jwt-issuer", "login", "'login'"),
    ("jwt-rooms", "groups", "'groups'"),
    ("jwt-data", "name", "['name']"),
    ("presence-rooms", "room:*", "['room:*']"),
    ("presence-data", "name", "['name']"),
    ("node", "a", "'a'"),
    ("echo-auth-url", "https://a.example/auth", "'https://a.example/auth'"),
    ("echo-auth-header", "x-tenant", "['x-tenant']"),
    ("echo-redis", "redis://localhost", "'redis://localhost'"),
    ("echo-redis-prefix", "laravel_database_", "'laravel_database_'"),
    ("metrics", "127.0.0.1:9090", "'127.0.0.1:9090'"),
    ("trace", "trace.jsonl", "'trace.jsonl'"),
    ("trace-limit", "5", "5"),
    ("inspect", "127.0.0.1:3031", "'127.0.0.1:3031'"),
    ("inspect-memory", "7", "7"),
    ("inspect-token", "correct.horse_battery-staple", "'correct.horse_battery-staple'"),
    ("trace-secrets", "true", "true"),
    ("log", "json", "'json'"),
    ("log-level", "debug", "'debug'"),
    ("log-rate", "100", "100"),
];

#[test]
fn every_option_has_its_three_forms() {
    let keys: Vec<_> = TABLE.iter().map(|row| row.key).collect();
    assert_eq!(SAMPLES.iter().map(|(key, ..)| *key).collect::<Vec<_>>(), keys);
    let default = format!("{:?}", load(&[], &[], "").unwrap());
    for (key, text, toml) in SAMPLES {
        // What the option needs beside it.
        let (needs, needs_toml) = match *key {
            key if key.starts_with("cors-") && key != "cors-origin" => {
                (&["--cors-origin=https://a.example"][..], "cors-origin = 'https://a.example'")
            }
            "admin-user" => (
                &["--admin-password-hash=$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS"][..],
                "admin-password-hash = '$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS'",
            ),
            "admin-password-hash" => (&["--admin-user=root"][..], "admin-user = 'root'"),
            key if key.starts_with("admin-") && key != "admin-token" => {
                (&["--admin-token=0123456789abcdef"][..], "admin-token = '0123456789abcdef'")
            }
            key if key.starts_with("inspect-") => (&["--inspect"][..], "inspect = true"),
            key if key.starts_with("redis-") => {
                (&["--redis=redis://localhost"][..], "redis = ['redis://localhost']")
            }
            key if key.starts_with("webhook-") || key == "ca-file" => {
                (&["--webhook=http://a.example"][..], "webhook = 'http://a.example'")
            }
            "echo-auth-header" => {
                (&["--echo-auth-url=http://a.example"][..], "echo-auth-url = 'http://a.example'")
            }
            "echo-redis-prefix" => {
                (&["--echo-redis=redis://localhost"][..], "echo-redis = 'redis://localhost'")
            }
            "presence-data" => {
                (&["--app=gateway", "--presence-rooms=r"][..], "app = 'gateway'\npresence-rooms = ['r']")
            }
            "jwt-audience" | "jwt-issuer" | "jwt-rooms" | "jwt-data" => {
                (&["--jwt-key-file=k"][..], "jwt-key-file = 'k'")
            }
            "other-events" | "namespace" | "event" | "presence-rooms" => {
                (&["--app=gateway"][..], "app = 'gateway'")
            }
            key if key.starts_with("api-") => (&["--api=localhost:3001"][..], "api = 'localhost:3001'"),
            key if key.starts_with("recovery-") => (&["--recovery=1m"][..], "recovery = '1m'"),
            key if key.starts_with("cookie-") => (&["--cookie=io"][..], "cookie = 'io'"),
            "tls-cert" => (&["--tls-key=other.pem"][..], "tls-key = 'other.pem'"),
            "tls-key" => (&["--tls-cert=other.pem"][..], "tls-cert = 'other.pem'"),
            _ => (&[][..], ""),
        };
        // Of a pair, one is nothing without the other.
        let without = load(needs, &[], "").map(|options| format!("{options:?}"));
        let flag = format!("--{key}={text}");
        let on_command_line = load(&[needs, &[flag.as_str()]].concat(), &[], "").unwrap();
        let name = format!("SOCKETIO_{}", key.to_uppercase().replace('-', "_"));
        let in_environment = load(needs, &[(&name, text)], "").unwrap();
        let file = format!("{needs_toml}\n{key} = {toml}");
        let in_file = load(&["--config", "server.toml"], &[], &file).unwrap();

        let settled = format!("{on_command_line:?}");
        assert_ne!(without.as_ref().ok(), Some(&settled), "{key} changes nothing");
        assert_ne!(settled, default, "{key} changes nothing");
        assert_eq!(format!("{in_environment:?}"), settled, "{key} in the environment");
        assert_eq!(format!("{in_file:?}"), settled, "{key} in the file");
    }
}

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
        assert!(short.lines().count() <= 48, "{} lines", short.lines().count());
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

// proves: protocol/wrong-values
#[test]
fn the_gateways_options_make_it_the_application() {
    assert_eq!(load(&["--api=localhost:3001"], &[], "").unwrap().app, App::Gateway);
    assert_eq!(load(&["--webhook=http://a.example"], &[], "").unwrap().app, App::Gateway);
    let both = ["--api=localhost:3001", "--echo-auth-url=http://a.example"];
    assert_eq!(load(&both, &[], "").unwrap().app, App::LaravelEcho);
    assert_eq!(load(&["--api=localhost:3001", "--app=echo"], &[], "").unwrap().app, App::Echo);
    assert_eq!(load(&["--api=localhost:3001"], &[("SOCKETIO_APP", "chat")], "").unwrap().app, App::Chat);
}

#[test]
fn the_gateways_options_may_stand_in_tables() {
    let file = "
        webhook = 'http://a.example'
        [gateway]
        namespaces = 1
    ";
    assert!(
        file_error(file).starts_with(
            "gateway.namespaces in server.toml, line 4: no such option; did you mean namespace?"
        )
    );
    let file = "
        [gateway]
        webhook = 'http://a.example'
        [gateway.jwt]
        key-file = 'login.pem'
        data = ['sub', 'name']
        [gateway.presence]
        rooms = ['room:*']
        [[gateway.events]]
        name = 'typing'
        relay = 'rooms'
        rate = '5/s'
        namespace = '/chat'
        [[gateway.events]]
        name = 'chat'
        to = 'backend'
    ";
    let options = load(&["--config", "server.toml"], &[], file).unwrap();
    assert_eq!((options.app, options.webhook.as_deref()), (App::Gateway, Some("http://a.example")));
    assert_eq!(
        (options.jwt_data, options.presence_rooms),
        (vec!["sub".into(), "name".into()], vec!["room:*".into()])
    );
    let rule = |name: &str, namespace: Option<&str>, to, rate: Option<&str>| EventRule {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        to,
        rate: rate.map(str::to_owned),
    };
    let rules = [
        rule("typing", Some("/chat"), EventAction::Rooms, Some("5/s")),
        rule("chat", None, EventAction::Backend, None),
    ];
    assert_eq!(options.events, rules);
}

#[test]
fn what_is_wrong_in_a_table_is_told_with_its_line_and_the_nearest_name() {
    let rule = |rule: &str| file_error(&format!("app = 'gateway'\n[[gateway.events]]\nname = 'a'\n{rule}"));
    assert_eq!(
        rule("rates = '5/s'"),
        "gateway.events in server.toml, line 4: rates is unknown; did you mean rate?"
    );
    assert_eq!(
        rule("to = 7"),
        "gateway.events in server.toml, line 4: to must be a string, and is an integer"
    );
    assert!(
        rule("to = 'room'").contains("a: \"room\" is not one of backend, rooms, namespace, refuse, drop")
    );
    assert!(rule("to = 'rooms'\nrate = 'x'").contains("a: \"x\" is not a rate"));
    assert!(rule("").contains("line 2: needs name and to"));
    assert_eq!(
        file_error("pong-interval = '1s'"),
        "pong-interval in server.toml, line 1: no such option; did you mean ping-interval?"
    );
    assert_eq!(file_error("[gatway]\nwebhook = ''"), "gatway in server.toml, line 1: no such option");
    assert_eq!(
        command_line_error(&["--app=gateway", "--event=typing"]),
        "--event: \"typing\" is not a rule, such as typing=rooms or typing=rooms@5/s"
    );
}

#[test]
fn a_file_is_checked_without_a_server_and_the_printed_one_is_right() {
    let run = |arguments: &[&str], file: &str| {
        let arguments = ["socketio-server"].iter().chain(arguments).map(OsString::from);
        let file = file.to_owned();
        Command::settle(arguments, [], move |_| Ok(file))
    };
    let check = ["config", "check", "server.toml"];
    assert!(
        matches!(run(&check, "app = 'echo'"), Ok(Command::ConfigCheck(file)) if file == Path::new("server.toml"))
    );
    assert!(
        matches!(run(&check, "lisen = '3000'"), Err(Stop::Option(error)) if error.to_string() == "lisen in server.toml, line 1: no such option; did you mean listen?")
    );
    assert!(matches!(run(&["config", "default"], ""), Ok(Command::ConfigDefault)));

    let text = config::default_file();
    assert!(matches!(run(&check, &text), Ok(Command::ConfigCheck(_))));
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
fn what_is_overridden_must_still_be_right() {
    let result = load(&["--ping-interval", "1s"], &[("SOCKETIO_PING_INTERVAL", "0s")], "");
    assert_eq!(message(result), "SOCKETIO_PING_INTERVAL: must be 1ms or more");
}

#[test]
fn impossible_values_are_errors() {
    for (flag, value, problem) in [
        ("--app", "game", r#""game" is not one of chat, echo, gateway, laravel-echo, none"#),
        (
            "--listen",
            "localhost",
            r#""localhost" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), or unix:PATH"#,
        ),
        (
            "--listen",
            "127.0.0.1:70000",
            r#""127.0.0.1:70000" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), or unix:PATH"#,
        ),
        (
            "--listen",
            "unix:",
            r#""unix:" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), or unix:PATH"#,
        ),
        ("--backlog", "0", r#""0" is not a number of connections, such as 1024"#),
        ("--backlog", "2147483648", r#""2147483648" is not a number of connections, such as 1024"#),
        ("--tls-key", "", "the name of a file can't be empty"),
        ("--path", "socket.io", r#""socket.io" does not begin with a slash"#),
        ("--path", "", r#""" does not begin with a slash"#),
        (
            "--path",
            "/a/../b",
            r#""/a/../b" is not a plain path: names of letters, digits and -._~ between slashes"#,
        ),
        (
            "--path",
            "/a?b",
            r#""/a?b" is not a plain path: names of letters, digits and -._~ between slashes"#,
        ),
        ("--path", "//", r#""//" is not a plain path: names of letters, digits and -._~ between slashes"#),
        ("--client-dir", "", "the name of a folder can't be empty"),
        ("--ping-interval", "0s", "must be 1ms or more"),
        ("--ping-interval", "999us", "must be 1ms or more"),
        ("--ping-timeout", "0s", "must be 1ms or more"),
        ("--upgrade-timeout", "0s", "must be 1ms or more"),
        ("--connect-timeout", "0s", "must be 1ms or more"),
        ("--ping-timeout", "8days", r#""8days" is longer than 7 days"#),
        ("--drain-timeout", "soon", r#""soon" is not a time, such as 25s, 500ms or 1m 30s"#),
        ("--admin-user", " ", "can't be empty"),
        ("--admin-token", "short", "must be 16 or more letters, digits and -._~"),
        (
            "--admin-password-hash",
            "changeit",
            "is not a bcrypt hash: `htpasswd -nbBC 10 admin PASSWORD` prints one after the colon",
        ),
        ("--admin-mode", "test", r#""test" is not one of development, production"#),
        ("--drain-spread", "slow", r#""slow" is not a time, such as 25s, 500ms or 1m 30s"#),
        ("--drain-wait", "8d", r#""8d" is longer than 7 days"#),
        ("--drain-timeout", "-1s", r#""-1s" is not a time, such as 25s, 500ms or 1m 30s"#),
        ("--max-payload", "0", "must be 1 or more"),
        ("--max-payload", "1MB", r#""1MB" is not a number of bytes, such as 1000000"#),
        ("--max-payload", "-1", r#""-1" is not a number of bytes, such as 1000000"#),
        ("--no-eio3", "maybe", r#""maybe" is not one of true, false"#),
        ("--cors-origin", "", "an origin can't be empty"),
        (
            "--cors-origin",
            "example.com",
            r#""example.com" is not an origin, such as https://example.com or http://localhost:8080"#,
        ),
        (
            "--cookie",
            "a;b",
            r#""a;b" can't be a cookie's name: use letters, digits and !#$%&'*+-.^_`|~ only"#,
        ),
        ("--log", "xml", r#""xml" is not one of text, json"#),
        ("--log-level", "loud", r#""loud" is not one of off, error, warn, info, debug, trace"#),
    ] {
        assert_eq!(command_line_error(&[&format!("{flag}={value}")]), format!("{flag}: {problem}"));
    }
}

// proves: protocol/credentials
#[test]
fn impossible_pairs_are_errors() {
    assert_eq!(
        message(load(&["--no-eio4"], &[("SOCKETIO_NO_EIO3", "true")], "")),
        "--no-eio4: no-eio3 is set too, so that no client could connect: remove one of them"
    );
    assert_eq!(
        file_error("cors-origin = '*'\ncors-credentials = true"),
        "cors-credentials in server.toml, line 2: credentials can't be allowed for every origin (`*`)"
    );
    assert_eq!(
        environment_error("SOCKETIO_CORS_CREDENTIALS", "true"),
        "SOCKETIO_CORS_CREDENTIALS: needs cors-origin too"
    );
    assert_eq!(command_line_error(&["--cookie-secure"]), "--cookie-secure: needs cookie too");
    assert_eq!(command_line_error(&["--recovery-bytes=7"]), "--recovery-bytes: needs recovery too");
    assert_eq!(command_line_error(&["--admin-user=root"]), "--admin-user: needs admin-password-hash too");
    let hash = format!("--admin-password-hash={BCRYPT}");
    assert_eq!(command_line_error(&[&hash]), "--admin-password-hash: needs admin-user too");
    assert_eq!(
        command_line_error(&["--admin-token=0123456789abcdef", "--admin-user=root", &hash]),
        "--admin-token: admin-user is set too: remove one of them"
    );
    let needs = "needs admin-user and admin-password-hash, or admin-token";
    for refined in ["--admin-read-only", "--admin-mode=production", "--admin-dir=ui"] {
        let (key, _) = refined.split_once('=').unwrap_or((refined, ""));
        assert_eq!(command_line_error(&[refined]), format!("{key}: {needs}"));
    }
    assert_eq!(command_line_error(&["--redis-mode=sharded"]), "--redis-mode: needs redis too");
    assert_eq!(command_line_error(&["--api-key=0123456789abcdef"]), "--api-key: needs api too");
    assert_eq!(command_line_error(&["--webhook-events=chat"]), "--webhook-events: needs webhook too");
    assert_eq!(
        command_line_error(&["--webhook=http://a.example", "--app=chat"]),
        "--webhook: needs app = gateway too"
    );
    assert_eq!(command_line_error(&["--namespace=/a"]), "--namespace: needs app = gateway too");
    assert_eq!(command_line_error(&["--echo-redis-prefix=a"]), "--echo-redis-prefix: needs echo-redis too");
    assert_eq!(
        command_line_error(&["--echo-auth-url=http://a.example", "--webhook=http://a.example"]),
        "--webhook: needs app = gateway too"
    );
    assert_eq!(
        command_line_error(&["--webhook=secret@a.example"]),
        "--webhook: must be a URL that begins with http:// or https://"
    );
    assert_eq!(
        command_line_error(&["--api=0.0.0.0:3001"]),
        "--api: needs api-key or api-key-file, because other machines can reach the address"
    );
    assert_eq!(
        command_line_error(&["--api=localhost:3001", "--api-key=secret"]),
        "--api-key: must be 16 or more ASCII characters, without spaces and commas"
    );
    assert_eq!(
        command_line_error(&["--redis=secret@localhost"]),
        "--redis: must be a URL that begins with redis://, rediss:// or unix://"
    );
    let problem = "is more than half of drain-timeout, so that the last clients could not leave in time: make it \
                   shorter, or drain-timeout longer";
    assert_eq!(command_line_error(&["--drain-spread=16s"]), format!("--drain-spread: {problem}"));
    // The default is cut instead.
    assert_eq!(load(&["--drain-timeout=2s"], &[], "").unwrap().drain_spread, Duration::from_secs(10));
    assert_eq!(command_line_error(&["--tls-cert=a.pem"]), "--tls-cert: needs tls-key too");
    assert_eq!(file_error("tls-key = 'a.pem'"), "tls-key in server.toml, line 1: needs tls-cert too");
    assert_eq!(
        command_line_error(&["--cors-origin=*", "--cors-origin=https://a.example"]),
        "--cors-origin: `*` allows every origin: remove the others"
    );
}

#[test]
fn an_option_that_refines_another_is_part_of_it() {
    let cors = load(&["--cors-origin=https://a.example", "--cors-credentials"], &[], "").unwrap().cors;
    assert_eq!(cors, Some(Cors::new(["https://a.example"]).and_then(Cors::credentials).unwrap()));
    let cookie = load(&["--cookie=io", "--cookie-secure"], &[], "").unwrap().cookie;
    assert_eq!(cookie, Some(Cookie::new("io").unwrap().secure(true)));
}

#[test]
fn several_places_can_be_listened_on() {
    let places = ["0.0.0.0:80".parse().unwrap(), "unix:/run/chat.sock".parse().unwrap()];
    let listen = load(&["--listen=0.0.0.0:80", "--listen=unix:/run/chat.sock"], &[], "").unwrap().listen;
    assert_eq!(listen, places);
    let listen = load(&[], &[("SOCKETIO_LISTEN", "0.0.0.0:80,unix:/run/chat.sock")], "").unwrap().listen;
    assert_eq!(listen, places);
    assert_eq!(file_error("listen = []"), "listen in server.toml, line 1: needs at least one address");
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

// proves: protocol/unknown-options
#[test]
fn an_unknown_key_is_an_error() {
    assert_eq!(file_error("app = 'echo'\npong = 1"), "pong in server.toml, line 2: no such option");
    assert_eq!(
        file_error("ping_interval = '1s'"),
        "ping_interval in server.toml, line 1: no such option; it is written ping-interval"
    );
    assert_eq!(file_error("config = 'x'"), "config in server.toml, line 1: a file can't name another");
    assert_eq!(file_error("\n[cors]\norigin = '*'"), "cors in server.toml, line 2: no such option");
    let unknown = command_line_error(&["--ping-intervall", "1s"]);
    assert!(unknown.contains("'--ping-intervall'") && unknown.contains("'--ping-interval'"), "{unknown}");
}

// proves: protocol/unknown-options
#[test]
fn a_variable_that_only_looks_like_an_option_is_reported_and_ignored() {
    load(&[], &[("SOCKETIO_PONG", "1")], "").unwrap();
    let names = [
        "SOCKETIO_PONG",
        "SOCKETIO_PING_INTERVAL",
        "SOCKETIO_CONFIG",
        "PATH",
        // What container services set.
        "SOCKETIO_SERVICE_HOST",
        "SOCKETIO_PORT",
        "SOCKETIO_CHAT_PORT_3000_TCP_ADDR",
    ];
    assert_eq!(sources::unknown_variables(names.map(OsString::from)), ["SOCKETIO_PONG"]);
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
fn a_path_ends_with_a_slash() {
    for (given, settled) in [("/chat", "/chat/"), ("/chat/", "/chat/"), ("/a/b.c", "/a/b.c/"), ("/", "/")] {
        assert_eq!(load(&["--path", given], &[], "").unwrap().path, settled);
    }
}

#[test]
fn what_is_wrong_is_on_one_line() {
    let error = environment_error("SOCKETIO_LISTEN", "\n\x1b[31m");
    assert!(!error.contains(char::is_control), "{error}");
}

// proves: features/cookie
#[test]
fn the_cookie_has_every_attribute_that_is_given() {
    let all = [
        "--cookie=io",
        "--cookie-path=/chat",
        "--cookie-domain=example.com",
        "--cookie-max-age=1day",
        "--cookie-same-site=none",
        "--cookie-secure",
        "--cookie-for-scripts",
    ];
    let cookie = Cookie::new("io").unwrap().path("/chat").unwrap().domain("example.com").unwrap();
    let cookie = cookie.max_age(Duration::from_secs(24 * 60 * 60)).same_site(SameSite::None);
    assert_eq!(load(&all, &[], "").unwrap().cookie, Some(cookie.secure(true).http_only(false)));
    for attribute in &all[1..] {
        let key = attribute.split('=').next().unwrap();
        assert_eq!(command_line_error(&[attribute]), format!("{key}: needs cookie too"));
    }
    assert_eq!(
        command_line_error(&["--cookie=io", "--cookie-path=chat"]),
        "--cookie-path: \"chat\" can't be a cookie's path: it must begin with `/`, be printable, and have no `;`"
    );
}

#[test]
fn origins_have_everything_that_is_given() {
    let all = [
        "--cors-origin=https://*.example.com",
        "--cors-credentials",
        "--cors-allowed-header=x-a",
        "--cors-allowed-header=x-b",
        "--cors-exposed-header=x-c",
        "--cors-max-age=10m",
    ];
    let cors = Cors::new(["https://*.example.com"]).and_then(Cors::credentials).unwrap();
    let cors = cors.allowed_headers(["x-a", "x-b"]).and_then(|cors| cors.exposed_headers(["x-c"])).unwrap();
    assert_eq!(load(&all, &[], "").unwrap().cors, Some(cors.max_age(Duration::from_secs(600))));
    for attribute in &all[1..] {
        let key = attribute.split('=').next().unwrap();
        assert_eq!(command_line_error(&[attribute]), format!("{key}: needs cors-origin too"));
    }
    assert_eq!(
        command_line_error(&["--cors-origin=*", "--cors-exposed-header=a b"]),
        "--cors-exposed-header: \"a b\" can't be the name of a header field"
    );
}

#[test]
fn at_least_one_transport_is_offered() {
    assert_eq!(
        load(&["--transports=polling"], &[], "").unwrap().transports,
        Transports { polling: true, websocket: false }
    );
    assert_eq!(
        load(&["--transports=websocket", "--transports=polling"], &[], "").unwrap().transports,
        Transports { polling: true, websocket: true }
    );
    assert_eq!(
        command_line_error(&["--transports=webtransport"]),
        "--transports: \"webtransport\" is not a transport: use polling, websocket or both"
    );
    assert_eq!(
        file_error("transports = []"),
        "transports in server.toml, line 1: must be polling, websocket or both"
    );
}
