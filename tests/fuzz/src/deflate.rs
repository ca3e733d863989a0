//! Compressed messages: what a client sends, and what the server makes.

use std::collections::VecDeque;
use std::sync::Arc;

use engineio::memory::Budget;
use engineio::websocket::deflate::{Agreement, CompressionLevel, PerMessageDeflate};
use engineio::websocket::{FrameEvent, FrameLimits, Reader};
use engineio::{Frame, Revision};

use crate::Choices;
use crate::websocket::agree;

const LIMITS: FrameLimits = FrameLimits { message: 3_000, fragments: 5 };

/// What a client sends gives the same messages whole and in pieces, up to the same violation, and none is over the limit.
/// What the server compresses is read as it was, whatever came before it.
pub fn deflate(input: &[u8]) {
    let mut choices = Choices(input);
    let agreement = agreement(choices.byte());
    let piece = usize::from(choices.byte()) + 1;
    agree(LIMITS, || Some(agreement.inflating()), piece, choices.0);
    there_and_back(&agreement, choices);
}

/// Whatever both sides may agree on.
fn agreement(choice: u8) -> Agreement {
    let ours = PerMessageDeflate {
        threshold: 0,
        level: CompressionLevel::new(1 + choice % 9).unwrap_or(CompressionLevel::FASTEST),
        context_takeover: choice & 0x80 != 0,
    };
    let offer = if choice & 0x40 == 0 {
        "permessage-deflate"
    } else {
        "permessage-deflate; server_max_window_bits=9"
    };
    Agreement::find(&ours, [offer], None).expect("an offer that suits")
}

fn there_and_back(agreement: &Agreement, mut choices: Choices<'_>) {
    let (mut deflating, mut inflating) = (agreement.deflating(), agreement.inflating());
    let budget = Budget::new(usize::MAX, Arc::default());
    let mut reader = Reader::new(LIMITS);
    while !choices.is_empty() {
        let message = choices.bytes();
        // What comes again is what compression is about.
        let message = message.repeat(1 + message.len() % 7);
        let queue = VecDeque::from([Frame::binary(&message)]);
        deflating.prepare(&queue, 0, Revision::V4, &budget);
        let bytes = deflating.form(0, &queue[0], Revision::V4).to_vec();
        deflating.pop_front(bytes.len());
        reader.feed(&masked(bytes));
        let event = reader.next_inflated(Some(&mut inflating));
        assert_eq!(event, Ok(Some(FrameEvent::Binary(message.into()))));
    }
}

/// A frame of the server as a client would send it: masked with zeros.
fn masked(mut frame: Vec<u8>) -> Vec<u8> {
    let head = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame[1] |= 0x80;
    frame.splice(head..head, [0; 4]);
    frame
}
