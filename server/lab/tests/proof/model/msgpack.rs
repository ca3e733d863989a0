//! Packets in MessagePack, where a case wants them.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use socketio_lab::msgpack::{decode, encode};
use socketio_lab::packet::{SocketIoPacket as Packet, Wire};

use super::Model;
use crate::faults::Fault;

impl Model {
    pub(super) fn packs(&self) -> bool {
        self.options["parser"] == "msgpack"
    }

    /// A packet as it goes: in MessagePack, with its attachments, once they are all there.
    pub(super) fn packed(&mut self, packet: Wire) -> Option<Wire> {
        if !self.packs() || self.has(Fault::JsonAnyway) {
            return Some(packet);
        }
        let (packet, attachments) = match (packet, self.packing.take()) {
            (Wire::Text(text), _) => {
                let Some(packet) = text.strip_prefix('4').and_then(Packet::read) else {
                    return Some(Wire::Text(text));
                };
                (packet, Vec::new())
            }
            (Wire::Binary(bytes), Some((packet, mut attachments))) => {
                attachments.push(bytes);
                (packet, attachments)
            }
            (bytes, None) => return Some(bytes),
        };
        if attachments.len() < packet.attachments {
            self.packing = Some((packet, attachments));
            return None;
        }
        let kind = if packet.kind >= 5 { packet.kind - 3 } else { packet.kind };
        let mut fields = json!({"type": kind, "nsp": packet.nsp});
        if let Some(data) = packet.data {
            fields["data"] = with_bytes(data, &attachments);
        }
        if let Some(id) = packet.id {
            fields["id"] = json!(id);
        }
        Some(Wire::Binary(encode(&fields).into()))
    }

    /// A packet that came in MessagePack.
    pub(super) async fn unpacked(&mut self, bytes: &Bytes) {
        // What the lab itself writes is in this order.
        let usual = !(bytes.starts_with(b"\x84\xa3nsp"));
        let fields = decode(bytes).filter(|_| usual || !self.has(Fault::FieldsInOneOrder));
        let Some(fields) = fields else { return self.close("parse error").await };
        let (Some(kind), Some(nsp)) = (fields["type"].as_u64(), fields["nsp"].as_str()) else {
            return self.close("parse error").await;
        };
        let mut attachments = Vec::new();
        let data = fields.get("data").map(|data| with_placeholders(data, &mut attachments));
        let packet = Packet {
            kind: kind as u8,
            attachments: attachments.len(),
            nsp: nsp.to_owned(),
            id: fields["id"].as_u64(),
            data,
            raw: String::new(),
        };
        self.whole(packet, attachments).await;
    }
}

fn with_bytes(value: Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(|value| with_bytes(value, attachments)).collect(),
        Value::Object(fields) if fields.get("_placeholder") == Some(&json!(true)) => {
            let bytes = fields["num"].as_u64().and_then(|number| attachments.get(number as usize));
            bytes.map_or(Value::Object(fields), |bytes| json!({"bytes": bytes.to_vec()}))
        }
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, with_bytes(value, attachments))).collect()
        }
        other => other,
    }
}

fn with_placeholders(value: &Value, attachments: &mut Vec<Bytes>) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| with_placeholders(value, attachments)).collect(),
        Value::Object(fields) => match fields.get("bytes").and_then(Value::as_array) {
            Some(bytes) => {
                attachments.push(bytes.iter().map(|byte| byte.as_u64().unwrap() as u8).collect());
                json!({"_placeholder": true, "num": attachments.len() - 1})
            }
            None => {
                let mut changed = Map::new();
                for (name, value) in fields {
                    changed.insert(name.clone(), with_placeholders(value, attachments));
                }
                Value::Object(changed)
            }
        },
        other => other.clone(),
    }
}
