//! The head of a frame that a client sends, up to its mask, and what each opcode is: RFC 6455, section 5.2.

use super::deflate::RSV1;
use super::error::FrameViolation;

/// The length of the masking key.
pub(super) const MASK: usize = 4;

/// The longest payload of a control frame: section 5.5.
pub(super) const CONTROL: usize = 125;

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// The header of a frame.
pub(super) struct Head {
    pub(super) fin: bool,
    /// It begins a message that is compressed.
    pub(super) compressed: bool,
    pub(super) opcode: u8,
    /// The head's own length in bytes, with the mask at its end.
    pub(super) len: usize,
    /// The payload's length in bytes.
    pub(super) payload: usize,
}

impl Head {
    /// Reads a frame's head up to its mask; `None` if not all of that is there. Errors in its first two bytes are
    /// returned without waiting for more. `reserved` are the reserved bits that a message may have.
    pub(super) fn read(bytes: &[u8], reserved: u8) -> Result<Option<Head>, FrameViolation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." RSV1 can
        // have one on the first frame of a message, and nowhere else (RFC 7692, section 6).
        let reserved = if matches!(opcode, TEXT | BINARY) { reserved } else { 0 };
        if first & 0x70 & !reserved != 0 {
            return Err(FrameViolation::ReservedBit);
        }
        if !matches!(opcode, 0..=BINARY | CLOSE..=PONG) {
            return Err(FrameViolation::Opcode(opcode));
        }
        // "All frames sent from client to server have this bit set to 1."
        if second & 0x80 == 0 {
            return Err(FrameViolation::Unmasked);
        }
        let short = usize::from(second & 0x7f);
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
        if opcode >= CLOSE && !fin {
            return Err(FrameViolation::FragmentedControl);
        }
        if opcode >= CLOSE && short > CONTROL {
            return Err(FrameViolation::LongControl);
        }
        let (payload, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            _ => (short as u64, rest),
        };
        // "the most significant bit MUST be 0"
        if payload >> 63 != 0 {
            return Err(FrameViolation::Length);
        }
        let payload = usize::try_from(payload).map_err(|_| FrameViolation::TooLong)?;
        let compressed = first & RSV1 != 0;
        Ok(Some(Head { fin, compressed, opcode, len: bytes.len() - rest.len() + MASK, payload }))
    }

    pub(super) fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }
}
