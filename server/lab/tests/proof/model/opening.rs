//! From the first request to the namespaces.

use std::collections::VecDeque;
use std::time::Duration;

use engineio::Revision;
use serde_json::{Value, json};
use socketio_lab::packet::{Wire, decode_payload};
use tokio::time::{Instant, timeout};

use super::{Event, Model, Session, Upgrade, text};
use crate::faults::Fault;
use crate::net;

impl Model {
    pub(super) fn target(&self, transport: &str, sid: Option<&str>) -> String {
        let path =
            if self.has(Fault::IgnoresPath) { "/socket.io/" } else { self.options["path"].as_str().unwrap() };
        let path = if self.has(Fault::WrongPath) { "/engine.io/" } else { path };
        let mut query = form_urlencoded::Serializer::new(String::new());
        let revision = if self.has(Fault::WrongRevision) { 7 } else { self.revision.number() };
        if !(self.has(Fault::PollsWithoutRevision) && sid.is_some()) {
            query.append_pair("EIO", &revision.to_string());
        }
        query.append_pair("transport", if self.has(Fault::WrongTransport) { "sockets" } else { transport });
        query.append_pair("t", &self.number.to_string());
        if !self.has(Fault::DropsQuery) {
            for (name, value) in self.options["query"].as_object().into_iter().flatten() {
                query.append_pair(name, value.as_str().unwrap());
            }
        }
        let sid = if self.has(Fault::KeepsOldSid) {
            self.last_sid.as_deref().filter(|_| sid.is_some())
        } else {
            sid
        };
        if let Some(sid) = sid.filter(|_| !self.has(Fault::ForgetsSid)) {
            query.append_pair("sid", sid);
        }
        format!("{path}?{}", query.finish())
    }

    pub(super) fn host(&self) -> &str {
        if self.has(Fault::HostWithoutPort) {
            self.host.name.split(':').next().unwrap()
        } else {
            &self.host.name
        }
    }

    pub(super) fn head(&self, method: &str, target: &str, kind: &str, length: usize) -> String {
        let more: String = self.options["extraHeaders"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap()))
            .collect();
        let cookie = if self.session.is_some() { "Cookie: node=7\r\n" } else { "" };
        let body = if method == "POST" {
            format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n")
        } else {
            String::new()
        };
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{more}{cookie}{body}\r\n", self.host())
    }

    /// Opens a session.
    pub(super) fn open(&mut self) {
        if self.opening || self.session.is_some() || self.stopped {
            return;
        }
        self.opening = true;
        self.number += 1;
        self.current = self.number;
        let polling = self.options["transports"][0] == "polling";
        let wait = Duration::from_millis(self.options["timeout"].as_u64().unwrap());
        let wait = if self.has(Fault::WaitsForEver) { Duration::from_secs(60) } else { wait };
        let (sender, number, host, fault) = (self.sender.clone(), self.number, self.host.clone(), self.fault);
        if polling {
            let target = self.target("polling", None);
            let head = if self.has(Fault::OpensWithPost) {
                self.head("POST", &target, "text/plain", 0)
            } else {
                self.head("GET", &target, "", 0)
            };
            tokio::spawn(async move {
                let answer = timeout(wait, net::request(&host, &head, b"", fault)).await.ok().flatten();
                drop(sender.send((number, Event::Opened(answer))));
            });
        } else {
            self.websocket(number, None, wait);
        }
    }

    /// The handshake failed.
    pub(super) async fn failed(&mut self, what: &str) {
        self.opening = false;
        if !self.has(Fault::SilentFailures) {
            self.tell("connect_error", vec![json!(what)]).await;
        }
        self.reconnect();
    }

    pub(super) async fn opened(&mut self, answer: Option<net::Answer>) {
        let Some(answer) = answer else { return self.failed("xhr poll error").await };
        if answer.status == 307 {
            return self.failed("a redirect").await;
        }
        if answer.status != 200 {
            if self.has(Fault::SilentRefusals) {
                return;
            }
            return self.failed("xhr poll error").await;
        }
        let binary = answer.field("content-type").is_some_and(|kind| kind.contains("octet-stream"));
        let Ok(mut packets) = decode_payload(self.revision, &answer.body.into(), binary) else {
            return self.failed("parse error").await;
        };
        let rest = packets.split_off(1.min(packets.len()));
        let Some(Wire::Text(open)) = packets.pop() else { return self.failed("parse error").await };
        if !self.begin(&open, None).await {
            return self.failed("parse error").await;
        }
        if !self.has(Fault::OpenPacketAlone) {
            self.packets(rest).await;
        }
        self.poll();
    }

    /// Begins a session with an open packet.
    pub(super) async fn begin(&mut self, open: &str, websocket: Option<u64>) -> bool {
        let Some(json) = open.strip_prefix('0') else { return false };
        if self.has(Fault::OpenPacketByHand) && !json.starts_with("{\"") {
            return false;
        }
        let Ok(fields) = serde_json::from_str::<Value>(json) else { return false };
        let Some(sid) = fields["sid"].as_str() else { return false };
        if self.has(Fault::UnknownFieldsAreErrors) && fields.get("new").is_some() {
            return false;
        }
        if self.has(Fault::NeedsMaxPayload) && fields.get("maxPayload").is_none() {
            return false;
        }
        let upgrades: Vec<&str> =
            fields["upgrades"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if self.has(Fault::UnknownUpgradesAreErrors) && upgrades.iter().any(|name| *name != "websocket") {
            return false;
        }
        let time = |name: &str| Duration::from_millis(fields[name].as_u64().unwrap_or(20_000));
        let (mut interval, mut timeout) = (time("pingInterval"), time("pingTimeout"));
        if self.has(Fault::TimesAreSeconds) {
            (interval, timeout) = (interval / 50, timeout / 50);
        }
        if self.has(Fault::IgnoresTimes) {
            (interval, timeout) = (Duration::from_secs(25), Duration::from_secs(20));
        }
        let now = Instant::now();
        self.opening = false;
        self.last_sid.get_or_insert_with(|| sid.to_owned());
        if !self.has(Fault::AttemptsAreNeverReset) {
            self.attempts = 0;
        }
        let mut deadline = now + interval + timeout;
        if self.has(Fault::GivesUpEarly) {
            deadline = now + interval;
        }
        if self.has(Fault::NeverGivesUp) {
            deadline = now + Duration::from_secs(3_600);
        }
        let next_ping = (self.revision == Revision::V3 && !self.has(Fault::NoPings)).then(|| now + interval);
        let rapid = self.has(Fault::PingsTooOften).then(|| now + interval / 12);
        self.session = Some(Session {
            sid: sid.to_owned(),
            websocket,
            polling: false,
            posting: false,
            out: VecDeque::new(),
            max_payload: fields["maxPayload"]
                .as_u64()
                .map_or(usize::MAX, |most| usize::try_from(most).unwrap()),
            interval: if rapid.is_some() { interval / 12 } else { interval },
            timeout,
            deadline,
            next_ping: rapid.or(next_ping).or(self.has(Fault::PingsItself).then(|| now + interval)),
            upgrade: Upgrade::No,
            partial: None,
        });
        let first = self.has(Fault::UpgradesFirst)
            && websocket.is_none()
            && self.options["upgrade"] == true
            && upgrades.contains(&"websocket");
        if let Some(session) = self.session.as_mut().filter(|_| first) {
            // Nothing is sent until that has ended.
            session.upgrade = Upgrade::Opening(0);
        }
        if self.has(Fault::PongsUnasked) {
            self.send(text("3"));
        }
        let nsps: Vec<String> =
            self.sockets.iter().filter(|(_, one)| one.active).map(|(nsp, _)| nsp.clone()).collect();
        if self.has(Fault::ConnectedTooEarly) {
            self.tell("connect", vec![json!("/")]).await;
        }
        if self.revision == Revision::V4 {
            if self.has(Fault::JoinsMainToo) && self.nsp != "/" {
                self.send(text("40"));
            }
            let most = if self.has(Fault::RejoinsOne) && self.connects > 0 { 1 } else { usize::MAX };
            for nsp in nsps.iter().take(most) {
                self.connect(nsp);
            }
        }
        self.connects += 1;
        if self.has(Fault::ProbesAlways)
            && let Some(number) = websocket
        {
            self.write(number, 1, b"2probe");
        }
        if self.has(Fault::ImpatientConnect) {
            self.after(Duration::from_millis(500), Event::GaveUpOnConnect);
        }
        let wants = self.options["upgrade"] == true || self.has(Fault::AlwaysUpgrades);
        if websocket.is_none()
            && wants
            && (upgrades.contains(&"websocket") || self.has(Fault::UpgradesUnoffered))
            && !self.has(Fault::NeverUpgrades)
        {
            self.probe();
            if self.has(Fault::ProbesTwice) {
                self.after(Duration::from_millis(250), Event::Duplicate);
            }
        }
        true
    }

    /// Sends CONNECT.
    pub(super) fn connect(&mut self, nsp: &str) {
        if self.has(Fault::NoConnect) {
            return;
        }
        if self.revision == Revision::V3 {
            if nsp != "/" {
                self.send(text(format!("40{nsp},")));
            }
            return;
        }
        let auth = match &self.options["auth"] {
            Value::String(_) => {
                self.asked_auth += 1;
                json!({"n": self.asked_auth})
            }
            auth => auth.clone(),
        };
        let socket = &self.sockets[nsp];
        let mut auth = auth.as_object().cloned().unwrap_or_default();
        if self.has(Fault::NoAuth) || (self.has(Fault::AuthOnce) && self.connects > 0) {
            auth.clear();
        }
        if let Some(pid) = socket.pid.as_ref().filter(|_| !self.has(Fault::NoPid)) {
            auth.insert("pid".to_owned(), json!(pid));
            if let Some(offset) = &socket.offset {
                auth.insert("offset".to_owned(), json!(offset));
            }
        }
        let payload = if auth.is_empty() { String::new() } else { Value::from(auth).to_string() };
        let payload = if self.has(Fault::NullAuth) { "null".to_owned() } else { payload };
        let place = if nsp == "/" { String::new() } else { format!("{nsp},") };
        let place = if self.has(Fault::AsciiNamespaces) {
            place.replace(|c: char| !c.is_ascii_alphabetic() && c != '/' && c != ',', "")
        } else {
            place
        };
        let place = match place.get(1..).and_then(|rest| rest.find('/')) {
            Some(at) if self.has(Fault::OneSlash) => format!("{},", &place[..=at]),
            _ => place,
        };
        self.send(text(format!("40{place}{payload}")));
    }
}
