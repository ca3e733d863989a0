//! `cargo bench` in `tests/bench`: the codecs, one by one.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use bytestring::ByteString;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use engineio::{Frame, Packet, PayloadFormat, Revision};
use offline::{FORMAT, Offline, application, text};

const V3_TEXT: PayloadFormat = PayloadFormat { revision: Revision::V3, base64: true };
const V3_BINARY: PayloadFormat = PayloadFormat { revision: Revision::V3, base64: false };
const SIZES: [usize; 3] = [32, 4_096, 65_536];

fn main() {
    divan::main();
}

fn event(name: &str, size: usize) -> String {
    format!(r#"2["{name}","{}"]"#, "x".repeat(size))
}

#[divan::bench(args = SIZES)]
fn decode_text_packet(bencher: Bencher<'_, '_>, size: usize) {
    let packet = ByteString::from(format!("4{}", event("message", size)));
    bencher.counter(BytesCount::new(packet.len())).bench(|| Packet::decode_text(&packet, Revision::V4));
}

#[divan::bench(args = SIZES)]
fn decode_base64_packet(bencher: Bencher<'_, '_>, size: usize) {
    let packet = ByteString::from(format!("b{}", "AAAA".repeat(size / 3)));
    bencher.counter(BytesCount::new(packet.len())).bench(|| Packet::decode_text(&packet, Revision::V4));
}

#[divan::bench(args = SIZES)]
fn encode_text_packet(bencher: Bencher<'_, '_>, size: usize) {
    let payload = event("message", size);
    bencher.counter(BytesCount::new(payload.len())).bench(|| Frame::text(&payload));
}

#[divan::bench(args = SIZES)]
fn encode_binary_packet(bencher: Bencher<'_, '_>, size: usize) {
    let payload = vec![7; size];
    bencher.counter(BytesCount::new(size)).bench(|| Frame::binary(&payload));
}

/// The forms of a payload, each with what a POST says of it.
const FORMS: [(&str, PayloadFormat, bool); 3] =
    [("4, text", FORMAT, false), ("3, text", V3_TEXT, false), ("3, binary", V3_BINARY, true)];

fn form(name: &str) -> (PayloadFormat, bool) {
    let (_, format, octets) = FORMS.into_iter().find(|(form, ..)| *form == name).expect("a form");
    (format, octets)
}

/// Sixteen events, and one binary message, which makes revision 3 choose its binary form.
fn frames() -> VecDeque<Frame> {
    let events = (0..16).map(|_| Frame::from(&text(&event("message", 32))));
    events.chain([Frame::binary(&[7; 256])]).collect()
}

#[divan::bench(args = FORMS.map(|(name, ..)| name))]
fn encode_payload(bencher: Bencher<'_, '_>, name: &str) {
    let (format, _) = form(name);
    // New frames each time: they keep the rarer encodings once those are made.
    bencher
        .counter(ItemsCount::new(17_usize))
        .with_inputs(frames)
        .bench_values(|mut frames| format.encode(&mut frames, 1_000_000));
}

#[divan::bench(args = FORMS.map(|(name, ..)| name))]
fn decode_payload(bencher: Bencher<'_, '_>, name: &str) {
    let (format, octets) = form(name);
    let (payload, _) = format.encode(&mut frames(), 1_000_000);
    let body = payload.to_bytes();
    bencher.counter(ItemsCount::new(17_usize)).bench(|| {
        format.reader(body.clone(), octets, 4_096).map(|packet| packet.is_ok()).filter(|ok| *ok).count()
    });
}

/// From a frame's text to the frame of the answer, through session, client and handler.
#[divan::bench(args = SIZES)]
fn echo_event(bencher: Bencher<'_, '_>, size: usize) {
    let io = application();
    let mut session = Offline::join(&io);
    let message = ByteString::from(format!("4{}", event("message", size)));
    bencher.bench_local(|| {
        session.receive(&message);
        session.write();
        black_box(session.written.len())
    });
}

/// An event with an attachment in, and one out.
#[divan::bench(args = SIZES)]
fn echo_attachment(bencher: Bencher<'_, '_>, size: usize) {
    let io = application();
    let mut session = Offline::join(&io);
    let event = ByteString::from_static(r#"451-["attach",{"_placeholder":true,"num":0}]"#);
    let bytes = Bytes::from(vec![7; size]);
    bencher.bench_local(|| {
        session.receive(&event);
        session.receive_binary(&bytes);
        session.write();
        black_box(session.written.len())
    });
}

/// A broadcast's encoding, and its way into the mailboxes of so many; nothing is written.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn broadcast(bencher: Bencher<'_, '_>, clients: usize) {
    let io = application();
    let sessions = std::cell::RefCell::new((0..clients).map(|_| Offline::join(&io)).collect::<Vec<_>>());
    let all = io.of("/").to("all");
    bencher
        .counter(ItemsCount::new(clients))
        // What the last one left is taken out before the next is measured.
        .with_inputs(|| sessions.borrow_mut().iter_mut().for_each(Offline::write))
        .bench_local_values(|()| all.emit("bcast", "x".repeat(32)).is_ok());
}
