//! WebSocket frames (RFC 6455, section 5).

use std::ops::Range;

use engineio::websocket::{FrameEvent, FrameViolation};

use crate::walk::{Walk, broken, count, websocket_reader};
use crate::{BrokenRule, Level, Part};

pub(crate) const FRAME: &str = "RFC 6455, section 5.2";
const MASKING: &str = "RFC 6455, section 5.3";
const FRAGMENTS: &str = "RFC 6455, section 5.4";
const CLOSING: &str = "RFC 6455, section 5.5.1";
const CONTROL: &str = "RFC 6455, section 5.5";

/// A frame's header, even if something in it is wrong.
struct Head {
    first: u8,
    masked: bool,
    /// Where the payload begins, counted from the frame's first byte.
    len: usize,
    payload: u64,
}

impl Head {
    /// `None` if it is cut short.
    fn read(bytes: &[u8]) -> Option<Head> {
        let [first, second, rest @ ..] = bytes else { return None };
        let masked = second & 0x80 != 0;
        let (payload, extended) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let len = 2 + extended + if masked { 4 } else { 0 };
        (bytes.len() >= len).then_some(Head { first: *first, masked, len, payload })
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    fn is_last(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// The end of the frame, counted from its first byte.
    fn end(&self) -> Option<usize> {
        self.len.checked_add(usize::try_from(self.payload).ok()?)
    }
}

/// Whether bytes are whole frames with legal headers.
pub(crate) fn are_frames(mut bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return false;
    }
    while !bytes.is_empty() {
        let Some(head) = Head::read(bytes) else { return false };
        let legal = head.first & 0x70 == 0 && matches!(head.opcode(), 0..=2 | 8..=10);
        let Some(rest) = head.end().filter(|_| legal).and_then(|end| bytes.get(end..)) else { return false };
        bytes = rest;
    }
    true
}

impl Walk {
    /// Explains frames, and unmasks them in `bytes`.
    pub(crate) fn websocket_frames(&mut self, bytes: &mut [u8]) -> Result<(), BrokenRule> {
        let mut at = 0;
        while at < bytes.len() {
            let head = Head::read(&bytes[at..]);
            let end = head.as_ref().and_then(Head::end).and_then(|end| at.checked_add(end));
            let frame = at..end.map_or(bytes.len(), |end| end.min(bytes.len()));
            // A server's frame is checked like a client's with a mask of zeroes.
            let unmasked = bytes.get(at + 1).is_some_and(|second| second & 0x80 == 0);
            if unmasked && self.may_be_a_servers() {
                self.note("A frame without a mask is read as a server's. If a client sent it, it breaks WEBSOCKET_UNMASKED.");
                if let Some(head) = &head {
                    let mut masked = bytes[frame.clone()].to_vec();
                    masked[1] |= 0x80;
                    masked.splice(head.len..head.len, [0; 4]);
                    self.frames.feed(&masked);
                }
            } else {
                self.frames.feed(&bytes[frame.clone()]);
            }
            let event = self.frames.next();
            if let Some(head) = &head {
                self.head(head, &bytes[frame.clone()], at);
                if head.masked {
                    unmask(&mut bytes[frame.clone()], head.len);
                }
            }
            let payload = head.as_ref().map_or(frame.end, |head| at + head.len)..frame.end;
            match event {
                Err(violation) => {
                    let (rest, meaning) = match head {
                        Some(_) => (payload.clone(), "the payload"),
                        None => (frame, "an incomplete frame header"),
                    };
                    self.part(rest, Level::Frame, FRAME, meaning);
                    return Err(broken(self.wrong(violation, bytes, at, payload), violation));
                }
                Ok(_) if end.is_none_or(|end| end > bytes.len()) => {
                    let came = if head.is_some() { payload } else { frame };
                    self.part(came, Level::Frame, FRAME, "an incomplete frame");
                    self.note("The last frame is incomplete.");
                    self.fragments.clear();
                    self.frames = websocket_reader(&self.config);
                    return Ok(());
                }
                Ok(None) => {
                    self.fragments.push(payload.clone());
                    self.part(payload, Level::Frame, FRAGMENTS, "a fragment of a message");
                }
                Ok(Some(event)) => {
                    let goodbye = matches!(event, FrameEvent::Close { .. });
                    self.event(event, payload)?;
                    if goodbye {
                        let rest = frame.end..bytes.len();
                        self.part(rest, Level::Frame, CLOSING, "ignored: nothing may follow a close frame");
                        return Ok(());
                    }
                }
            }
            at = frame.end;
        }
        Ok(())
    }

    fn head(&mut self, head: &Head, frame: &[u8], at: usize) {
        let what = match head.opcode() {
            0 => "continuation of a message",
            1 => "a text message",
            2 => "a binary message",
            8 => "close",
            9 => "ping of WebSocket, not of Engine.IO",
            10 => "pong of WebSocket, not of Engine.IO",
            _ => "a reserved opcode",
        };
        let fin = match (head.opcode(), head.is_last()) {
            (8.., true) => "",
            (_, true) => ", final frame",
            (_, false) => ", more frames follow",
        };
        self.part(at..at + 1, Level::Frame, FRAME, format!("opcode {}: {what}{fin}", head.opcode()));
        let mask = if head.masked { "masked" } else { "not masked" };
        let extended = head.len - 2 - if head.masked { 4 } else { 0 };
        let len = match extended {
            0 => count(usize::from(frame[1] & 0x7f), "byte"),
            _ => format!("length in the next {extended} bytes"),
        };
        self.part(at + 1..at + 2, Level::Frame, FRAME, format!("{mask}, {len}"));
        let length = at + 2..at + 2 + extended;
        self.part(length.clone(), Level::Frame, FRAME, format!("length: {} bytes", head.payload));
        if head.masked {
            let meaning = "masking key; the payload is shown unmasked";
            self.part(length.end..length.end + 4, Level::Frame, MASKING, meaning);
        }
    }

    fn event(&mut self, event: FrameEvent, payload: Range<usize>) -> Result<(), BrokenRule> {
        match event {
            FrameEvent::Text(text) => self.whole(payload, |walk, at| walk.text_packet(&text, at)),
            FrameEvent::Binary(bytes) => self.whole(payload, |walk, at| walk.binary_packet(&bytes, at)),
            FrameEvent::Ping(_) | FrameEvent::Pong(_) => {
                self.part(payload, Level::Frame, CONTROL, "application data, which a pong repeats");
                Ok(())
            }
            FrameEvent::Close { code: None, .. } => Ok(()),
            FrameEvent::Close { code: Some(code), .. } => {
                let reason = payload.start + 2..payload.end;
                self.part(payload.start..reason.start, Level::Frame, CLOSING, format!("status code {code}"));
                self.part(reason, Level::Frame, CLOSING, "the reason as text");
                Ok(())
            }
        }
    }

    /// Explains a whole message, whose last frame is `last`.
    fn whole(
        &mut self,
        last: Range<usize>,
        explain: impl FnOnce(&mut Walk, usize) -> Result<(), BrokenRule>,
    ) -> Result<(), BrokenRule> {
        if self.fragments.is_empty() {
            return explain(self, last.start);
        }
        let mut fragments = std::mem::take(&mut self.fragments);
        fragments.push(last);
        let parts = self.parts.len();
        let read = explain(self, 0);
        for Part { range, .. } in &mut self.parts[parts..] {
            // A part that spans several fragments includes the headers between them.
            *range = place(&fragments, range.start)..place(&fragments, range.end - 1) + 1;
        }
        read.map_err(|wrong| BrokenRule { at: place(&fragments, wrong.at), ..wrong })
    }

    /// The first byte that breaks a rule of frames.
    fn wrong(&self, violation: FrameViolation, bytes: &[u8], at: usize, payload: Range<usize>) -> usize {
        match violation {
            FrameViolation::Unmasked | FrameViolation::LongControl | FrameViolation::TooLong => at + 1,
            FrameViolation::Length => at + 2,
            FrameViolation::CloseLength | FrameViolation::CloseCode(_) => payload.start,
            FrameViolation::Utf8 => {
                // A close frame's reason follows its code.
                let reason = payload.start + 2..payload.end;
                let places = if bytes[at] & 0x0f == 8 {
                    vec![reason]
                } else {
                    self.fragments.iter().cloned().chain([payload]).collect()
                };
                let text: Vec<u8> = places.iter().flat_map(|place| &bytes[place.clone()]).copied().collect();
                let wrong = std::str::from_utf8(&text).err().map_or(0, |error| error.valid_up_to());
                place(&places, wrong)
            }
            _ => at,
        }
    }
}

/// The position of a byte of a message, given the positions of its fragments.
fn place(fragments: &[Range<usize>], mut at: usize) -> usize {
    for fragment in fragments {
        if at < fragment.len() {
            return fragment.start + at;
        }
        at -= fragment.len();
    }
    fragments.last().map_or(0, |last| last.end)
}

fn unmask(frame: &mut [u8], payload: usize) {
    let (head, payload) = frame.split_at_mut(payload);
    let Some(mask) = head.last_chunk::<4>() else { return };
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
