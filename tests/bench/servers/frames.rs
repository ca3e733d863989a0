//! Canned answers by WebSocket: just enough to tell the frames that clients send apart, and nothing of
//! Socket.IO.

use std::sync::Arc;

use crate::canned::CONNECT;

/// What a client may send, and what the answer begins with.
const ECHO: (&[u8], &[u8]) = (br#"42["message",""#, br#"42["message-back",""#);
const ACK: (&[u8], &[u8]) = (br#"421["message-with-ack",""#, br#"431[""#);
const BROADCAST: (&[u8], &[u8]) = (br#"42["broadcast",""#, br#"42["bcast",""#);

/// The answer to the key that the load sends with each handshake (RFC 6455, section 1.3).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The answers, made once. A run asks for one or two kinds, so they are looked for one by one.
#[derive(Default)]
pub struct Canned(Vec<Answer>);

struct Answer {
    /// How long the question is, and how long what the answer begins with.
    question: usize,
    head: usize,
    frame: Arc<[u8]>,
}

impl Canned {
    /// Answers the whole frames in `bytes`, and gives `broadcast` those that everybody gets. Says how many
    /// bytes they take up.
    pub fn answer(
        &mut self,
        bytes: &mut [u8],
        answers: &mut Vec<u8>,
        mut broadcast: impl FnMut(&Arc<[u8]>),
    ) -> usize {
        let mut used = 0;
        while let Some((mask, len)) = parse(&bytes[used..]) {
            let (key, payload) = bytes[used + mask..used + len].split_at_mut(4);
            // Canned answers need no more than what tells the questions apart.
            for (at, byte) in payload.iter_mut().take(5).enumerate() {
                *byte ^= key[at % 4];
            }
            let asked = payload.len();
            match payload {
                [b'4', b'0', ..] => answers.extend_from_slice(&frame(CONNECT.as_bytes())),
                [b'4', b'2', b'[', b'"', b'm', ..] => answers.extend_from_slice(self.get(ECHO, asked)),
                [b'4', b'2', b'[', b'"', b'b', ..] => broadcast(self.get(BROADCAST, asked)),
                [b'4', b'2', b'1', ..] => answers.extend_from_slice(self.get(ACK, asked)),
                _ => {}
            }
            used += len;
        }
        used
    }

    /// An answer with a string as long as the one in a message of `question` bytes.
    fn get(&mut self, kind: (&[u8], &[u8]), question: usize) -> &Arc<[u8]> {
        let head = kind.1.len();
        let known = self.0.iter().position(|answer| answer.question == question && answer.head == head);
        let at = known.unwrap_or_else(|| {
            let string = vec![b'x'; question - kind.0.len() - 2];
            let frame = frame(&[kind.1, &string, br#""]"#].concat()).into();
            self.0.push(Answer { question, head, frame });
            self.0.len() - 1
        });
        &self.0[at].frame
    }
}

/// A server's frame.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// A client's frame at the start of `bytes`: where its mask begins, and its whole length.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mask, len) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= mask + 4 + len).then_some((mask, mask + 4 + len))
}
