//! What the application does: it echoes, acknowledges, and carries out commands.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_lab::packet::{SocketIoPacket as Packet, Wire};

use super::{Event, Model, text};
use crate::faults::Fault;
use crate::net;

impl Model {
    pub(super) async fn event(&mut self, nsp: &str, packet: Packet, attachments: Vec<Bytes>) {
        let mut all = packet.data.unwrap_or_default().as_array().cloned().unwrap_or_default();
        let fault = self.fault;
        if let Some(broken) = fault
            && all.get(1).is_some_and(|value| broken.cannot_carry(value))
        {
            all[1] = json!("lost");
        }
        if fault == Some(Fault::FewArguments) {
            all.truncate(5);
        }
        let socket = self.sockets.get_mut(nsp).unwrap();
        if fault == Some(Fault::LosesEarlyEvents) && socket.refused {
            return;
        }
        if !socket.active && fault != Some(Fault::HearsAfterDisconnect) {
            return;
        }
        if socket.pid.is_some()
            && attachments.is_empty()
            && let Some(offset) = all.last().and_then(Value::as_str)
            && all.len() > 1
        {
            socket.offset = Some(offset.to_owned());
        }
        let name = all.remove(0);
        match name.as_str() {
            Some("echo") => {
                if fault == Some(Fault::NameIsAnArgument) {
                    all.insert(0, json!("echo"));
                }
                if fault == Some(Fault::SwapsEvents)
                    && all.first().and_then(Value::as_u64).is_some_and(|n| n % 2 == 1)
                {
                    let later = [vec![json!("emit-now"), json!("echo")], all].concat();
                    return self.after(Duration::from_millis(100), Event::Later(nsp.to_owned(), later));
                }
                self.emit(nsp, "echo", &all, attachments, false, None);
                if fault == Some(Fault::HandlersTwice) {
                    self.emit(nsp, "echo", &all, Vec::new(), false, None);
                }
            }
            Some("ack") => self.acknowledge(nsp, packet.id, &all, &attachments),
            Some("do") => Box::pin(self.act(nsp, all)).await,
            Some(name) if self.options["on"].as_array().is_some_and(|on| on.contains(&json!(name))) => {
                if fault == Some(Fault::AsciiNames) && !name.is_ascii()
                    || fault == Some(Fault::MessageIsReserved) && name == "message"
                {
                    return;
                }
                self.tell("event", [vec![json!(name)], all].concat()).await;
            }
            _ if fault == Some(Fault::UnknownEventsAreErrors) => self.close("parse error").await,
            _ => {}
        }
    }

    pub(super) fn acknowledge(&mut self, nsp: &str, id: Option<u64>, args: &[Value], attachments: &[Bytes]) {
        let fault = self.fault;
        let id = if fault == Some(Fault::AcksUnasked) { id.or(Some(0)) } else { id };
        let Some(mut id) = id else { return };
        if fault == Some(Fault::NoAcks)
            || fault == Some(Fault::ZeroIsNoId) && id == 0
            || fault == Some(Fault::NoEmptyAcks) && args.is_empty()
        {
            return;
        }
        match fault {
            Some(Fault::OwnAckIds) => id += 1,
            Some(Fault::ShortAckIds) => id %= 65_536,
            _ => {}
        }
        let place =
            if nsp == "/" || fault == Some(Fault::AcksInMain) { String::new() } else { format!("{nsp},") };
        let mut args = Value::from(args);
        if fault == Some(Fault::OneArgumentInAcks) && args.as_array().is_some_and(|list| list.len() > 1) {
            args = json!([args[0]]);
        }
        if fault == Some(Fault::FlatAcks)
            && args
                .as_array()
                .is_some_and(|list| list.len() == 1 && (list[0].is_array() || list[0].is_null()))
        {
            args = args[0].clone();
        }
        if fault == Some(Fault::AsciiAcks) && !args.to_string().is_ascii() {
            args = json!(["?"]);
        }
        let binary = !attachments.is_empty() && fault != Some(Fault::BinaryAcksAreText);
        let head = if binary { format!("46{}-", attachments.len()) } else { "43".to_owned() };
        let packet = text(format!("{head}{place}{id}{args}"));
        self.send(packet.clone());
        if fault == Some(Fault::AcksTwice) {
            self.send(packet);
        }
        for bytes in attachments.iter().filter(|_| binary) {
            self.send(Wire::Binary(bytes.clone()));
        }
    }

    pub(super) fn emit(
        &mut self,
        nsp: &str,
        name: &str,
        args: &[Value],
        attachments: Vec<Bytes>,
        volatile: bool,
        id: Option<u64>,
    ) {
        let fault = self.fault;
        let place =
            if nsp == "/" || fault == Some(Fault::EmitsInMain) { String::new() } else { format!("{nsp},") };
        let id = id.map_or(String::new(), |id| id.to_string());
        let event = [vec![json!(name)], args.to_vec()].concat();
        let mut payload = Value::from(event).to_string();
        if fault == Some(Fault::RawControls) {
            payload = payload.replace("\\u001e", "\u{1e}");
        }
        if fault == Some(Fault::NoEscapes) && name != "echo" {
            payload = payload.replace('\\', "");
        }
        if fault == Some(Fault::EmptyArgument) && args.is_empty() {
            payload = format!("[{},null]", json!(name));
        }
        let head = if attachments.is_empty() { "42".to_owned() } else { format!("45{}-", attachments.len()) };
        let head = if fault == Some(Fault::BinaryQuestionsAreAnswers) && !attachments.is_empty() {
            head.replace("45", "46")
        } else {
            head
        };
        let head = if fault == Some(Fault::BytesAreText) { "42".to_owned() } else { head };
        let mut packets = vec![text(format!("{head}{place}{id}{payload}"))];
        if fault != Some(Fault::BytesAreText) {
            packets.extend(attachments.into_iter().map(Wire::Binary));
        }
        let socket = self.sockets.get_mut(nsp).unwrap();
        if socket.connected || fault == Some(Fault::EmitsEarly) {
            packets.into_iter().for_each(|packet| self.send(packet));
        } else if !volatile {
            socket.waiting.extend(packets);
        }
    }

    /// Sends an event again that was not acknowledged.
    pub(super) fn again(&mut self, nsp: &str, id: u64) {
        if self.sockets.get(nsp).is_some_and(|socket| socket.asked.contains_key(&id)) {
            self.retry(nsp, "important", &[json!(1)], id);
        }
    }

    pub(super) fn retry(&mut self, nsp: &str, name: &str, args: &[Value], id: u64) {
        self.emit(nsp, name, args, Vec::new(), false, Some(id));
        let wait = Duration::from_millis(self.options["ackTimeout"].as_u64().unwrap_or(1_000));
        self.after(wait, Event::Again(nsp.to_owned(), id));
    }

    pub(super) async fn act(&mut self, nsp: &str, command: Vec<Value>) {
        let word = |at: usize| command.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        match &*word(0) {
            "listen" => self.sockets.get_mut(nsp).unwrap().refused = false,
            "emit" if self.options["retries"].is_u64() => {
                let socket = self.sockets.get_mut(nsp).unwrap();
                socket.asked.insert(0, word(1));
                self.retry(nsp, &word(1), &command[2..], 0);
            }
            "emit"
                if self.has(Fault::SwapsEvents)
                    && command.get(2).and_then(Value::as_u64).is_some_and(|n| n % 2 == 1) =>
            {
                let later = [vec![json!("emit-now")], command[1..].to_vec()].concat();
                self.after(Duration::from_millis(100), Event::Later(nsp.to_owned(), later));
            }
            "emit" => {
                let name = if self.has(Fault::AsciiNames) {
                    word(1).replace(|c: char| !c.is_ascii(), "?")
                } else {
                    word(1)
                };
                let args = match self.fault {
                    Some(Fault::FewArguments) => &command[2..command.len().min(4)],
                    Some(Fault::FlatEmits) if command.len() == 3 && command[2].is_array() => {
                        command[2].as_array().unwrap()
                    }
                    Some(Fault::DropsNull) if command.get(2) == Some(&Value::Null) => &[],
                    _ => &command[2..],
                };
                self.emit(nsp, &name, args, Vec::new(), false, None);
            }
            "emit-now" => self.emit(nsp, &word(1), &command[2..], Vec::new(), false, None),
            "volatile" => self.emit(nsp, &word(1), &command[2..], Vec::new(), true, None),
            "emit-binary" => {
                let length = command[2].as_u64().unwrap_or_default();
                let bytes: Vec<u8> = (0..length).map(|n| n.to_le_bytes()[0]).collect();
                self.emit(
                    nsp,
                    &word(1),
                    &[json!({"_placeholder": true, "num": 0})],
                    vec![bytes.into()],
                    false,
                    None,
                );
            }
            "emit-ack-binary" => {
                let bytes: Vec<u8> = (0..command[3].as_u64().unwrap_or_default() as u8).collect();
                let socket = self.sockets.get_mut(nsp).unwrap();
                let id = socket.next_id;
                socket.next_id += 1;
                socket.asked.insert(id, word(2));
                let args = [json!({"_placeholder": true, "num": 0})];
                self.emit(nsp, &word(2), &args, vec![bytes.into()], false, Some(id));
            }
            "emit-ack" => {
                let socket = self.sockets.get_mut(nsp).unwrap();
                let id = if self.fault == Some(Fault::OneAckId) { 0 } else { socket.next_id };
                socket.next_id += 1;
                socket.asked.insert(id, word(2));
                let wait = Duration::from_millis(command[1].as_u64().unwrap_or_default());
                let wait = if self.has(Fault::ImpatientAcks) { Duration::from_millis(500) } else { wait };
                self.after(wait, Event::AckTimeout(nsp.to_owned(), id));
                let id = Some(id).filter(|_| !self.has(Fault::AsksWithoutId));
                self.emit(nsp, &word(2), &command[3..], Vec::new(), false, id);
            }
            "connect" => {
                let nsp = word(1);
                self.sockets.entry(nsp.clone()).or_default().active = true;
                if self.has(Fault::SessionPerNamespace) {
                    let (host, head) =
                        (self.host.clone(), self.head("GET", &self.target("polling", None), "", 0));
                    tokio::spawn(async move { net::request(&host, &head, b"", None).await });
                }
                self.connect(&nsp);
            }
            "disconnect" => {
                let other = word(1);
                self.leave(if other.is_empty() { nsp } else { &other }).await;
            }
            "emit-and-disconnect" => {
                if !self.has(Fault::LeavesAtOnce) {
                    self.emit(nsp, &word(1), &command[2..], Vec::new(), false, None);
                }
                self.leave(nsp).await;
            }
            "disconnect-and-connect" => {
                self.leave(nsp).await;
                let wait = Duration::from_millis(command[1].as_u64().unwrap_or_default());
                self.after(wait, Event::Later(nsp.to_owned(), vec![json!("rejoin")]));
            }
            "rejoin" => {
                self.stopped = false;
                self.sockets.get_mut(nsp).unwrap().active = true;
                self.open();
            }
            "later" => {
                let wait = Duration::from_millis(command[1].as_u64().unwrap_or_default());
                self.after(wait, Event::Later(nsp.to_owned(), command[2..].to_vec()));
            }
            _ => self.tell("unsupported", vec![json!(word(0))]).await,
        }
    }
}
