//! The reader of WebSocket frames.

use engineio::websocket::{FrameEvent, FrameLimits, FrameViolation, Reader};

use crate::Choices;

/// What a client sends gives the same messages whole and in pieces, up to the same violation; no message is over
/// the limits.
pub fn websocket(input: &[u8]) {
    let mut choices = Choices(input);
    let limits = FrameLimits { message: 300, fragments: 5 };
    let first = usize::from(choices.byte()) + 1;
    let whole = read(limits, [choices.0].into_iter());
    let pieces = read(limits, choices.0.chunks(first));
    let bytes = read(limits, choices.0.chunks(1));
    assert_eq!(whole, pieces, "in pieces of {first}");
    assert_eq!(whole, bytes, "byte by byte");
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
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<FrameEvent>, Option<FrameViolation>) {
    let (mut reader, mut events) = (Reader::new(limits), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next() {
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
