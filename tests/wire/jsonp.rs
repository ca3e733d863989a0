//! JSONP polling: payloads in scripts and forms.

use engineio::EngineConfig;
use socketio_tests::{Response, TestServer};

use crate::{POLLING, echo};

const FORM: [(&str, &str); 1] = [("Content-Type", "application/x-www-form-urlencoded")];

async fn jsonp() -> TestServer {
    TestServer::echo(EngineConfig { jsonp: true, ..EngineConfig::default() }).await
}

/// The string that a script hands over.
fn payload(script: &Response, index: u32) -> String {
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=UTF-8"));
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(script.header("cache-control"), Some("no-store"));
    let call = script.text().strip_prefix(&format!("___eio[{index}]("));
    let string = call.and_then(|call| call.strip_suffix(");")).expect("a call");
    serde_json::from_str(string).expect("a string")
}

// proves: features/jsonp
#[tokio::test]
async fn payloads_travel_in_scripts_and_forms() {
    let server = jsonp().await;
    let open = payload(&server.get(&format!("{POLLING}&j=0")).await, 0);
    assert!(open.starts_with(r#"0{"sid":""#), "{open}");
    let target = format!("{POLLING}&sid={}&j=12", &open[9..29]);
    let posted = server.connect().await.request("POST", &target, &FORM, b"d=4a%5Cnb%1EbAQID").await;
    assert_eq!((posted.status, posted.text()), (200, "ok"));
    assert_eq!(posted.header("content-type"), Some("text/html"));
    assert_eq!(payload(&server.get(&target).await, 12), "4a\nb\u{1e}bAQID");
}

// proves: features/jsonp
#[tokio::test]
async fn a_script_can_hold_every_text() {
    let server = jsonp().await;
    let opened = server.get(POLLING).await;
    let target = format!("{POLLING}&sid={}", opened.sid());
    let text = "4\"\\\n\u{2028}\u{2029}\0é😀</script>";
    server.post(&target, text).await;
    let script = server.get(&format!("{target}&j=3")).await;
    assert!(!script.text().contains(['\u{2028}', '\u{2029}', '\n']), "{}", script.text());
    assert_eq!(payload(&script, 3), text);
}

// proves: protocol/jsonp
#[tokio::test]
async fn revision_3_sends_base64_by_jsonp() {
    let server = jsonp().await;
    let base = "/engine.io/?EIO=3&transport=polling";
    let open = payload(&server.get(&format!("{base}&j=0")).await, 0);
    let sid = &open[open.find("sid\":\"").unwrap() + 6..][..20];
    let target = format!("{base}&j=0&sid={sid}");
    let posted = server.connect().await.request("POST", &target, &FORM, "d=3:4hé6:b4AQID".as_bytes()).await;
    assert_eq!(posted.text(), "ok");
    assert_eq!(payload(&server.get(&target).await, 0), "3:4hé6:b4AQID");
    // A session that sends bytes can't be polled so.
    let plain = server.open_polling("/engine.io/", 3).await;
    let refused = server.get(&format!("{plain}&j=0")).await;
    assert_eq!((refused.status, refused.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
}

// proves: protocol/jsonp
#[tokio::test]
async fn a_form_without_a_payload_ends_the_session_like_an_empty_post() {
    let server = jsonp().await;
    for body in [&b""[..], b"x=4a", b"d="] {
        let target = format!("{}&j=0", server.open_polling("/engine.io/", 4).await);
        assert_eq!(server.connect().await.request("POST", &target, &FORM, body).await.text(), "ok");
        assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
    }
}

// proves: features/jsonp, protocol/jsonp
#[tokio::test]
async fn nothing_but_a_number_gets_into_a_script() {
    let server = jsonp().await;
    for index in ["", "a", "0];alert(1);//", "-1", "%2b1", "1e3"] {
        let refused = server.get(&format!("{POLLING}&j={index}")).await;
        assert_eq!((refused.status, refused.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
    }
}

// proves: features/jsonp, protocol/jsonp
#[tokio::test]
async fn jsonp_is_refused_at_once_where_it_is_off() {
    let server = echo().await;
    let refused = server.get(&format!("{POLLING}&j=0")).await;
    assert_eq!((refused.status, refused.text()), (400, r#"{"code":0,"message":"Transport unknown"}"#));
    // On a session it means nothing, as before.
    let target = format!("{}&j=0", server.open_polling("/engine.io/", 4).await);
    assert_eq!(server.post(&target, "4a").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4a");
}
