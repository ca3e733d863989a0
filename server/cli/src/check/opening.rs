//! The handshake: connection, TLS, revisions, cookies, CORS, compression.

use engineio::Revision;
use engineio::client::OpenPacket;
use http::{HeaderValue, header};
use tokio::time::Instant;

use super::finding::{Finding, Fix};
use super::report::Report;
use super::session::{Handshake, get, query};
use crate::dial::{Connected, Reply, Target, advice, not_opened};
use crate::options::Check;

/// Opens a session; `None` if there is no server to look at.
pub(super) async fn check(target: &Target, options: &Check, report: &mut Report) -> Option<OpenPacket> {
    match Connected::open(target).await {
        Err(error) => {
            report.add(Finding::bad("connect", error.to_string(), None));
            return None;
        }
        Ok(connected) => {
            report.add(
                Finding::ok("connect", format!("{} accepts connections", target.url.authority()))
                    .took(connected.tcp),
            );
            if let (Some(took), Some(version)) = (connected.tls, connected.tls_version) {
                report
                    .add(Finding::ok("TLS", format!("{version}, and its certificate is trusted")).took(took));
            }
        }
    }
    let began = Instant::now();
    let reply = match get(target, &query(options.revision), &[]).await {
        Ok(reply) => reply,
        Err(error) => {
            let says = format!(
                "a handshake fails: {error}. Is a Socket.IO server behind this address, and does the proxy reach it?"
            );
            report.add(Finding::bad("handshake", says, None));
            return None;
        }
    };
    let took = began.elapsed();
    let opened = match Handshake::of(&reply, options.revision) {
        Handshake::Opened(opened) => opened,
        other => {
            report.add(Finding::bad("handshake", why(&other, &reply, target), None));
            return None;
        }
    };
    report.add(Finding::ok("handshake", promised(&opened, options.revision)).took(took));
    cookies(target, report);
    revisions(target, options, report).await;
    compression(target, options, report).await;
    cors(target, options, report).await;
    Some(opened)
}

fn promised(opened: &OpenPacket, revision: Revision) -> String {
    let upgrades =
        if opened.upgrades.is_empty() { "no upgrade".to_owned() } else { opened.upgrades.join(", ") };
    let payload =
        opened.max_payload.map(|bytes| format!(", requests up to {bytes} bytes")).unwrap_or_default();
    format!(
        "Engine.IO {}, offers {upgrades}, a ping every {:?} with {:?} to answer{payload}",
        revision.number(),
        opened.ping_interval,
        opened.ping_timeout
    )
}

/// Why there is no session, and what that usually means.
fn why(handshake: &Handshake, reply: &Reply, target: &Target) -> String {
    match handshake {
        Handshake::Refused(refusal) => match (advice(refusal, &target.path), reply.field("location")) {
            (Some(advice), Some(location)) => format!("{refusal}: {advice}, {location:?}"),
            (Some(advice), None) => format!("{refusal}: {advice}"),
            (None, _) => refusal.to_string(),
        },
        Handshake::NotOpened(body) => {
            format!("the answer is {body:?}: {}", not_opened(&reply.body, &target.path))
        }
        Handshake::Opened(_) => String::new(),
    }
}

fn cookies(target: &Target, report: &mut Report) {
    let names = target.cookies.names();
    if !names.is_empty() {
        report.add(Finding::note("cookies", format!("the server sets {}", names.join(", "))));
    }
}

/// Whether clients of the other revision can connect as well.
async fn revisions(target: &Target, options: &Check, report: &mut Report) {
    let (other, clients) = match options.revision {
        Revision::V4 => (Revision::V3, "socket.io clients 1 and 2"),
        Revision::V3 => (Revision::V4, "socket.io clients 3 and 4"),
    };
    let reply = match get(target, &query(other), &[]).await {
        Ok(reply) => reply,
        Err(error) => {
            return report.add(Finding::bad(
                "revisions",
                format!("a handshake of {clients} fails: {error}"),
                None,
            ));
        }
    };
    report.add(match Handshake::of(&reply, other) {
        Handshake::Opened(_) => Finding::ok("revisions", format!("{clients} can connect as well")),
        Handshake::Refused(_) | Handshake::NotOpened(_) => {
            Finding::note("revisions", format!("{clients} can't connect (EIO={})", other.number()))
        }
    });
}

async fn compression(target: &Target, options: &Check, report: &mut Report) {
    let asks = [(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))];
    match get(target, &query(options.revision), &asks).await {
        Ok(reply) => {
            if let Some(coding) = reply.field("content-encoding") {
                let says = format!("even short answers are compressed ({coding}): that costs time");
                report.add(Finding::note("compression", says));
            }
        }
        Err(error) => {
            let says = format!("a handshake that takes compressed answers fails: {error}");
            report.add(Finding::bad("compression", says, None));
        }
    }
}

/// Whether the pages of that origin may connect.
async fn cors(target: &Target, options: &Check, report: &mut Report) {
    let Some(origin) = &options.origin else { return };
    let fields = [(header::ORIGIN, origin.clone())];
    let reply = match get(target, &query(options.revision), &fields).await {
        Ok(reply) => reply,
        Err(error) => {
            let says = format!("a handshake of a page of {} fails: {error}", shown(origin));
            return report.add(Finding::bad("CORS", says, None));
        }
    };
    let shown_origin = shown(origin);
    let allowed: Vec<_> = reply.fields.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
    report.add(match allowed[..] {
        [] => {
            let says = format!(
                "a browser refuses answers to pages of {shown_origin}: there is no Access-Control-Allow-Origin. Allow the \
                 origin in the server's CORS settings"
            );
            Finding::bad("CORS", says, None)
        }
        [one] if one == "*" => {
            Finding::ok("CORS", "pages of any origin may connect, without cookies".to_owned())
        }
        [one] if one == origin => Finding::ok("CORS", format!("pages of {shown_origin} may connect")),
        [one] => Finding::bad("CORS", format!("only pages of {one:?} may connect, not those of {shown_origin}"), None),
        _ => {
            let says = format!("Access-Control-Allow-Origin comes {} times: browsers refuse that", allowed.len());
            Finding::bad("CORS", says, Some(Fix::CORS))
        }
    });
}

fn shown(origin: &HeaderValue) -> String {
    String::from_utf8_lossy(origin.as_bytes()).into_owned()
}
