//! Control frames: those that a server sends, and the code of a client's close frame.

use super::error::FrameViolation;
use super::head::{CLOSE, CONTROL, PING, PONG};

/// Appends a pong that answers a ping of that payload: at most 125 bytes, as [`FrameEvent::Ping`](super::FrameEvent::Ping) has them.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    control(PONG, &payload[..payload.len().min(CONTROL)], out);
}

/// Appends a ping without a payload.
pub fn ping(out: &mut Vec<u8>) {
    control(PING, &[], out);
}

/// The longest reason in a close frame, in bytes: a control frame has 125, and the code takes two.
pub const MAX_REASON: usize = CONTROL - 2;

/// Appends a close frame, with a status code (section 7.4.1) and a reason in words, or with neither. `reason` is at
/// most [`MAX_REASON`] bytes long, and goes with a code alone.
pub fn close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    control(CLOSE, &close_payload(code, reason), out);
}

/// The payload of a [`close`] frame.
pub(crate) fn close_payload(code: Option<u16>, reason: &str) -> Vec<u8> {
    match code {
        Some(code) => [&code.to_be_bytes(), &reason.as_bytes()[..reason.len().min(MAX_REASON)]].concat(),
        None => Vec::new(),
    }
}

/// Whether that status code may be in a close frame (section 7.4): those up to 1015 are the protocol's, and some of
/// them must not be sent; those from 3000 on are for applications.
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The status code in a close frame (section 5.5.1), whose reason must be UTF-8.
pub(super) fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameViolation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(FrameViolation::CloseLength) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(FrameViolation::CloseCode(code));
    }
    std::str::from_utf8(reason).map_err(|_| FrameViolation::Utf8)?;
    Ok(Some(code))
}

fn control(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    // The length fits: it is at most 125.
    out.extend_from_slice(&[0x80 | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}
