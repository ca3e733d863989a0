//! MessagePack, written around values that are MessagePack already.

use bytes::Bytes;
use socketio::{Event, Flags, Room, Selection};

use crate::publisher::PublishError;
use crate::wire::millis;

/// A value in the making. Whoever begins an array or a map writes as many values as it has.
#[derive(Default)]
pub(crate) struct Pack(Vec<u8>);

impl Pack {
    pub(crate) fn array(self, len: usize) -> Pack {
        self.head(len, [0x90, 0xdc, 0xdd], 16)
    }

    pub(crate) fn map(self, len: usize) -> Pack {
        self.head(len, [0x80, 0xde, 0xdf], 16)
    }

    pub(crate) fn text(mut self, text: &str) -> Pack {
        self = match u8::try_from(text.len()) {
            Ok(len @ 32..) => self.byte(0xd9).byte(len),
            _ => self.head(text.len(), [0xa0, 0xda, 0xdb], 32),
        };
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn text_or_nil(self, text: Option<&str>) -> Pack {
        match text {
            Some(text) => self.text(text),
            None => self.byte(0xc0),
        }
    }

    pub(crate) fn number(mut self, number: u32) -> Pack {
        match u8::try_from(number) {
            Ok(small @ 0..0x80) => return self.byte(small),
            Ok(byte) => return self.byte(0xcc).byte(byte),
            Err(_) => {}
        }
        match u16::try_from(number) {
            Ok(number) => self = self.byte(0xcd).bytes(&number.to_be_bytes()),
            Err(_) => self = self.byte(0xce).bytes(&number.to_be_bytes()),
        }
        self
    }

    pub(crate) fn bool(self, bool: bool) -> Pack {
        self.byte(0xc2 | u8::from(bool))
    }

    fn byte(mut self, byte: u8) -> Pack {
        self.0.push(byte);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Pack {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A marker with the length in it, or before it in 2 or 4 bytes.
    fn head(self, len: usize, [within, narrow, wide]: [u8; 3], short: usize) -> Pack {
        match u16::try_from(len) {
            Ok(len) if usize::from(len) < short => self.byte(within | len as u8),
            Ok(len) => self.byte(narrow).bytes(&len.to_be_bytes()),
            Err(_) => self.byte(wide).bytes(&(len as u32).to_be_bytes()),
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

/// # Pieces of messages
impl Pack {
    /// The packet of an event: EVENT, whether it has bytes or not.
    pub(crate) fn packet(self, event: &Event, namespace: &str) -> Result<Pack, PublishError> {
        let data = event.to_raw().to_msgpack();
        let data = data.map_err(|error| PublishError::Unwritable(error.to_string().into()))?;
        let event = 2;
        Ok(self.map(3).text("type").number(event).text("data").bytes(&data).text("nsp").text(namespace))
    }

    /// Who gets something, and how. A flag is written only where it is set: a server in JavaScript takes
    /// `volatile: false` for volatile.
    pub(crate) fn opts(self, selection: &Selection, flags: Flags) -> Pack {
        let Flags { volatile, compress, timeout, .. } = flags;
        let set = usize::from(volatile) + usize::from(compress.is_some()) + usize::from(timeout.is_some());
        let mut pack = self.map(3).text("rooms").rooms(&selection.rooms);
        pack = pack.text("except").rooms(&selection.except).text("flags").map(set);
        if volatile {
            pack = pack.text("volatile").bool(true);
        }
        if let Some(compress) = compress {
            pack = pack.text("compress").bool(compress);
        }
        if let Some(timeout) = timeout {
            pack = pack.text("timeout").number(millis(timeout));
        }
        pack
    }

    fn rooms(self, rooms: &[Room]) -> Pack {
        rooms.iter().fold(self.array(rooms.len()), |pack, room| pack.text(room))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What is read of it, as JSON.
    fn read(pack: Pack) -> String {
        socketio::RawJson::from_msgpack(&pack.into_bytes(), 1_000_000).unwrap().json().to_owned()
    }

    #[test]
    fn every_length_and_number_is_read_as_it_was_written() {
        for len in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(len);
            assert_eq!(read(Pack::default().text(&text)), format!("\"{text}\""), "{len}");
            let array = (0..len).fold(Pack::default().array(len), |pack, _| pack.bool(true));
            assert_eq!(read(array), format!("[{}]", vec!["true"; len].join(",")), "{len}");
        }
        for number in [0, 127, 128, 255, 256, 65_535, 65_536, u32::MAX] {
            assert_eq!(read(Pack::default().number(number)), number.to_string());
        }
        assert_eq!(read(Pack::default().map(1).text("a").text_or_nil(None)), r#"{"a":null}"#);
    }

    #[test]
    fn a_time_that_no_timer_waits_for_is_the_longest_that_one_does() {
        let mut flags = Flags::default();
        flags.timeout = Some(Duration::MAX);
        let opts = read(Pack::default().opts(&Selection::default(), flags));
        assert_eq!(opts, r#"{"rooms":[],"except":[],"flags":{"timeout":2147483647}}"#);
    }
}
