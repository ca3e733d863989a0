//! A socket in the form that the page expects.

use serde::Serialize;
use serde_json::{Map, Value, json};
use socketio::{HandshakeDetails, SocketDetails, Transport};

/// The key of a socket's data under which the page's values are kept, so that other nodes know them.
pub(crate) const KEY: &str = "_admin";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'a Value>,
    nsp: &'a str,
    data: Map<String, Value>,
    handshake: Handshake<'a>,
    rooms: &'a [String],
}

/// What has changed about a socket.
#[derive(Serialize)]
pub(crate) struct Updated<'a> {
    pub(crate) id: &'a str,
    pub(crate) nsp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transport: Option<&'static str>,
}

/// Without auth.
#[derive(Serialize)]
struct Handshake<'a> {
    address: &'a str,
    headers: &'a Map<String, Value>,
    query: &'a Map<String, Value>,
    issued: u64,
    secure: bool,
    time: &'a str,
    url: &'a str,
    xdomain: bool,
}

impl<'a> Details<'a> {
    pub(crate) fn of(details: &'a SocketDetails, nsp: &'a str) -> Details<'a> {
        let kept = details.data.get(KEY);
        let HandshakeDetails { headers, time, xdomain, secure, issued, url, query, .. } = &*details.handshake;
        let handshake = Handshake {
            address: address(&details.handshake),
            headers,
            query,
            issued: *issued,
            secure: *secure,
            time,
            url,
            xdomain: *xdomain,
        };
        Details {
            id: &details.id,
            client_id: kept.and_then(|kept| kept.get("clientId")),
            transport: kept.and_then(|kept| kept.get("transport")),
            nsp,
            data: data(details),
            handshake,
            rooms: &details.rooms,
        }
    }
}

/// What the application keeps with a socket.
pub(crate) fn data(details: &SocketDetails) -> Map<String, Value> {
    let mut data = details.data.as_object().cloned().unwrap_or_default();
    data.remove(KEY);
    data
}

/// Puts stars in the place of what tells who a client is. The protocol's own parameters stay.
pub(crate) fn hide_secrets(handshake: &mut HandshakeDetails) {
    let stars = |text: &str| "*".repeat(text.chars().count());
    for name in ["authorization", "cookie", "proxy-authorization"] {
        if let Some(value) = handshake.headers.get_mut(name) {
            *value = stars(value.as_str().unwrap_or_default()).into();
        }
    }
    let is_secret = |name: &str| !["EIO", "transport", "t", "b64", "j"].contains(&name);
    for (_, value) in handshake.query.iter_mut().filter(|(name, _)| is_secret(name)) {
        *value = stars(value.as_str().unwrap_or_default()).into();
    }
    if let Some((path, query)) = handshake.url.split_once('?') {
        let query = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, value)) if is_secret(name) => format!("{name}={}", stars(value)),
            _ => parameter.to_owned(),
        });
        handshake.url = format!("{path}?{}", query.collect::<Vec<_>>().join("&"));
    }
}

/// What is kept with a socket for the page.
pub(crate) fn kept(client_id: &str, transport: Transport) -> Value {
    json!({ "clientId": client_id, "transport": transport.as_str() })
}

/// The client's address as the reference shows it: what these fields say, whoever sent them.
fn address(handshake: &HandshakeDetails) -> &str {
    ["cf-connecting-ip", "x-forwarded-for"]
        .iter()
        .find_map(|name| handshake.headers.get(*name)?.as_str().filter(|value| !value.is_empty()))
        .unwrap_or(&handshake.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: features/admin-ui
    #[test]
    fn a_socket_is_shown_with_its_values_and_without_its_auth() {
        let told = json!({
            "id": "a",
            "handshake": {
                "headers": { "x-forwarded-for": "192.0.2.1" }, "time": "now", "address": "127.0.0.1", "xdomain": true,
                "secure": false, "issued": 5, "url": "/", "query": { "EIO": "4" }, "auth": { "token": "secret" },
            },
            "rooms": ["a", "r"],
            "data": { "name": "Ada", "_admin": { "clientId": "c", "transport": "polling" } },
        });
        let details: SocketDetails = serde_json::from_value(told).unwrap();
        let shown = serde_json::to_string(&Details::of(&details, "/n")).unwrap();
        assert_eq!(
            shown,
            r#"{"id":"a","clientId":"c","transport":"polling","nsp":"/n","data":{"name":"Ada"},"handshake":{"address":"192.0.2.1","headers":{"x-forwarded-for":"192.0.2.1"},"query":{"EIO":"4"},"issued":5,"secure":false,"time":"now","url":"/","xdomain":true},"rooms":["a","r"]}"#
        );
        let mut handshake = HandshakeDetails::default();
        handshake.headers.extend([("cookie".into(), json!("io=1")), ("host".into(), json!("a"))]);
        handshake.query.extend([("EIO".into(), json!("4")), ("token".into(), json!("secret"))]);
        handshake.url = "/socket.io/?EIO=4&token=secret".into();
        hide_secrets(&mut handshake);
        assert_eq!(json!(handshake.headers), json!({ "cookie": "****", "host": "a" }));
        assert_eq!(json!(handshake.query), json!({ "EIO": "4", "token": "******" }));
        assert_eq!(handshake.url, "/socket.io/?EIO=4&token=******");
        // A node that has no administrators.
        let details: SocketDetails = serde_json::from_value(json!({ "id": "b" })).unwrap();
        let shown = serde_json::to_value(Details::of(&details, "/")).unwrap();
        assert_eq!((&shown["id"], &shown["data"]), (&json!("b"), &json!({})));
        assert_eq!((shown.get("clientId"), shown.get("transport")), (None, None));
    }
}
