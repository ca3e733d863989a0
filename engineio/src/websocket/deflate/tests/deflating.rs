//! What the server compresses.

use std::collections::VecDeque;

use super::*;

#[test]
fn an_empty_message_is_one_byte_or_none() {
    for compressed in [&[0x00][..], &[0x02, 0x00], &[]] {
        assert_eq!(alone().message(compressed, LIMIT).unwrap(), "", "{compressed:02x?}");
        let mut inflating = agreement(AFTER_OTHERS).inflating();
        assert_eq!(inflating.message(compressed, LIMIT).unwrap(), "", "{compressed:02x?}");
    }
}

#[test]
fn what_is_compressed_comes_out_as_it_was() {
    for ours in [ALONE, AFTER_OTHERS] {
        for agreement in [agreement(ours), small(ours)] {
            let (mut deflating, mut inflating) = (agreement.deflating(), agreement.inflating());
            for len in [0, 1, 100, 1_024, 65_535, 65_536, 65_537] {
                for message in [json(len).into_bytes(), noise(len), vec![b'x'; len]] {
                    let mut queue = VecDeque::from([Frame::binary(&message)]);
                    deflating.prepare(&queue, 0, Revision::V4, &budget());
                    let bytes = deflating.form(0, &queue[0], Revision::V4).to_vec();
                    deflating.pop_front(bytes.len());
                    queue.clear();
                    match bytes[0] {
                        0xc2 => assert_eq!(inflating.message(payload(&bytes), LIMIT).unwrap(), message),
                        first => assert_eq!((first, payload(&bytes)), (0x82, &message[..])),
                    }
                }
            }
        }
    }
}

#[test]
fn a_small_window_is_kept_to() {
    // The beginning comes again, but too far away for 512 bytes.
    let message = [noise(400), noise(20_000).split_off(1_000), noise(400)].concat();
    let frame = Frame::binary(&[message.clone(), json(5_000).into_bytes()].concat());
    let agreement = small(ALONE);
    let deflating = agreement.deflating();
    let bytes = deflating.form(0, &frame, Revision::V4);
    assert_eq!(bytes[0], 0xc2);
    let mut inflate = Decompress::new_with_window_bits(false, 9);
    let mut out = Vec::with_capacity(100_000);
    // In pieces, so that the inflater has nothing but its window.
    for piece in [payload(bytes), &TAIL].concat().chunks(16) {
        let mut buffer = [0; 8_192];
        let before = inflate.total_out();
        inflate.decompress(piece, &mut buffer, FlushDecompress::Sync).unwrap();
        out.extend_from_slice(&buffer[..(inflate.total_out() - before) as usize]);
    }
    assert_eq!(out, frame.packet());
}

#[test]
fn short_messages_and_those_that_ask_for_it_go_as_they_are() {
    for context_takeover in [false, true] {
        let ours = PerMessageDeflate { threshold: 1_000, context_takeover, ..ALONE };
        let mut deflating = agreement(ours).deflating();
        let text = |len: usize| Frame::text(&"x".repeat(len - 1));
        let queue = VecDeque::from([
            text(999),
            text(1_000),
            text(1_000).uncompressed(),
            text(LONGEST),
            text(LONGEST + 1),
        ]);
        deflating.prepare(&queue, 4, Revision::V4, &budget());
        let first = |at: usize| deflating.form(at, &queue[at], Revision::V4)[0];
        assert_eq!([0, 1, 2, 3, 4].map(first), [0x81, 0xc1, 0x81, 0xc1, 0x81]);
    }
}

#[test]
fn what_is_queued_after_compression_has_stopped_goes_as_it_is() {
    for ours in [ALONE, AFTER_OTHERS] {
        let mut deflating = agreement(ours).deflating();
        let mut queue: VecDeque<Frame> = (0..4).map(|_| Frame::text(&json(4_000))).collect();
        deflating.stop_after(2);
        deflating.stop_after(4);
        for expected in [[0xc1, 0xc1, 0x81, 0x81], [0xc1, 0x81, 0x81, 0x81], [0x81; 4]] {
            deflating.prepare(&queue, 3, Revision::V4, &budget());
            let forms = [0, 1, 2, 3].map(|at| deflating.form(at, &queue[at], Revision::V4));
            assert_eq!(forms.map(|form| form[0]), expected);
            let len = forms[0].len();
            queue.pop_front();
            deflating.pop_front(len);
            queue.push_back(Frame::text(&json(4_000)));
        }
        deflating.clear();
        deflating.prepare(&queue, 3, Revision::V4, &budget());
        assert_eq!(deflating.form(0, &queue[0], Revision::V4)[0], 0x81);
    }
}

#[test]
fn what_does_not_get_shorter_goes_as_it_is() {
    let frame = Frame::binary(&noise(2_000));
    let deflating = agreement(ALONE).deflating();
    assert_eq!(deflating.form(0, &frame, Revision::V4), frame.websocket(Revision::V4));
}

// proves: features/broadcast-compressed-once
#[test]
fn a_broadcast_is_compressed_once_for_each_window() {
    let frame = Frame::text(&json(4_000));
    let form = |agreement: Agreement, revision| agreement.deflating().form(0, &frame, revision).as_ptr();
    let (full, reduced) = (agreement(ALONE), small(ALONE));
    let first = form(full, Revision::V4);
    assert_eq!((form(full, Revision::V4), form(full, Revision::V3)), (first, first));
    assert_ne!(form(reduced, Revision::V4), first);
    assert_eq!(form(reduced, Revision::V4), form(reduced, Revision::V4));
    // In revision 3, a binary packet has a byte more.
    let binary = Frame::binary(json(4_000).as_bytes());
    let deflating = full.deflating();
    for revision in [Revision::V3, Revision::V4] {
        let compressed = payload(deflating.form(0, &binary, revision));
        assert_eq!(alone().message(compressed, LIMIT).unwrap(), payload(binary.websocket(revision)));
    }
}

#[test]
fn a_message_that_refers_to_others_is_shorter() {
    let lengths = |ours: PerMessageDeflate| {
        let mut deflating = agreement(ours).deflating();
        let queue: VecDeque<Frame> = (0..5).map(|_| Frame::text(&json(400))).collect();
        deflating.prepare(&queue, 0, Revision::V4, &budget());
        queue.iter().enumerate().map(|(at, frame)| deflating.form(at, frame, Revision::V4).len()).collect()
    };
    let (alone, after_others): (Vec<usize>, Vec<usize>) = (lengths(ALONE), lengths(AFTER_OTHERS));
    assert!(alone.iter().all(|len| *len == alone[0]), "{alone:?}");
    assert!(after_others[1..].iter().all(|len| len * 5 < alone[0]), "{after_others:?}");
}

#[test]
fn without_memory_for_a_compressor_messages_go_as_they_are() {
    let mut deflating = agreement(AFTER_OTHERS).deflating();
    let queue = VecDeque::from([Frame::text(&json(4_000))]);
    deflating.prepare(&queue, 0, Revision::V4, &Budget::new(0, Arc::default()));
    assert_eq!((deflating.form(0, &queue[0], Revision::V4)[0], deflating.memory()), (0x81, 0));
    deflating.clear();
    deflating.prepare(&queue, 0, Revision::V4, &budget());
    assert_eq!(
        (deflating.form(0, &queue[0], Revision::V4)[0], deflating.memory()),
        (0xc1, COMPRESSOR_MEMORY)
    );
}

#[test]
fn a_connection_compresses_no_more_ahead_than_it_can_write() {
    let mut deflating = agreement(AFTER_OTHERS).deflating();
    let queue: VecDeque<Frame> = noise(300_000).chunks(10_000).map(Frame::binary).collect();
    deflating.prepare(&queue, 0, Revision::V4, &budget());
    assert_eq!(deflating.ready(), 7, "those that fill 64 KiB");
    deflating.prepare(&queue, 20, Revision::V4, &budget());
    assert_eq!(deflating.ready(), 21, "as many as were asked for");
}
