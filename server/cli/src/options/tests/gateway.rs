//! Options of the gateway, and its tables.

use super::*;

#[test]
fn the_gateways_options_make_it_the_application() {
    for option in ["--presence-rooms=r", "--event=a=rooms", "--namespace=/a", "--other-events=refuse"] {
        assert_eq!(load(&[option], &[], "").unwrap().app, App::Gateway, "{option}");
    }
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
    let rule = |name: &str, namespace: Option<&str>, to, rate: Option<&str>, line| EventRule {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        to,
        rate: rate.map(str::to_owned),
        line: choices::RuleLine(Some(line)),
    };
    let rules = [
        rule("typing", Some("/chat"), EventAction::Rooms, Some("5/s"), 9),
        rule("chat", None, EventAction::Backend, None, 14),
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
    assert!(rule("").contains("line 2: needs name and to"));
    // In the second table, each at its own line.
    let second =
        rule("to = 'rooms'\n[[gateway.events]]\nname = 'x'\nto = 'room'\nrate = 'x'\nnamespace = 'a*b'");
    let wrong = [
        "gateway.events in server.toml, line 9: namespace: \"a*b\" is not a namespace: it begins with a slash, and has no comma and no ?",
        "gateway.events in server.toml, line 8: rate: \"x\" is not a rate, such as 5/s, 100/m or 10/10s",
        "gateway.events in server.toml, line 7: to: \"room\" is not one of backend, rooms, namespace, refuse, drop",
    ];
    let mut told: Vec<_> = second.lines().collect();
    told.sort_by_key(|line| std::cmp::Reverse((*line).to_owned()));
    assert_eq!(told, wrong);
    assert_eq!(
        rule(
            "to = 'backend'\n[[gateway.events]]\nname = 'ab*'\nto = 'drop'\n[[gateway.events]]\nname = 'ab*'\nto = 'rooms'"
        ),
        "gateway.events in server.toml, line 2: a: to backend needs webhook too, because there is no backend without it\n\
         gateway.events in server.toml, line 8: ab*: there is another rule for it in line 5: remove one of them"
    );
    assert_eq!(
        file_error("event = ['typing=rooms@5/s']"),
        "event in server.toml, line 1: must be tables: [[gateway.events]], and below it name = \"..\" and to = \"..\""
    );
    assert_eq!(
        file_error("[[gateway.event]]\nname = 'a'\nto = 'rooms'"),
        "gateway.event in server.toml, line 1: no such option; did you mean gateway.events?"
    );
    assert_eq!(
        file_error("[gateway]\nping-interval = '1s'"),
        "gateway.ping-interval in server.toml, line 2: is not an option of the gateway: write it above the first table"
    );
    assert_eq!(
        file_error("jwt-secret = 'x'"),
        "jwt-secret in server.toml, line 1: no such option; did you mean jwt-key?"
    );
    assert_eq!(
        file_error("api = 3001"),
        "api in server.toml, line 1: must be a string, such as \"3001\", and is an integer"
    );
    assert_eq!(
        file_error("pong-interval = '1s'"),
        "pong-interval in server.toml, line 1: no such option; did you mean ping-interval?"
    );
    let tables = "write options above all tables, or those of the gateway in [gateway]";
    assert_eq!(
        file_error("[gatway]\nwebhook = ''"),
        format!("gatway in server.toml, line 1: no such option; {tables}")
    );
    assert_eq!(
        command_line_error(&["--app=gateway", "--event=typing"]),
        "--event: \"typing\" is not a rule, such as typing=rooms or typing=rooms@5/s"
    );
}

#[test]
fn a_webhook_that_is_named_comes_beside_the_usual_ones() {
    let hooks = |options: &[&str]| {
        load(&[&["--webhook=http://a.example"], options].concat(), &[], "").unwrap().webhook_hooks
    };
    let usual = ["connect", "event", "connected", "disconnected", "node_started"];
    assert_eq!(hooks(&[]), usual);
    assert_eq!(hooks(&["--webhook-hook=room_occupied"])[..5], usual, "the backend still says who may join");
    let fewer = ["--webhook-hook=no-event", "--webhook-hook=no-connected", "--webhook-hook=room_vacated"];
    assert_eq!(hooks(&fewer), ["connect", "disconnected", "node_started", "room_vacated"]);
    assert!(
        command_line_error(&["--webhook=http://a.example", "--webhook-hook=no-room"])
            .starts_with("--webhook-hook: \"no-room\" is not one of connect, event")
    );
}
