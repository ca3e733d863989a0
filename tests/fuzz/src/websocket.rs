//! The reader of WebSocket frames.

use engineio::websocket::deflate::Inflating;
use engineio::websocket::{FrameEvent, FrameLimits, FrameViolation, Reader};

use crate::Choices;

/// What a client sends gives the same messages whole and in pieces, up to the same violation; no message is over
/// the limits.
pub fn websocket(input: &[u8]) {
    let mut choices = Choices(input);
    let piece = usize::from(choices.byte()) + 1;
    agree(FrameLimits { message: 300, fragments: 5 }, || None, piece, choices.0);
}

/// Reads bytes whole, in pieces of that length, and byte by byte. Each time, messages are inflated anew.
pub(crate) fn agree(
    limits: FrameLimits,
    inflating: impl Fn() -> Option<Inflating>,
    piece: usize,
    bytes: &[u8],
) {
    let whole = read(limits, inflating(), [bytes].into_iter());
    assert_eq!(whole, read(limits, inflating(), bytes.chunks(piece)), "in pieces of {piece}");
    assert_eq!(whole, read(limits, inflating(), bytes.chunks(1)), "byte by byte");
    for event in &whole.0 {
        let len = match event {
            FrameEvent::Text(text) => text.len(),
            FrameEvent::Binary(bytes) => bytes.len(),
            FrameEvent::Ping(payload) | FrameEvent::Pong(payload) | FrameEvent::Close { payload, .. } => {
                assert!(payload.len() <= 125);
                continue;
            }
        };
        assert!(len <= limits.message, "a message of {len} bytes");
    }
}

fn read<'a>(
    limits: FrameLimits,
    mut inflating: Option<Inflating>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<FrameEvent>, Option<FrameViolation>) {
    let (mut reader, mut events) = (Reader::new(limits), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next_inflated(inflating.as_mut()) {
                Ok(Some(event)) => {
                    let last = matches!(event, FrameEvent::Close { .. });
                    events.push(event);
                    if last {
                        return (events, None);
                    }
                }
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}
