//! Each option in its three forms, what goes before what, and defaults.

use std::ffi::OsString;

use super::*;

#[test]
fn the_defaults_are_the_references() {
    let options = load(&[], &[], "").unwrap();
    assert_eq!(options.app, App::Chat);
    assert_eq!(options.listen, [Place::Net(NetPlace::Localhost(3000))]);
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
    assert!(!options.strict_heartbeat);
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
    let protocol = socketio_server::EngineConfig::default();
    assert_eq!((options.max_packets, options.send_budget), (protocol.max_packets, protocol.send_budget));
    assert_eq!(options.max_fragments, protocol.max_fragments);
    assert_eq!(options.max_packet_rate, protocol.packets_per_second);
    assert_eq!(options.max_byte_rate, protocol.bytes_per_second);
    assert_eq!(options.max_ping_rate, protocol.pings_per_second);
    assert_eq!(options.memory_budget, protocol.memory_budget);
    assert_eq!(options.per_message_deflate(), protocol.per_message_deflate);
    let deflate = load(&["--per-message-deflate"], &[], "").unwrap().per_message_deflate();
    assert_eq!(deflate, Some(PerMessageDeflate::default()));
    let socketio = socketio::IoConfig::default();
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

/// Some value of each option, as text and as TOML. A new option needs a line here.
const SAMPLES: &[(&str, &str, &str)] = &[
    ("app", "none", "'none'"),
    ("listen", "[::1]:80", "'[::1]:80'"),
    ("backlog", "16", "16"),
    ("tls-cert", "chain.pem", "'chain.pem'"),
    ("tls-key", "key.pem", "'key.pem'"),
    ("webtransport", "127.0.0.1:443", "'127.0.0.1:443'"),
    ("trusted-proxy", "10.0.0.0/8", "['10.0.0.0/8']"),
    ("proxy-protocol", "true", "true"),
    ("path", "/chat", "'/chat'"),
    ("trailing-slash", "required", "'required'"),
    ("client-dir", "dist", "'dist'"),
    ("drain-timeout", "0s", "'0s'"),
    ("drain-spread", "0s", "'0s'"),
    ("drain-wait", "15s", "'15s'"),
    ("ping-interval", "1m 30s", "'1m 30s'"),
    ("ping-timeout", "500ms", "'500ms'"),
    ("strict-heartbeat", "true", "true"),
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
    ("per-message-deflate", "true", "true"),
    ("deflate-threshold", "7", "7"),
    ("deflate-level", "9", "9"),
    ("deflate-context-takeover", "true", "true"),
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
    ("webhook-hook", "room_occupied", "['room_occupied']"),
    ("webhook-header", "cookie", "['cookie']"),
    ("webhook-events", "chat,typing", "['chat', 'typing']"),
    ("webhook-connect-timeout", "1s", "'1s'"),
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
            key if key.starts_with("deflate-") => {
                (&["--per-message-deflate"][..], "per-message-deflate = true")
            }
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
            "webtransport" => {
                (&["--tls-cert=c.pem", "--tls-key=k.pem"][..], "tls-cert = 'c.pem'\ntls-key = 'k.pem'")
            }
            "proxy-protocol" => (&["--trusted-proxy=unix"][..], "trusted-proxy = ['unix']"),
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
fn an_option_that_has_another_name_now_works_by_its_old_one_and_that_is_told() {
    let options = load(
        &["--listen-on", ":80", "--listen-on=:81", "--refuse-eio3", "--config", "server.toml"],
        &[("SOCKETIO_REFUSE_EIO3", "false")],
        "ping-every = '2s'",
    );
    let options = options.unwrap_or_else(|stop| panic!("{stop:?}"));
    assert_eq!(options.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), [":80", ":81"]);
    assert!(options.no_eio3, "the command line comes before the environment");
    assert_eq!(options.ping_interval, Duration::from_secs(2));
    let told: Vec<_> = options.renamed.iter().map(|(place, name)| format!("{place}: {name}")).collect();
    let expected = [
        "ping-every in server.toml, line 1: ping-interval",
        "SOCKETIO_REFUSE_EIO3: no-eio3",
        "--listen-on: listen",
        "--refuse-eio3: no-eio3",
    ];
    assert_eq!(told, expected);
    // The new name counts where both are given, and is told of nowhere.
    let options =
        load(&["--ping-interval=3s", "--ping-every=2s"], &[], "").unwrap_or_else(|stop| panic!("{stop:?}"));
    assert_eq!(options.ping_interval, Duration::from_secs(3));
    assert!(load(&["--ping-interval=3s"], &[], "").is_ok_and(|options| options.renamed.is_empty()));
    assert_eq!(command_line_error(&["--ping-every=0s"]), "--ping-every: must be 1ms or more");
    assert!(sources::unknown_variables(["SOCKETIO_PING_EVERY".into()]).is_empty());
    let help = sources::command().render_long_help().to_string();
    assert!(help.contains("--ping-interval") && !help.contains("--ping-every"));
    let check = ["socketio-server", "config", "check", "server.toml"].map(OsString::from);
    let checked = Command::settle(check, [], |_| Ok("ping-every = '2s'".to_owned()));
    let Ok(Command::ConfigCheck(checked)) = checked else { panic!("{checked:?}") };
    assert_eq!(checked.options.renamed, [("ping-every in server.toml, line 1".to_owned(), "ping-interval")]);
}
