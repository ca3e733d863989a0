//! What a request wants, by its query and by what is known of its session.

use super::*;
use crate::ErrorCode;

const SID: &str = "abcdefghijklmnopqrst";

fn sid() -> Sid {
    Sid::parse(SID).unwrap()
}

const V4: PayloadFormat = PayloadFormat { revision: Revision::V4, base64: false };
const V3: PayloadFormat = PayloadFormat { revision: Revision::V3, base64: false };

/// A handshake of this revision.
fn open(transport: Transport, format: PayloadFormat, jsonp: Option<Jsonp>) -> Route {
    let PayloadFormat { revision, base64 } = format;
    Route::Open(Open { transport, jsonp, revision: Some(revision), base64 })
}

/// One session exists: `SID`, as given. The last check's refusal is returned like the others.
fn find_in(
    config: &EngineConfig,
    known: Known,
    method: Method,
    query: &str,
    upgrade: bool,
) -> Result<Route, Refusal> {
    let lookup = |asked: &Sid| (*asked == sid()).then_some(known);
    let by = if upgrade { Transport::WebSocket } else { Transport::Polling };
    match Route::find(config, method, Query::new(query), by, lookup) {
        Ok(Route::Open(open)) => open.format(config).map(|_| Route::Open(open)),
        other => other,
    }
}

/// The same with the default settings, and what the client is told.
fn find_on(session: Transport, method: Method, query: &str, upgrade: bool) -> Result<Route, ErrorCode> {
    let known = Known { format: V4, transport: session };
    find_in(&EngineConfig::default(), known, method, query, upgrade).map_err(Refusal::error_code)
}

fn find(method: Method, query: &str, upgrade: bool) -> Result<Route, ErrorCode> {
    find_on(Transport::Polling, method, query, upgrade)
}

// proves: protocol/order-of-checks
#[test]
fn the_transport_is_checked_first() {
    assert_eq!(find(Method::Get, "EIO=9", false), Err(ErrorCode::TransportUnknown));
    assert_eq!(find(Method::Post, "transport=constructor&sid=x", false), Err(ErrorCode::TransportUnknown));
    assert_eq!(find(Method::Get, "transport=__proto__&EIO=4", true), Err(ErrorCode::TransportUnknown));
}

#[test]
fn the_last_transport_wins() {
    let query = "EIO=4&transport=polling&transport=websocket";
    assert_eq!(find(Method::Get, query, false), Err(ErrorCode::BadRequest));
}

// proves: features/wish/unknown-sid
#[test]
fn an_unknown_or_malformed_sid_is_code_1() {
    for sid in ["zzz", "__proto__", "abcdefghijklmnopqrsT", &"a".repeat(10_000)] {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        assert_eq!(find(Method::Get, &query, false), Err(ErrorCode::SessionUnknown));
    }
}

// proves: protocol/repeated-parameters
#[test]
fn an_empty_sid_is_a_handshake() {
    assert_eq!(
        find(Method::Get, "EIO=4&transport=polling&sid=", false),
        Ok(open(Transport::Polling, V4, None))
    );
}

// proves: protocol/revisions
#[test]
fn a_revision_other_than_the_sessions_is_code_3() {
    for eio in ["", "&EIO=", "&EIO=2", "&EIO=3", "&EIO=5"] {
        let query = format!("transport=polling&sid={SID}{eio}");
        assert_eq!(find(Method::Get, &query, false), Err(ErrorCode::BadRequest));
    }
}

// proves: protocol/revisions
#[test]
fn no_eio_and_any_below_3_mean_revision_3_in_each_request() {
    let config = EngineConfig::default();
    let known = Known { format: V3, transport: Transport::Polling };
    for eio in ["", "&EIO", "&EIO=", "&EIO=0", "&EIO=1", "&EIO=2", "&EIO=3"] {
        let opened = open(Transport::Polling, V3, None);
        assert_eq!(find(Method::Get, &format!("transport=polling{eio}"), false), Ok(opened), "{eio}");
        let websocket = find(Method::Get, &format!("transport=websocket{eio}"), true);
        assert_eq!(websocket, Ok(open(Transport::WebSocket, V3, None)), "{eio}");
        let on = |transport| format!("transport={transport}&sid={SID}{eio}");
        for (method, route) in
            [(Method::Get, Route::Poll { jsonp: None }), (Method::Post, Route::Post { jsonp: None })]
        {
            assert_eq!(find_in(&config, known, method, &on("polling"), false), Ok(route), "{eio}");
        }
        assert_eq!(find_in(&config, known, Method::Get, &on("websocket"), true), Ok(Route::Probe), "{eio}");
    }
}

// proves: protocol/revisions
#[test]
fn a_handshake_is_a_get_of_a_spoken_revision() {
    for method in [Method::Post, Method::Other] {
        assert_eq!(find(method, "transport=polling&EIO=5", false), Err(ErrorCode::HandshakeMethod));
    }
    for eio in ["5", "10", "04", "+4", "-1", "3.0", "four", "%204"] {
        let query = format!("transport=polling&EIO={eio}");
        assert_eq!(find(Method::Get, &query, false), Err(ErrorCode::RevisionUnsupported));
    }
    let config = EngineConfig { revision_3: false, ..EngineConfig::default() };
    let known = Known { format: V4, transport: Transport::Polling };
    for eio in ["", "&EIO=", "&EIO=2", "&EIO=3"] {
        assert_eq!(
            find_in(&config, known, Method::Get, &format!("transport=polling{eio}"), false),
            Err(Refusal::RevisionUnsupported)
        );
    }
}

#[test]
fn a_websocket_needs_its_upgrade_and_polling_has_none() {
    assert_eq!(find(Method::Get, "transport=websocket&EIO=4", false), Err(ErrorCode::BadRequest));
    assert_eq!(find(Method::Get, "transport=polling&EIO=4", true), Err(ErrorCode::BadRequest));
}

// proves: protocol/methods
#[test]
fn a_session_is_polled_posted_to_and_probed() {
    let polling = format!("EIO=4&transport=polling&sid={SID}");
    let websocket = format!("EIO=4&transport=websocket&sid={SID}");
    assert_eq!(find(Method::Get, &polling, false), Ok(Route::Poll { jsonp: None }));
    assert_eq!(find(Method::Post, &polling, false), Ok(Route::Post { jsonp: None }));
    assert_eq!(find(Method::Other, &polling, false), Ok(Route::MethodNotAllowed));
    assert_eq!(find(Method::Get, &websocket, true), Ok(Route::Probe));
    assert_eq!(find(Method::Get, &websocket, false), Err(ErrorCode::BadRequest));
}

#[test]
fn polling_on_an_upgraded_session_is_code_3() {
    let query = format!("EIO=4&transport=polling&sid={SID}");
    for method in [Method::Get, Method::Post] {
        assert_eq!(find_on(Transport::WebSocket, method, &query, false), Err(ErrorCode::BadRequest));
    }
}

// proves: protocol/b64
#[test]
fn any_value_of_b64_but_the_empty_one_asks_for_base64() {
    for (query, asked) in [("b64=1", true), ("b64=0", true), ("b64=", false), ("", false)] {
        let query = format!("EIO=3&transport=polling&{query}");
        let Ok(Route::Open(open)) = find(Method::Get, &query, false) else {
            panic!("{query} is a handshake");
        };
        let format = PayloadFormat { revision: Revision::V3, base64: asked };
        assert_eq!(open.format(&EngineConfig::default()), Ok(format));
    }
}

// proves: features/connection-error, features/wish/unknown-sid
#[test]
fn a_fault_says_more_than_its_refusal() {
    let polling = Known { format: V4, transport: Transport::Polling };
    let websocket = Known { format: V4, transport: Transport::WebSocket };
    let on = format!("EIO=4&sid={SID}&transport=");
    let config = EngineConfig { allow_upgrades: false, ..EngineConfig::default() };
    for (known, query, upgrade, refusal) in [
        (polling, format!("{on}websocket"), false, Refusal::TransportHandshake),
        (polling, format!("{on}polling"), true, Refusal::TransportHandshake),
        (
            websocket,
            format!("{on}polling"),
            false,
            Refusal::TransportMismatch { session: Transport::WebSocket },
        ),
        (polling, format!("{on}polling&EIO=3"), false, Refusal::RevisionMismatch { session: Revision::V4 }),
        (polling, format!("{on}websocket"), true, Refusal::UpgradesOff),
    ] {
        assert_eq!(find_in(&config, known, Method::Get, &query, upgrade), Err(refusal), "{query}");
        assert_eq!(refusal.error_code(), ErrorCode::BadRequest);
    }
}

// proves: features/transports, protocol/offered-transports
#[test]
fn each_transport_can_be_offered_alone() {
    let config = EngineConfig { websocket: false, ..EngineConfig::default() };
    let known = Known { format: V4, transport: Transport::Polling };
    let find = |config, query, upgrade| find_in(config, known, Method::Get, query, upgrade);
    assert!(find(&config, "EIO=4&transport=polling", false).is_ok());
    assert_eq!(find(&config, "EIO=4&transport=websocket", true), Err(Refusal::TransportUnknown));
    let config = EngineConfig { polling: false, ..EngineConfig::default() };
    assert!(find(&config, "EIO=4&transport=websocket", true).is_ok());
    assert_eq!(find(&config, "EIO=4&transport=polling", false), Err(Refusal::TransportUnknown));
}

// proves: protocol/jsonp-off
#[test]
fn jsonp_is_refused_at_the_handshake_where_it_is_off_and_means_nothing_later() {
    assert_eq!(find(Method::Get, "EIO=4&transport=polling&j=0", false), Err(ErrorCode::TransportUnknown));
    let polling = format!("EIO=4&transport=polling&sid={SID}&j=0");
    assert_eq!(find(Method::Get, &polling, false), Ok(Route::Poll { jsonp: None }));
}

#[test]
fn jsonp_asks_for_base64_and_goes_with_each_request() {
    let config = EngineConfig { jsonp: true, ..EngineConfig::default() };
    let find = |known, method, query: &str| find_in(&config, known, method, query, false);
    let text = Known { format: V4, transport: Transport::Polling };
    let binary = Known { format: V3, transport: Transport::Polling };
    let jsonp = Jsonp::asked(Query::new("j=3")).unwrap();
    assert_eq!(
        find(text, Method::Get, "EIO=3&transport=polling&j=3"),
        Ok(open(Transport::Polling, PayloadFormat { base64: true, ..V3 }, jsonp))
    );
    let on = format!("transport=polling&sid={SID}&j=3");
    assert_eq!(find(text, Method::Get, &format!("{on}&EIO=4")), Ok(Route::Poll { jsonp }));
    assert_eq!(find(text, Method::Post, &format!("{on}&EIO=4")), Ok(Route::Post { jsonp }));
    // A payload of bytes does not fit into a script.
    assert_eq!(find(binary, Method::Get, &format!("{on}&EIO=3")), Err(Refusal::JsonpUnfit));
    assert_eq!(find(text, Method::Get, "EIO=4&transport=polling&j=a"), Err(Refusal::JsonpUnfit));
}

// proves: features/allow-upgrades, protocol/upgrades-on-websocket
#[test]
fn the_open_packet_offers_upgrades_on_polling_alone() {
    let open = |transport| match open_packet(&EngineConfig::default(), &sid(), transport, Revision::V4) {
        Packet::Open(json) => json,
        other => panic!("not an open packet: {other:?}"),
    };
    assert_eq!(
        open(Transport::Polling),
        r#"{"sid":"abcdefghijklmnopqrst","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    );
    assert!(open(Transport::WebSocket).contains(r#""upgrades":[]"#));
}
