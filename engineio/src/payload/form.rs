//! How the packets of a payload are written one after the other.

use bytes::Bytes;

use crate::Frame;

/// Between two packets of a revision 4 payload.
pub(super) const SEPARATOR: u8 = 0x1e;

/// How packets are written one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Separated,
    Counted,
    Binary,
}

/// What a length prefix is counted as when a body is cut: seven digits and a colon.
const LENGTH_PREFIX: usize = 8;

impl Form {
    /// A packet as this form writes it, after its prefix.
    pub(super) fn packet(self, frame: &Frame) -> &[u8] {
        match self {
            Form::Separated if frame.is_binary() => frame.base64(),
            Form::Counted if frame.is_binary() => &frame.base64()[1..],
            Form::Separated | Form::Counted | Form::Binary => frame.packet(),
        }
    }

    /// The same, which shares the memory of the frame.
    pub(super) fn shared_packet(self, frame: &Frame) -> Bytes {
        match self {
            Form::Separated if frame.is_binary() => frame.shared_base64(),
            Form::Counted if frame.is_binary() => frame.shared_base64().slice(1..),
            Form::Separated | Form::Counted | Form::Binary => frame.shared_packet(),
        }
    }

    /// The length of a packet, without making its base64.
    pub(super) fn packet_len(self, frame: &Frame) -> usize {
        match self {
            Form::Separated if frame.is_binary() => 1 + base64_len(frame),
            Form::Counted if frame.is_binary() => base64_len(frame),
            Form::Separated | Form::Counted | Form::Binary => frame.packet().len(),
        }
    }

    /// The number in a packet's length prefix. The text form counts UTF-16 units, and the `b4` of its base64.
    pub(super) fn announced(self, frame: &Frame) -> usize {
        match self {
            Form::Counted if frame.is_binary() => 2 + base64_len(frame),
            Form::Counted => frame.utf16_len(),
            // Text entries are counted in bytes here, unlike in the text form.
            Form::Separated | Form::Binary => frame.packet().len() + usize::from(frame.is_binary()),
        }
    }

    /// What a packet counts as when a body is cut: its length and the longest usual prefix.
    pub(super) fn room(self, frame: &Frame) -> usize {
        self.packet_len(frame)
            + match self {
                // Each packet but the first has a separator before it. Counting one for each can only be too much.
                Form::Separated => 1,
                Form::Counted if !frame.is_binary() => LENGTH_PREFIX,
                Form::Counted | Form::Binary => LENGTH_PREFIX + 2,
            }
    }

    pub(super) fn prefix_len(self, frame: &Frame) -> usize {
        let digits = || Digits::of(self.announced(frame)).as_bytes().len();
        match self {
            Form::Separated => 1,
            Form::Counted => digits() + 1 + if frame.is_binary() { 2 } else { 0 },
            Form::Binary => 1 + digits() + 1 + usize::from(frame.is_binary()),
        }
    }

    pub(super) fn prefix(self, frame: &Frame, first: bool, out: &mut Vec<u8>) {
        match self {
            Form::Separated if first => {}
            Form::Separated => out.push(SEPARATOR),
            Form::Counted => {
                out.extend_from_slice(Digits::of(self.announced(frame)).as_bytes());
                out.extend_from_slice(if frame.is_binary() { b":b4" } else { b":" });
            }
            Form::Binary => {
                out.push(u8::from(frame.is_binary()));
                let digits = Digits::of(self.announced(frame));
                out.extend(digits.as_bytes().iter().map(|digit| digit - b'0'));
                out.push(0xff);
                if frame.is_binary() {
                    out.push(4);
                }
            }
        }
    }
}

fn base64_len(frame: &Frame) -> usize {
    frame.packet().len().div_ceil(3) * 4
}

/// A number in decimal.
struct Digits {
    bytes: [u8; 20],
    start: usize,
}

impl Digits {
    fn of(mut number: usize) -> Digits {
        let mut digits = Digits { bytes: [b'0'; 20], start: 20 };
        loop {
            digits.start -= 1;
            digits.bytes[digits.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return digits;
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}
