//! Control frames that wait to be written: answers to the client's pings, our own pings, and the close frame.

use engineio::memory::Held;

/// Control frames, one after the other. A WebSocket has this only while there are any.
#[derive(Debug, Default)]
pub(super) struct ControlFrames {
    bytes: Vec<u8>,
    held: Held,
}

impl ControlFrames {
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.held.resize(self.bytes.capacity());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// So many bytes were written. Returns how many of them were of what follows.
    pub(super) fn written(&mut self, bytes: usize) -> usize {
        let own = bytes.min(self.bytes.len());
        self.bytes.drain(..own);
        bytes - own
    }
}
