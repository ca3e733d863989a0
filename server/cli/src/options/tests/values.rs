//! Values, alone and together.

use super::*;

// proves: protocol/wrong-values
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
            r#""localhost" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), unix:PATH, or systemd"#,
        ),
        (
            "--listen",
            "127.0.0.1:70000",
            r#""127.0.0.1:70000" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), unix:PATH, or systemd"#,
        ),
        (
            "--listen",
            "unix:",
            r#""unix:" is not a place to listen: give a port (3000, or :3000 for every address), an address and a port (localhost:3000, [::1]:3000), unix:PATH, or systemd"#,
        ),
        ("--backlog", "0", r#""0" is not a number of connections, such as 1024"#),
        ("--backlog", "2147483648", r#""2147483648" is not a number of connections, such as 1024"#),
        ("--tls-key", "", "the name of a file can't be empty"),
        ("--deflate-level", "0", r#""0" is not a level of compression: give a number from 1 to 9"#),
        ("--deflate-level", "7", "needs per-message-deflate too"),
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
        (
            "--presence-rooms",
            "*x",
            r#""*x" has a * that is not at its end: only there it stands for anything"#,
        ),
        (
            "--namespace",
            "/a*b",
            r#""/a*b" has a * that is not at its end: only there it stands for anything"#,
        ),
        (
            "--event",
            "a*b=rooms",
            r#""a*b" has a * that is not at its end: only there it stands for anything"#,
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
        "--no-eio4: no-eio3 is set too, so no client could connect: remove one of them"
    );
    assert_eq!(
        file_error("cors-origin = '*'\ncors-credentials = true"),
        "cors-credentials in server.toml, line 2: credentials can't be allowed for every origin (`*`)"
    );
    assert_eq!(
        environment_error("SOCKETIO_CORS_CREDENTIALS", "true"),
        "SOCKETIO_CORS_CREDENTIALS: needs cors-origin too"
    );
    assert_eq!(
        command_line_error(&["--webtransport=127.0.0.1:443"]),
        "--webtransport: needs tls-cert and tls-key too, because WebTransport is always encrypted"
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
    let names = ["--namespace=/a", "--app=chat"];
    assert_eq!(command_line_error(&names), "--namespace: needs app = gateway too");
    let no_backend = "to backend needs webhook too, because there is no backend without it";
    assert_eq!(command_line_error(&["--event=a=backend"]), format!("--event: a: {no_backend}"));
    let other = command_line_error(&["--other-events=backend"]);
    assert!(other.starts_with("--other-events: backend needs webhook too"), "{other}");
    let no_hook = ["--webhook=http://a.example", "--webhook-hook=no-event", "--webhook-events=a"];
    assert_eq!(
        command_line_error(&no_hook),
        "--webhook-events: needs the hook event, which webhook-hook leaves out"
    );
    assert_eq!(
        command_line_error(&["--event=a*=rooms", "--event=b=drop", "--event=a*=drop"]),
        "--event: a*: there is another rule for it: remove one of them"
    );
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
        "--redis: must be a URL that begins with redis://, rediss://, unix:// or redis+sentinel://"
    );
    assert_eq!(
        command_line_error(&["--redis=redis+sentinel://one/main", "--redis=redis://two"]),
        "--redis: must be only URLs of sentinels, or none of them"
    );
    assert_eq!(
        command_line_error(&["--app=laravel-echo", "--echo-redis=redis+sentinel://one/main"]),
        "--echo-redis: must be a URL that begins with redis://, rediss:// or unix://"
    );
    let problem = "is more than half of drain-timeout, so the last clients could not leave in time: make it \
                   shorter, or drain-timeout longer";
    assert_eq!(command_line_error(&["--drain-spread=16s"]), format!("--drain-spread: {problem}"));
    // The default is cut instead.
    assert_eq!(load(&["--drain-timeout=2s"], &[], "").unwrap().drain_spread, Duration::from_secs(10));
    let hook = |timeout| ["--webhook=http://a.example/", timeout];
    let problem = "is more than a fifth of hook-timeout, the rest of which clients may wait for their turn: make it \
                   shorter, or hook-timeout longer";
    assert_eq!(
        command_line_error(&hook("--webhook-connect-timeout=4001ms")),
        format!("--webhook-connect-timeout: {problem}")
    );
    assert!(load(&hook("--webhook-connect-timeout=4s"), &[], "").is_ok());
    // The default is cut instead.
    assert!(load(&hook("--hook-timeout=2s"), &[], "").is_ok());
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
fn a_path_ends_with_a_slash() {
    for (given, settled) in [("/chat", "/chat/"), ("/chat/", "/chat/"), ("/a/b.c", "/a/b.c/"), ("/", "/")] {
        assert_eq!(load(&["--path", given], &[], "").unwrap().path, settled);
    }
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
