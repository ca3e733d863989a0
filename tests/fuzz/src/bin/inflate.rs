//! Inflates messages for tests/fuzz/inflate, which compares them with what zlib says. Each line of the input is a
//! connection: messages as hexadecimal digits, separated by blanks. Each is answered by what is in it, or by `-`, and then the
//! connection is over.

use std::io::{self, BufRead as _, Write as _};

use engineio::websocket::deflate::{Agreement, PerMessageDeflate};
use engineio::websocket::{FrameEvent, FrameLimits, Reader};

const LIMITS: FrameLimits = FrameLimits { message: 10_000_000, fragments: 1 };

fn main() -> io::Result<()> {
    let ours = PerMessageDeflate { context_takeover: true, ..PerMessageDeflate::default() };
    let agreement = Agreement::find(&ours, ["permessage-deflate"], None).expect("an offer that suits");
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let (mut reader, mut inflating) = (Reader::new(LIMITS), agreement.inflating());
        for message in line?.split_whitespace() {
            let payload: Vec<u8> = (0..message.len())
                .step_by(2)
                .filter_map(|at| u8::from_str_radix(message.get(at..at + 2)?, 16).ok())
                .collect();
            reader.feed(&[0xc2, 0xff]);
            reader.feed(&(payload.len() as u64).to_be_bytes());
            reader.feed(&[0; 4]);
            reader.feed(&payload);
            let Ok(Some(FrameEvent::Binary(bytes))) = reader.next_inflated(Some(&mut inflating)) else {
                write!(out, "- ")?;
                break;
            };
            write!(out, "=")?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            write!(out, " ")?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
