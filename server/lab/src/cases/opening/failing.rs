//! Handshakes that are refused, or fail.

use serde_json::json;

use crate::case::Case;
use crate::cases::writing::{case, docs, http, ms, script};
use crate::peer::LabPeer;
use crate::verdict::Verdict;

/// The answers that refuse a handshake.
const REFUSALS: [(&str, u16, &str, &str); 9] = [
    ("1.5.1", 400, "application/json", "{\"code\":0,\"message\":\"Transport unknown\"}"),
    ("1.5.2", 400, "application/json", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"),
    ("1.5.3", 403, "application/json", "{\"code\":4,\"message\":\"Forbidden\"}"),
    ("1.5.4", 400, "text/plain", "no"),
    ("1.5.5", 401, "text/html", ""),
    ("1.5.6", 404, "text/html", "<html><body>Not Found</body></html>"),
    ("1.5.7", 500, "text/html", "<html><body>Internal Server Error</body></html>"),
    ("1.5.8", 502, "text/html", "<html><body>Bad Gateway</body></html>"),
    ("1.5.9", 503, "application/json", "{\"code\":3,\"message\":\"Bad request\"}"),
];

pub(super) fn refusals() -> Vec<Case<LabPeer>> {
    let titles = [
        "is told of a refused transport",
        "is told of a refused revision",
        "is told of a forbidden handshake",
        "is told of a refusal in plain text",
        "is told of a refusal without a body",
        "is told of a missing endpoint",
        "is told of a server's error",
        "is told of a gateway's error",
        "is told of a busy server",
    ];
    let refusal = |(title, (id, ..)): (&'static str, (&'static str, u16, &str, &str))| {
        case(
            id,
            title,
            "The application is told `connect_error` if the handshake is refused, whatever the body.",
            docs("Event: 'connect_error'"),
            script!(peer => {
                let request = peer.handshake().await?;
                if let Some((_, status, kind, body)) = REFUSALS.iter().find(|(id, ..)| *id == peer.id) {
                    request.answer(*status, &[("Content-Type", kind)], body.as_bytes()).await;
                }
                peer.saw("connect_error").await?;
            }),
        )
        .driven()
        .polling()
    };
    let mut all: Vec<_> = titles.into_iter().zip(REFUSALS).map(refusal).collect();
    all.push(
        case(
            "1.5.10",
            "is told of a refused WebSocket",
            "The application is told `connect_error` if the WebSocket handshake is refused.",
            docs("Event: 'connect_error'"),
            script!(peer => {
                let request = peer.handshake().await?;
                request.answer(400, &[("Connection", "close")], b"{\"code\":3,\"message\":\"Bad request\"}").await;
                peer.saw("connect_error").await?;
            }),
        )
        .driven()
        .websocket(),
    );
    all.push(
        case(
            "1.5.11",
            "stops after a refusal if it may not reconnect",
            "With `reconnection: false`, a refused handshake is the last request.",
            docs("reconnection"),
            script!(peer => {
                let request = peer.handshake().await?;
                request.answer(400, &[], b"").await;
                peer.no_handshake_for(ms(800)).await?;
            }),
        )
        .driven()
        .polling(),
    );
    all
}

pub(super) fn failures() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "1.6.1",
            "is told of a connection that is cut off",
            "The application is told `connect_error` if the connection is reset during the handshake.",
            docs("Event: 'connect_error'"),
            script!(peer => {
                peer.handshake().await?.reset();
                // Some HTTP clients try a GET again by themselves.
                while let Some(again) = peer.wait_for_handshake_or("connect_error").await? {
                    again.reset();
                }
                peer.saw("connect_error").await?;
            }),
        )
        .driven(),
        case(
            "1.6.2",
            "is told of a connection that is closed",
            "The application is told `connect_error` if the server closes the connection without an answer.",
            docs("Event: 'connect_error'"),
            script!(peer => {
                drop(peer.handshake().await?);
                while let Some(again) = peer.wait_for_handshake_or("connect_error").await? {
                    drop(again);
                }
                peer.saw("connect_error").await?;
            }),
        )
        .driven(),
        case(
            "1.6.3",
            "is told that nobody listens",
            "The application is told `connect_error` if the connection is refused.",
            docs("Event: 'connect_error'"),
            script!(peer => {
                peer.shut_door().await;
                peer.saw("connect_error").await?;
            }),
        )
        .driven(),
        case(
            "1.6.4",
            "doesn't wait for ever for the handshake",
            "Without an answer to the handshake, the application is told `connect_error` after the option `timeout`.",
            docs("timeout"),
            script!(peer => {
                let request = peer.handshake().await?;
                let wait = peer.patience.max(ms(4_000));
                peer.saw_within("connect_error", wait).await?;
                drop(request);
            }),
        )
        .options(json!({"timeout": 1_000}))
        .feature("timeout"),
        case(
            "1.6.5",
            "doesn't hang at a redirect",
            "A redirect of the handshake is followed, or the application is told `connect_error`.",
            http("Redirection"),
            script!(peer => {
                let request = peer.handshake().await?;
                let target = format!("{}&redirected=1", request.head.target);
                request.answer(307, &[("Location", &target)], b"").await;
                let followed = match peer.wait_for_handshake_or("connect_error").await? {
                    None => false,
                    Some(again) => again.head.query("redirected").is_some(),
                };
                peer.informational(followed, "the redirect is followed, or the application is told", "it was told");
            }),
        )
        .driven()
        .polling()
        .should(),
        case(
            "1.6.6",
            "keeps a cookie",
            "A cookie of the handshake comes back, which balancers with sticky sessions need.",
            docs("withCredentials"),
            script!(peer => {
                let request = peer.handshake().await?;
                let open = peer.open_packet();
                peer.answer_handshake_cookie(request, &open, "node=7; Path=/").await?;
                let poll = peer.poll().await?;
                let cookie = poll.head.header("cookie").unwrap_or("no cookie").to_owned();
                peer.informational(cookie.contains("node=7"), "the cookie comes back", cookie);
            }),
        )
        .polling()
        .should(),
        case(
            "1.6.7",
            "keeps to polling if it may not upgrade",
            "A client that is told to use polling alone opens no WebSocket, even if the server offers it.",
            docs("transports"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["upgrades"] = json!(["websocket"]);
                peer.join_with(&open).await?;
                peer.no_upgrade_for(ms(600)).await.map_err(|unmet| unmet.rather(Verdict::Fail))?;
            }),
        )
        .driven()
        .polling(),
    ]
}
