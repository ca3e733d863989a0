//! The first request.

use engineio::Revision;
use serde_json::json;

use crate::case::Case;
use crate::cases::writing::{case, docs, eio, http, like_reference, script, sio};
use crate::peer::LabPeer;

pub(super) fn request() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "1.1.1",
            "names its revision",
            "The first request has `EIO`, the number of the client's revision.",
            eio("Handshake"),
            script!(peer => {
                let head = peer.join().await?;
                let wanted = peer.revision.number().to_string();
                match head.query("EIO") {
                    // A client that names none is one of revision 3 for the reference.
                    None if peer.revision == Revision::V3 => peer.non_strict(false, "`EIO=3`", head.target),
                    named => peer.check(named == Some(wanted), "the client's revision as `EIO`", head.target)?,
                }
            }),
        ),
        case(
            "1.1.2",
            "names its transport",
            "The first request has `transport`, which is `polling` or `websocket` as the request itself is.",
            eio("Handshake"),
            script!(peer => {
                let head = peer.join().await?;
                let wanted = if head.is_websocket() { "websocket" } else { "polling" };
                peer.check(head.query("transport").as_deref() == Some(wanted), "the transport in the query", head.target)?;
            }),
        ),
        case(
            "1.1.3",
            "opens with GET",
            "The first request is a GET.",
            eio("Handshake"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.method == "GET", "GET", head.method)?;
            }),
        )
        .polling(),
        case(
            "1.1.4",
            "asks for /socket.io/",
            "The path is `/socket.io/` unless the application names another.",
            sio("Connection to a namespace"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.path().trim_end_matches('/') == "/socket.io", "the path `/socket.io/`", head.path())?;
                peer.non_strict(head.path().ends_with('/'), "a slash at the end", head.path());
            }),
        ),
        case(
            "1.1.5",
            "asks for the path that the application names",
            "With the option `path`, all requests have that path.",
            docs("path"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.path().trim_end_matches('/') == "/custom/path", "the path `/custom/path/`", head.path())?;
                peer.alive().await?;
            }),
        )
        .options(json!({"path": "/custom/path/"})),
        case(
            "1.1.6",
            "sends the application's query",
            "The parameters of the option `query` are in the first request, encoded.",
            docs("query"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.query("token").as_deref() == Some("a b&c=d/é"), "`token` is `a b&c=d/é`", head.target)?;
            }),
        )
        .options(json!({"query": {"token": "a b&c=d/é"}})),
        case(
            "1.1.7",
            "sends the application's query with each request",
            "The parameters of the option `query` are in later requests of the session too.",
            like_reference("a balancer may need them"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                peer.check(poll.head.query("token").as_deref() == Some("x"), "`token=x` in a poll", poll.head.target.clone())?;
            }),
        )
        .options(json!({"query": {"token": "x"}}))
        .polling()
        .should(),
        case(
            "1.1.8",
            "opens without a sid",
            "The first request has no `sid`.",
            eio("Handshake"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.query("sid").is_none(), "no `sid`", head.target)?;
            }),
        )
        .should(),
        case(
            "1.1.9",
            "sends the application's header fields",
            "The fields of the option `extraHeaders` are in each request.",
            docs("extraHeaders"),
            script!(peer => {
                let head = peer.join().await?;
                peer.check(head.header("x-lab") == Some("here"), "the field `X-Lab: here`", "it is missing")?;
            }),
        )
        .options(json!({"extraHeaders": {"X-Lab": "here"}}))
        .polling()
        .should(),
        case(
            "1.1.10",
            "names the host that it connects to",
            "Each request has `Host` with the host and port of the URL.",
            http("Host and :authority"),
            script!(peer => {
                let head = peer.join().await?;
                let host = head.header("host").unwrap_or_default().to_owned();
                peer.check(host.contains(':'), "`Host` with the port", host)?;
            }),
        ),
    ]
}
