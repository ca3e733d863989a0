//! The header of a frame that a server sends, which masks nothing: RFC 6455, section 5.2.

/// The longest header: two bytes and a 64-bit length.
pub(crate) const MAX_HEADER: usize = 10;

/// A frame's header.
pub(crate) struct Header {
    bytes: [u8; MAX_HEADER],
    used: usize,
}

/// The header of a frame whose payload has that length, with its first byte.
pub(crate) fn header(first: u8, len: usize) -> Header {
    let mut header = [0; MAX_HEADER];
    header[0] = first;
    let used = if let Ok(len @ 0..126) = u8::try_from(len) {
        header[1] = len;
        2
    } else if let Ok(len) = u16::try_from(len) {
        header[1] = 126;
        header[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        header[1] = 127;
        header[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        10
    };
    Header { bytes: header, used }
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

/// What is after the header of such a frame.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    &frame[header..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_frame_is_no_part_of_its_payload() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let bytes = vec![7; len];
            let frame = [&header(0x82, len)[..], &bytes].concat();
            assert_eq!(payload(&frame), bytes);
        }
    }
}
