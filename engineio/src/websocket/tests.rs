use super::*;

const LIMITS: FrameLimits = FrameLimits { message: 1_000, fragments: 4 };

/// A masked frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// What is before a masked frame's mask, in the shortest form.
fn head(first: u8, len: u64) -> Vec<u8> {
    match len {
        0..126 => vec![first, 0x80 | len as u8],
        126..65_536 => [&[first, 0xfe][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[first, 0xff][..], &len.to_be_bytes()].concat(),
    }
}

fn text(text: &str) -> FrameEvent {
    FrameEvent::Text(text.into())
}

fn close_event(code: Option<u16>, reason: &str) -> FrameEvent {
    let code_bytes = code.map(u16::to_be_bytes).unwrap_or_default();
    let payload = [&code_bytes[..usize::from(code.is_some()) * 2], reason.as_bytes()].concat();
    FrameEvent::Close { code, payload: payload.into() }
}

/// Everything in `bytes`, and the violation that ends it.
fn read(bytes: &[u8]) -> (Vec<FrameEvent>, Option<FrameViolation>) {
    read_in_pieces(bytes, bytes.len().max(1))
}

fn read_in_pieces(bytes: &[u8], piece: usize) -> (Vec<FrameEvent>, Option<FrameViolation>) {
    let mut reader = Reader::new(LIMITS);
    let mut events = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}

fn violation(bytes: &[u8]) -> FrameViolation {
    read(bytes).1.expect("the rule was not kept")
}

#[test]
fn the_rfcs_own_example_is_hello() {
    // Section 5.7: "A single-frame masked text message".
    let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(read(bytes), (vec![text("Hello")], None));
}

#[test]
fn pieces_of_any_size_make_the_same_messages() {
    let bytes = [
        frame(0x81, b"4hello"),
        frame(0x82, &[7; 300]),
        frame(0x01, "4h\u{e9}".as_bytes()),
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x80, "\u{1f600}".as_bytes()),
        frame(0x8a, b""),
        frame(0x81, b""),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let whole = read(&bytes);
    let expected = vec![
        text("4hello"),
        FrameEvent::Binary(vec![7; 300].into()),
        FrameEvent::Ping("are you there".into()),
        text("4h\u{e9}\u{1f600}"),
        FrameEvent::Pong(Bytes::new()),
        text(""),
        close_event(Some(1000), "bye"),
    ];
    assert_eq!(whole, (expected, None));
    for piece in 1..bytes.len() {
        assert_eq!(read_in_pieces(&bytes, piece), whole, "in pieces of {piece}");
    }
}

#[test]
fn each_form_of_the_length_is_read() {
    let mut reader = Reader::new(FrameLimits { message: 70_000, fragments: 1 });
    for len in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
        reader.feed(&frame(0x82, &payload));
        assert_eq!(reader.next(), Ok(Some(FrameEvent::Binary(payload.into()))), "{len} bytes");
        assert_eq!(reader.next(), Ok(None));
    }
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    assert_eq!(read(&frame(0x82, &[0; 1_000])).0.len(), 1);
    // The length is enough to know: neither mask nor payload has to come.
    assert_eq!(violation(&head(0x82, 1_001)), FrameViolation::TooLong);
    let before = frame(0x02, &[0; 600]);
    let exact = [before.clone(), frame(0x80, &[0; 400])].concat();
    assert_eq!(read(&exact), (vec![FrameEvent::Binary(vec![0; 1_000].into())], None));
    let over = [before, head(0x80, 401)].concat();
    assert_eq!(violation(&over), FrameViolation::TooLong);
    assert_eq!(violation(&head(0x82, u64::MAX >> 1)), FrameViolation::TooLong);
    assert_eq!(violation(&head(0x82, 1 << 63)), FrameViolation::Length);
}

#[test]
fn a_message_may_have_as_many_fragments_as_the_limit_and_not_one_more() {
    let message = |fragments: usize| {
        let middle = frame(0x00, b"").repeat(fragments - 2);
        [frame(0x01, b"4"), middle, frame(0x80, b"")].concat()
    };
    assert_eq!(read(&message(4)), (vec![text("4")], None));
    assert_eq!(violation(&message(5)), FrameViolation::TooManyFragments);
    assert_eq!(read(&message(4).repeat(3)).0.len(), 3, "they are counted by message");
}

#[test]
fn what_the_rfc_forbids_is_told_by_its_name() {
    for (bytes, expected) in [
        (&[0xc1, 0x80][..], FrameViolation::ReservedBit),
        (&[0xa1, 0x80], FrameViolation::ReservedBit),
        (&[0x91, 0x80], FrameViolation::ReservedBit),
        (&[0x83, 0x80], FrameViolation::Opcode(3)),
        (&[0x8b, 0x80], FrameViolation::Opcode(11)),
        (&[0x81, 0x00], FrameViolation::Unmasked),
        (&[0x09, 0x80], FrameViolation::FragmentedControl),
        (&[0x89, 0xfe], FrameViolation::LongControl),
        (&[0x88, 0xff], FrameViolation::LongControl),
        (&[0x80, 0x80], FrameViolation::LoneContinuation),
        (&[0x00, 0x80], FrameViolation::LoneContinuation),
    ] {
        let rest = [bytes, &[0; 12]].concat();
        assert_eq!(violation(&rest), expected, "{bytes:02x?}");
        assert_eq!(expected.code(), 1002);
    }
    let interleaved = [frame(0x01, b"4"), frame(0x81, b"4")].concat();
    assert_eq!(violation(&interleaved), FrameViolation::Interleaved);
    assert_eq!(violation(&frame(0x81, b"4\xff")), FrameViolation::Utf8);
    assert_eq!(violation(&[frame(0x01, b"\xc3"), frame(0x80, b"\x28")].concat()), FrameViolation::Utf8);
}

#[test]
fn a_character_may_be_spread_over_fragments() {
    let bytes = [frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat();
    assert_eq!(read(&bytes), (vec![text("\u{e9}")], None));
}

#[test]
fn text_that_is_not_utf8_is_told_by_its_first_wrong_byte() {
    let told_after = |bytes: &[u8]| {
        let mut reader = Reader::new(LIMITS);
        bytes.iter().position(|byte| {
            reader.feed(&[*byte]);
            reader.next() == Err(FrameViolation::Utf8)
        })
    };
    let wrong = |payload: &[u8]| 6 + payload.iter().position(|byte| *byte == 0xff).expect("a wrong byte");
    for payload in [&b"4\xff and more"[..], b"4h\xc3\xa9\xff and more", "4h\u{1f600}".as_bytes()] {
        let expected = payload.contains(&0xff).then(|| wrong(payload));
        assert_eq!(told_after(&frame(0x81, payload)), expected, "{payload:02x?}");
    }
    // A character that is too large is wrong by its second byte, a surrogate too.
    assert_eq!(told_after(&frame(0x81, b"4\xf4\x90\x80\x80")), Some(8));
    assert_eq!(told_after(&frame(0x81, b"4\xed\xa0\x80")), Some(8));
    // Nor does it wait for the last fragment, and a ping between does no harm.
    let begun = [frame(0x01, b"4h\xc3"), frame(0x89, b"\xff")].concat();
    let whole = [begun.clone(), frame(0x00, b"\x28 and more")].concat();
    assert_eq!(told_after(&whole), Some(begun.len() + 6));
    assert_eq!(read(&whole).1, Some(FrameViolation::Utf8));
    // A character without its end is no character at the end.
    let cut = [frame(0x01, b"4h"), frame(0x80, b"\xc3")].concat();
    assert_eq!(told_after(&cut), Some(cut.len() - 1));
}

#[test]
fn bytes_that_are_no_text_need_not_be_utf8_in_parts() {
    let bytes = [frame(0x02, b"\xff\xc3"), frame(0x80, b"\x28")].concat();
    for piece in 1..bytes.len() {
        let expected = vec![FrameEvent::Binary(b"\xff\xc3\x28"[..].into())];
        assert_eq!(read_in_pieces(&bytes, piece), (expected, None), "in pieces of {piece}");
    }
}

#[test]
fn a_close_frame_has_a_code_that_may_be_sent_or_none() {
    let close = |code: u16| read(&frame(0x88, &code.to_be_bytes()));
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        assert_eq!(close(code), (vec![close_event(Some(code), "")], None));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(close(code).1, Some(FrameViolation::CloseCode(code)));
    }
    assert_eq!(read(&frame(0x88, b"")).0, [close_event(None, "")]);
    assert_eq!(violation(&frame(0x88, b"\x03")), FrameViolation::CloseLength);
    assert_eq!(violation(&frame(0x88, b"\x03\xe8\xff")), FrameViolation::Utf8);
}

#[test]
fn nothing_is_reserved_for_what_a_frame_only_announces() {
    let mut reader = Reader::new(FrameLimits { message: 1 << 40, fragments: 1 });
    reader.feed(&head(0x82, 1 << 40));
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.input.capacity() < 64);
}

#[test]
fn no_memory_is_kept_between_messages() {
    let mut reader = Reader::new(FrameLimits { message: 1_000_000, fragments: 2 });
    for bytes in [frame(0x82, &[1; 900_000]), frame(0x81, b"4").repeat(100)] {
        for piece in bytes.chunks(1 << 16) {
            reader.feed(piece);
            while reader.next().unwrap().is_some() {}
        }
        assert_eq!(reader.input.capacity(), 0);
    }
}

#[test]
fn a_long_message_that_comes_byte_by_byte_is_moved_a_few_times_only() {
    let len = 1_000_000;
    let mut reader = Reader::new(FrameLimits { message: len, fragments: 1 });
    let (mut capacity, mut grown) = (0, 0);
    let mut message = None;
    for byte in frame(0x81, &vec![b'4'; len]) {
        reader.feed(&[byte]);
        message = reader.next().unwrap();
        assert!(reader.input.capacity() < 64, "the input is no second copy");
        let now = reader.partial.as_ref().map_or(0, |partial| partial.payload.capacity());
        grown += usize::from(now > capacity);
        capacity = now;
        assert!(reader.partial.as_ref().is_none_or(|partial| partial.valid == partial.payload.len()));
    }
    assert!(matches!(message, Some(FrameEvent::Text(text)) if text.len() == len));
    assert!((1..32).contains(&grown), "it grew {grown} times");
    assert_eq!(reader.next(), Ok(None));
    assert_eq!(reader.input.capacity(), 0);
}

#[test]
fn the_beginning_of_a_frame_behind_a_fragment_does_not_keep_its_memory() {
    let mut reader = Reader::new(LIMITS);
    reader.feed(&[frame(0x02, &[1; 900]), vec![0x80]].concat());
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.input.capacity() < 64, "the beginning of a frame keeps {}", reader.input.capacity());
}

#[test]
fn the_beginning_of_a_frame_does_not_hold_on_to_the_messages_before_it() {
    let mut reader = Reader::new(LIMITS);
    reader.feed(&[frame(0x82, &[1; 900]), vec![0x82]].concat());
    let Ok(Some(FrameEvent::Binary(message))) = reader.next() else { panic!("a message") };
    assert_eq!(reader.next(), Ok(None));
    assert!(message.is_unique(), "the reader still holds the message's memory");
    assert!(reader.input.capacity() < 64, "the beginning of a frame keeps {}", reader.input.capacity());
}

#[test]
fn control_frames_are_written_unmasked() {
    let mut out = Vec::new();
    pong(b"hi", &mut out);
    ping(&mut out);
    close(Some(1009), "", &mut out);
    close(Some(1001), "bye", &mut out);
    close(None, "", &mut out);
    assert_eq!(out, b"\x8a\x02hi\x89\x00\x88\x02\x03\xf1\x88\x05\x03\xe9bye\x88\x00");
}
