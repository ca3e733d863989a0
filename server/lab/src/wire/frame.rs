//! WebSocket frames as a server writes them, right or wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// The opcodes that scripts use.
pub const CONTINUATION: u8 = 0;
/// A text message.
pub const TEXT: u8 = 1;
/// A binary message.
pub const BINARY: u8 = 2;
/// A close frame.
pub const CLOSE: u8 = 8;
/// A ping.
pub const PING: u8 = 9;
/// A pong.
pub const PONG: u8 = 10;

/// A frame without a mask.
#[must_use]
pub fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        short @ 0..126 => bytes.push(u8::try_from(short).unwrap_or(0)),
        long => match u16::try_from(long) {
            Ok(long) => {
                bytes.push(126);
                bytes.extend(long.to_be_bytes());
            }
            Err(_) => {
                bytes.push(127);
                bytes.extend((long as u64).to_be_bytes());
            }
        },
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// What answers `Sec-WebSocket-Key` (RFC 6455, section 1.3).
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.digest().bytes())
}
