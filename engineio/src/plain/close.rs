//! How a plain WebSocket ends.

use bytes::Bytes;

use crate::websocket::{MAX_REASON, may_be_sent};

/// How a WebSocket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code of the first close frame, ours or the peer's; 1005 if the peer gave none, and 1006 if the connection
    /// was lost.
    pub code: u16,
    /// The reason in that frame.
    pub reason: Box<str>,
}

impl Close {
    /// "1005 is a reserved value": the peer's close frame has no code (RFC 6455, section 7.4.1).
    pub(super) const NO_CODE: u16 = 1005;

    /// "1006 is a reserved value": there was no close frame.
    pub(super) const NO_FRAME: u16 = 1006;

    /// The peer is gone.
    pub(super) fn lost() -> Close {
        Close::new(Close::NO_FRAME)
    }

    pub(super) fn new(code: u16) -> Close {
        Close { code, reason: "".into() }
    }

    /// A close that an application asks for. A code that must not be sent becomes 1000, and a reason that is too long
    /// for a close frame is cut.
    pub(super) fn asked(code: u16, reason: &str) -> Close {
        let code = if may_be_sent(code) { code } else { 1000 };
        let ends = reason.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let length = ends.take_while(|end| *end <= MAX_REASON).last().unwrap_or(0);
        Close { code, reason: reason[..length].into() }
    }

    /// The one in a peer's close frame.
    pub(super) fn by_peer(code: Option<u16>, payload: &Bytes) -> Close {
        let reason = payload.get(2..).and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or_default();
        Close { code: code.unwrap_or(Close::NO_CODE), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_cannot_be_sent_and_long_reasons_are_made_to_fit() {
        for (asked, sent) in
            [(1005, 1000), (1006, 1000), (999, 1000), (5000, 1000), (3000, 3000), (1013, 1013)]
        {
            let close = Close::asked(asked, &format!("x{}", "é".repeat(100)));
            assert_eq!((close.code, &*close.reason), (sent, &*("x".to_owned() + &"é".repeat(61))));
        }
    }
}
