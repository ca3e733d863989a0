//! Frames: their bytes, and who shares them.

use super::*;

#[test]
fn the_websocket_header_stands_right_before_the_packet() {
    assert_eq!(Frame::text("hi").websocket(Revision::V4), b"\x81\x034hi");
    assert_eq!(Frame::text("hi").websocket(Revision::V3), b"\x81\x034hi");
    assert_eq!(Frame::text("hi").packet(), b"4hi");
    assert_eq!(Frame::from(&Packet::Noop).websocket(Revision::V4), b"\x81\x016");
}

#[test]
fn each_length_form_of_the_header_is_used_at_its_boundary() {
    for (len, header) in [
        (125, &[0x82, 125][..]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let frame = Frame::binary(&vec![7; len]);
        let written = frame.websocket(Revision::V4);
        assert_eq!(&written[..header.len()], header, "for {len} bytes");
        assert_eq!(written.len(), header.len() + len);
    }
}

#[test]
fn a_plain_message_has_no_packet_around_it() {
    assert_eq!(Frame::plain(&"hé".into()).websocket(Revision::V4), b"\x81\x03h\xc3\xa9");
    assert_eq!(Frame::plain(&vec![0, 255].into()).websocket(Revision::V4), [0x82, 2, 0, 255]);
    assert_eq!(Frame::plain(&"".into()).websocket(Revision::V4), [0x81, 0]);
}

#[test]
fn fragments_begin_with_the_opcode_and_end_with_fin() {
    let bytes = |message: Message, fragment| {
        let frames = Frame::plain(&message).fragments(fragment);
        frames.iter().map(|frame| frame.websocket(Revision::V4).to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(bytes("abcde".into(), 2), [&b"\x01\x02ab"[..], b"\x00\x02cd", b"\x80\x01e"]);
    assert_eq!(bytes(vec![1, 2, 3, 4].into(), 2), [[2, 2, 1, 2], [0x80, 2, 3, 4]]);
    assert_eq!(bytes("abc".into(), 3), [b"\x81\x03abc"]);
    assert_eq!(bytes("".into(), 3), [[0x81, 0]]);
}

// proves: protocol/frames-3
#[test]
fn a_binary_packet_has_its_type_byte_in_revision_3() {
    let frame = Frame::binary(&[1, 2, 3]);
    assert_eq!(frame.websocket(Revision::V4), &[0x82, 3, 1, 2, 3]);
    assert_eq!(frame.websocket(Revision::V3), &[0x82, 4, 4, 1, 2, 3]);
}

#[test]
fn utf16_units_count_an_astral_character_twice() {
    assert_eq!(Frame::text("é").utf16_len(), 2);
    assert_eq!(Frame::text("😀").utf16_len(), 3);
}
