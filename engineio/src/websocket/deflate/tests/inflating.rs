//! What clients compressed.

use super::*;

// "An end-point compresses 'Hello'": RFC 7692, section 7.2.3.
#[test]
fn the_rfcs_own_examples_are_hello() {
    for compressed in [
        // 7.2.3.1: one block.
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        // 7.2.3.3: a block without compression.
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        // 7.2.3.4: a block with BFINAL.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        // 7.2.3.5: two blocks.
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        // And a stream that ends with its last byte.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(alone().message(compressed, LIMIT).unwrap(), "Hello", "{compressed:02x?}");
    }
    // 7.2.3.2: the second refers to the first.
    let mut inflating = agreement(AFTER_OTHERS).inflating();
    for compressed in [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]] {
        assert_eq!(inflating.message(compressed, LIMIT).unwrap(), "Hello", "{compressed:02x?}");
    }
    // Which it can't if each message stands for itself.
    assert_eq!(alone().message(&[0xf2, 0x00, 0x11, 0x00, 0x00], LIMIT), Err(FrameViolation::Deflate));
}

#[test]
fn a_message_may_have_several_streams() {
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let streams = |count: usize| [hello.repeat(count), vec![0]].concat();
    assert_eq!(alone().message(&streams(64), LIMIT).unwrap(), "Hello".repeat(64));
    assert_eq!(alone().message(&streams(66), LIMIT), Err(FrameViolation::Deflate));
}

// "the LZ77 sliding window" goes on behind BFINAL: RFC 7692, section 7.2.2.
#[test]
fn what_comes_after_the_end_of_a_stream_may_refer_to_what_came_before() {
    let after = |known: &[u8], message: &[u8]| {
        let mut compress = Compress::new(Compression::new(6), false);
        compress.set_dictionary(known).unwrap();
        let mut compressed = Vec::with_capacity(1_000);
        compress.compress_vec(message, &mut compressed, FlushCompress::Sync).unwrap();
        compressed.truncate(compressed.len() - 4);
        assert!(compressed.len() < 12, "it refers to what is known");
        compressed
    };
    let secret = "of all that is known here";
    let mut stream = Vec::with_capacity(1_000);
    Compress::new(Compression::new(6), false)
        .compress_vec(secret.as_bytes(), &mut stream, FlushCompress::Finish)
        .unwrap();
    // In the same message.
    let both = [&stream[..], &after(secret.as_bytes(), secret.as_bytes())].concat();
    for ours in [ALONE, AFTER_OTHERS] {
        assert_eq!(agreement(ours).inflating().message(&both, LIMIT).unwrap(), secret.repeat(2));
    }
    // In the next one, whether or not the stream has the octet after it that it should.
    for last in [&stream[..], &[&stream[..], &[0]].concat()] {
        let mut inflating = agreement(AFTER_OTHERS).inflating();
        let first = Peer::new().compress(b"first");
        assert_eq!(inflating.message(&first, LIMIT).unwrap(), "first");
        assert_eq!(inflating.message(last, LIMIT).unwrap(), secret);
        let next = after(format!("first{secret}").as_bytes(), format!("first{secret}").as_bytes());
        assert_eq!(inflating.message(&next, LIMIT).unwrap(), format!("first{secret}"));
    }
}

#[test]
fn as_much_is_remembered_as_a_message_can_refer_to() {
    let mut inflating = agreement(AFTER_OTHERS).inflating();
    let mut peer = Peer::new();
    let far = noise(WINDOW_MEMORY);
    for part in [&far[..1_000], &far[1_000..20_000], &far[20_000..], &far[..100]] {
        assert_eq!(inflating.message(&peer.compress(part), LIMIT).unwrap(), part);
    }
    // All of it is still there when a stream ends.
    let mut known = far[100..].to_vec();
    known.extend_from_slice(&far[..100]);
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflating.message(&hello, LIMIT).unwrap(), "Hello");
    known.extend_from_slice(b"Hello");
    let known = &known[5..];
    let mut compress = Compress::new(Compression::new(6), false);
    compress.set_dictionary(known).unwrap();
    let mut compressed = Vec::with_capacity(1_000);
    let oldest = &known[300..500];
    compress.compress_vec(oldest, &mut compressed, FlushCompress::Sync).unwrap();
    compressed.truncate(compressed.len() - 4);
    assert!(compressed.len() < 20, "{}", compressed.len());
    assert_eq!(inflating.message(&compressed, LIMIT).unwrap(), oldest);
}

// proves: limit/max-payload
#[test]
fn a_message_is_limited_while_it_is_inflated() {
    for ours in [ALONE, AFTER_OTHERS] {
        for limit in [1, 100, 4_096, 65_535, 65_536, 65_537, 200_000] {
            let exact = Peer::new().compress(&vec![0; limit]);
            let over = Peer::new().compress(&vec![0; limit + 1]);
            let mut inflating = agreement(ours).inflating();
            assert_eq!(inflating.message(&exact, limit).map(|message| message.len()), Ok(limit));
            let mut inflating = agreement(ours).inflating();
            assert_eq!(inflating.message(&over, limit), Err(FrameViolation::TooLong), "{limit}");
        }
    }
    // 10 MB in 10 KB: what is over the limit is not even inflated.
    let bomb = Peer::new().compress(&vec![0; 10_000_000]);
    assert!(bomb.len() < 11_000, "{}", bomb.len());
    assert_eq!(alone().message(&bomb, 100_000), Err(FrameViolation::TooLong));
}

#[test]
fn a_broken_stream_is_told() {
    let good = Peer::new().compress(json(2_000).as_bytes());
    for ours in [ALONE, AFTER_OTHERS] {
        // A block type that is reserved, and a length that is not repeated.
        for broken in [&[0x07][..], &[0xff; 10], &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48]] {
            let result = agreement(ours).inflating().message(broken, LIMIT);
            assert_eq!(result, Err(FrameViolation::Deflate), "{broken:02x?}");
        }
    }
    // One that is cut is no message.
    for ours in [ALONE, AFTER_OTHERS] {
        for len in 1..good.len() {
            let cut = agreement(ours).inflating().message(&good[..len], LIMIT);
            assert_eq!(cut, Err(FrameViolation::Deflate), "{len} of {} bytes", good.len());
        }
    }
    // After what was wrong, the thread's inflater is as good as new.
    assert_eq!(alone().message(&good, LIMIT).unwrap(), json(2_000));
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = crate::websocket::header::header(first, payload.len()).to_vec();
    bytes[1] |= 0x80;
    [&bytes[..], &[0; 4], payload].concat()
}

fn read(bytes: &[u8], piece: usize, inflating: &mut Inflating) -> (Vec<FrameEvent>, Option<FrameViolation>) {
    let mut reader = Reader::new(FrameLimits { message: 1_000, fragments: 4 });
    let mut events = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.next_inflated(Some(inflating)) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}

#[test]
fn messages_are_inflated_whole_and_in_pieces_and_fragments() {
    let mut peer = Peer::new();
    let first = peer.compress("4héllo".as_bytes());
    let second = peer.compress("4héllo again".as_bytes());
    let (one, two) = second.split_at(3);
    let bytes = [
        frame(0xc1, &first),
        frame(0x42, one),
        frame(0x89, b"ping"),
        frame(0x80, two),
        frame(0x81, b"4plain"),
        frame(0x88, b""),
    ]
    .concat();
    let expected = vec![
        FrameEvent::Text("4héllo".into()),
        FrameEvent::Ping("ping".into()),
        FrameEvent::Binary("4héllo again".into()),
        FrameEvent::Text("4plain".into()),
        FrameEvent::Close { code: None, payload: "".into() },
    ];
    for piece in 1..=bytes.len() {
        let mut inflating = agreement(AFTER_OTHERS).inflating();
        assert_eq!(read(&bytes, piece, &mut inflating), (expected.clone(), None), "in pieces of {piece}");
    }
}

// proves: limit/max-payload
#[test]
fn a_message_of_the_limit_may_be_longer_when_it_is_compressed() {
    let message = noise(1_000);
    for level in 0..=9 {
        let mut compress = Compress::new(Compression::new(level), false);
        let mut compressed = Vec::with_capacity(2_000);
        compress.compress_vec(&message, &mut compressed, FlushCompress::Sync).unwrap();
        compressed.truncate(compressed.len() - 4);
        assert!(compressed.len() > message.len(), "that is no test");
        let (first, second) = compressed.split_at(500);
        let whole = frame(0xc2, &compressed);
        let fragments = [frame(0x42, first), frame(0x80, second)].concat();
        for bytes in [whole, fragments] {
            for piece in [1, 100, bytes.len()] {
                let read = read(&bytes, piece, &mut alone());
                assert_eq!(read, (vec![FrameEvent::Binary(message.clone().into())], None));
            }
        }
    }
    // There is a limit to that, too.
    let most = longest_form(1_000);
    assert!((1_100..1_200).contains(&most));
    for bytes in [frame(0xc2, &vec![0; most + 1]), frame(0x82, &[0; 1_001])] {
        assert_eq!(read(&bytes[..8], 8, &mut alone()).1, Some(FrameViolation::TooLong));
    }
}

#[test]
fn the_compressed_length_of_the_last_message_is_known() {
    let mut inflating = alone();
    let compressed = Peer::new().compress(b"4hello");
    read(&frame(0xc1, &compressed), 1_000, &mut inflating);
    assert_eq!(inflating.last(), Some(compressed.len()));
    read(&frame(0x81, b"4hello"), 1_000, &mut inflating);
    assert_eq!(inflating.last(), None);
}

#[test]
fn rsv1_is_legal_on_the_first_frame_of_a_message_alone() {
    let hello = Peer::new().compress(b"4hello");
    for bytes in [
        [frame(0x41, &hello[..2]), frame(0xc0, &hello[2..])].concat(),
        frame(0xc8, b""),
        frame(0xc9, b""),
        frame(0xca, b""),
        frame(0xa1, &hello),
        frame(0x91, &hello),
        frame(0xe1, &hello),
    ] {
        assert_eq!(read(&bytes, bytes.len(), &mut alone()).1, Some(FrameViolation::ReservedBit));
    }
}

#[test]
fn inflated_text_must_be_utf8() {
    let compressed = Peer::new().compress(b"4\xff");
    assert_eq!(read(&frame(0xc1, &compressed), 100, &mut alone()).1, Some(FrameViolation::Utf8));
    let compressed = Peer::new().compress(&[b'4'; 1_001]);
    assert_eq!(read(&frame(0xc1, &compressed), 100, &mut alone()).1, Some(FrameViolation::TooLong));
}
