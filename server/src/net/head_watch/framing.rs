//! Finds where the heads of HTTP/1.1 requests are in a connection's bytes, and where their bodies.
//!
//! It reads as hyper does, or refuses more: a head that hyper sees must be seen here, or a request could be
//! smuggled past the rules. `tests/fuzz` compares the two.

use memchr::{memchr, memchr3};

/// Follows requests as far as it takes to tell heads from bodies.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    part: Part,
    /// The line that is being read, if it comes in pieces. A head is bounded by what hyper buffers.
    line: Vec<u8>,
    /// The spaces in that line, if it is a request's first.
    spaces: usize,
    /// A request that asked for another protocol is not answered yet: what follows may be that protocol's.
    upgrading: bool,
    /// Whether to remember [`origin`](Framing::origin).
    keeps_origin: bool,
    /// The heads that have ended.
    heads: usize,
    origin: Option<Box<[u8]>>,
}

#[derive(Debug, Default)]
enum Part {
    /// Before a request's first line; empty lines are skipped there.
    #[default]
    Start,
    Head(Head),
    /// In a body, that many bytes before its end.
    Body(u64),
    /// At a chunk's size, as far as it has come.
    ChunkSize(Option<u64>),
    /// Behind it, before the line's end.
    ChunkExtension(Option<u64>),
    /// In a chunk and the line's end after it.
    Chunk(u64),
    /// Behind the last chunk. Only CR and LF together end a line there.
    Trailers {
        empty: bool,
        cr: bool,
    },
    /// What came can't be framed; hyper refuses it.
    Lost,
}

/// What a head has said so far.
#[derive(Debug, Default)]
struct Head {
    encoded: bool,
    length: Option<u64>,
    upgrade: bool,
}

impl Framing {
    /// Remembers the `Origin` of the last head if that is wanted.
    pub(crate) fn new(keeps_origin: bool) -> Framing {
        Framing { keeps_origin, ..Framing::default() }
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn in_head(&self) -> bool {
        match self.part {
            Part::Start => !self.line.is_empty(),
            Part::Head(_) => true,
            _ => false,
        }
    }

    /// Whether more of a body is to come, or of what can't be framed.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.part, Part::Start | Part::Head(_))
    }

    /// How many heads have ended.
    pub(crate) fn heads(&self) -> usize {
        self.heads
    }

    /// The `Origin` of the last head, if it had one.
    pub(crate) fn origin(&self) -> Option<&[u8]> {
        self.origin.as_deref()
    }

    /// The last request is being answered, in HTTP.
    pub(crate) fn answered(&mut self) {
        self.upgrading = false;
    }

    /// Looks at what came. Says whether it ends a head with both `Transfer-Encoding` and `Content-Length`, and
    /// where in it a request's target has characters that a URI must not have as they are.
    pub(crate) fn feed(&mut self, bytes: &[u8], odd: &mut Vec<usize>) -> bool {
        let mut ambiguous = false;
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if let Part::Head(_) = self.part
                && self.line.is_empty()
                && !self.may_matter(first)
                && let Some(end) = memchr(b'\n', rest)
            {
                // Most lines are these.
                rest = &rest[end + 1..];
                continue;
            }
            match &mut self.part {
                Part::Lost => break,
                Part::Body(left) | Part::Chunk(left) => {
                    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= skipped as u64;
                    rest = &rest[skipped..];
                    if *left == 0 {
                        self.part =
                            if let Part::Body(_) = self.part { Part::Start } else { Part::ChunkSize(None) };
                    }
                }
                Part::ChunkSize(size) => {
                    rest = &rest[1..];
                    self.part = match first {
                        b'\r' => continue,
                        b'\n' => Part::behind_size(*size),
                        b' ' | b'\t' | b';' => Part::ChunkExtension(*size),
                        digit => char::from(digit)
                            .to_digit(16)
                            .and_then(|digit| {
                                size.unwrap_or_default().checked_mul(16)?.checked_add(u64::from(digit))
                            })
                            .map_or(Part::Lost, |size| Part::ChunkSize(Some(size))),
                    };
                }
                Part::ChunkExtension(size) => {
                    let Some(end) = memchr(b'\n', rest) else { break };
                    rest = &rest[end + 1..];
                    self.part = Part::behind_size(*size);
                }
                Part::Trailers { empty, cr } => {
                    rest = &rest[1..];
                    self.part = match first {
                        b'\n' if *cr && *empty => Part::Start,
                        b'\n' if *cr => Part::Trailers { empty: true, cr: false },
                        b'\r' => Part::Trailers { empty: *empty, cr: true },
                        _ => Part::Trailers { empty: false, cr: false },
                    };
                }
                Part::Start | Part::Head(_) => {
                    let end = memchr(b'\n', rest);
                    let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    if let Part::Start = self.part
                        && !self.upgrading
                    {
                        self.note_odd(piece, end.is_some(), bytes.len() - rest.len(), odd);
                    }
                    rest = behind.get(1..).unwrap_or_default();
                    if end.is_none() {
                        self.keep(piece);
                    } else if !self.line.is_empty() {
                        self.keep(piece);
                        let line = std::mem::take(&mut self.line);
                        ambiguous |= self.end_line(&line);
                    } else if !self.ignores(piece) {
                        // Nearly always a line comes whole.
                        ambiguous |= self.end_line(piece);
                    }
                }
            }
        }
        ambiguous
    }

    /// Whether a field is of no interest, as its first letter tells of most.
    fn ignores(&self, line: &[u8]) -> bool {
        let may_matter = line.first().is_none_or(|first| self.may_matter(*first));
        matches!(self.part, Part::Head(_)) && !may_matter
    }

    fn may_matter(&self, first: u8) -> bool {
        match first {
            b'\n' | b'\r' | b'T' | b't' | b'C' | b'c' | b'U' | b'u' => true,
            b'O' | b'o' => self.keeps_origin,
            _ => false,
        }
    }

    /// Keeps a piece of a line, or as much of it as tells that it is of no interest.
    fn keep(&mut self, piece: &[u8]) {
        if self.line.is_empty() && self.ignores(piece) {
            self.line.extend(piece.first());
        } else if self.line.is_empty() || !self.ignores(&self.line) {
            self.line.extend_from_slice(piece);
        }
    }

    /// Looks in a piece of a request's first line, which begins at `at`, for what is between its two spaces and is
    /// no character of a URI.
    fn note_odd(&mut self, piece: &[u8], is_last: bool, at: usize, odd: &mut Vec<usize>) {
        if memchr3(b'"', b'<', b'>', piece).is_none() && memchr(b'`', piece).is_none() {
            if !is_last {
                self.spaces += piece.iter().filter(|byte| **byte == b' ').count();
            }
            return;
        }
        for (index, byte) in piece.iter().enumerate() {
            match byte {
                b' ' => self.spaces += 1,
                b'"' | b'<' | b'>' | b'`' if self.spaces == 1 => odd.push(at + index),
                _ => {}
            }
        }
    }

    /// Goes on after a line of a head. Says whether it ends a head that was ambiguous.
    fn end_line(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Part::Head(head) = &mut self.part else {
            self.spaces = 0;
            if !line.is_empty() {
                self.part = Part::Head(Head::default());
                self.origin = None;
            }
            return false;
        };
        if line.is_empty() {
            let ambiguous = head.encoded && head.length.is_some();
            self.upgrading |= head.upgrade;
            self.heads += 1;
            self.part = match head.length {
                _ if head.encoded => Part::ChunkSize(None),
                Some(length @ 1..) => Part::Body(length),
                _ => Part::Start,
            };
            return ambiguous;
        }
        if value(line, "transfer-encoding").is_some() {
            head.encoded = true;
        } else if let Some(value) = value(line, "content-length") {
            match digits(value) {
                Some(length) if head.length.is_none_or(|before| before == length) => {
                    head.length = Some(length);
                }
                // Beside an encoding hyper doesn't look at it.
                _ if head.encoded => head.length = Some(0),
                _ => self.part = Part::Lost,
            }
        } else if value(line, "upgrade").is_some() {
            head.upgrade = true;
        } else if self.keeps_origin
            && let Some(origin) = value(line, "origin")
        {
            self.origin = Some(origin.into());
        }
        false
    }
}

impl Part {
    fn behind_size(size: Option<u64>) -> Part {
        match size {
            Some(0) => Part::Trailers { empty: true, cr: false },
            // The line's end after the chunk is skipped with it.
            Some(size) => size.checked_add(2).map_or(Part::Lost, Part::Chunk),
            None => Part::Lost,
        }
    }
}

/// The value of a line, if it is that field's.
fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (field, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    field.eq_ignore_ascii_case(name.as_bytes()).then_some(value.trim_ascii())
}

/// A number as a header field has it: digits, and no sign.
fn digits(text: &[u8]) -> Option<u64> {
    let text = text.iter().all(u8::is_ascii_digit).then_some(text)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What came, with the bytes at these places as a URI has them: `"` is `%22`.
pub(crate) fn escape(bytes: &[u8], odd: &[usize]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = Vec::with_capacity(bytes.len() + 2 * odd.len());
    let mut begin = 0;
    for &at in odd {
        escaped.extend_from_slice(&bytes[begin..at]);
        let byte = bytes[at];
        escaped.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        begin = at + 1;
    }
    escaped.extend_from_slice(&bytes[begin..]);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes at once, and byte by byte.
    fn ambiguous(bytes: &str) -> bool {
        let whole = Framing::default().feed(bytes.as_bytes(), &mut Vec::new());
        let mut framing = Framing::default();
        let split =
            bytes.as_bytes().iter().filter(|byte| framing.feed(&[**byte], &mut Vec::new())).count() > 0;
        assert_eq!(whole, split, "{bytes:?}");
        whole
    }

    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    // proves: protocol/ambiguous-requests
    #[test]
    fn both_fields_are_seen_in_either_order() {
        assert!(ambiguous(BOTH));
        assert!(ambiguous("POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nCONTENT-LENGTH: x\r\n\r\n"));
        assert!(ambiguous("POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n"));
    }

    #[test]
    fn one_of_them_is_fine() {
        assert!(!ambiguous("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
        assert!(!ambiguous("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert!(!ambiguous(
            "GET /?Transfer-Encoding: HTTP/1.1\r\nContent-Length: 0\r\nX: transfer-encoding: a\r\n\r\n"
        ));
    }

    #[test]
    fn a_body_is_not_read_as_a_head() {
        let length = BOTH.len();
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}")));
        let chunk = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x};x=y\r\n{BOTH}\r\n0\r\n\r\n"
        );
        assert!(!ambiguous(&chunk));
        assert!(ambiguous(&format!("{chunk}{BOTH}")), "and what follows it is");
        let trailers = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n";
        assert!(!ambiguous(trailers));
        assert!(ambiguous(&format!("{trailers}\r\n{BOTH}")));
    }

    // proves: protocol/ambiguous-requests
    #[test]
    fn a_number_may_be_as_long_as_its_line() {
        let zeros = "0".repeat(60);
        let length = format!("POST / HTTP/1.1\r\nContent-Length: {zeros}{}\r\n\r\n", BOTH.len());
        assert!(!ambiguous(&format!("{length}{BOTH}")), "it is a body");
        assert!(ambiguous(&format!("{length}{BOTH}{BOTH}")));
        let space = " ".repeat(60);
        assert!(ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length:{space}2\r\n\r\nab{BOTH}")));
        let chunk =
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}2\r\nab\r\n0\r\n\r\n");
        assert!(ambiguous(&format!("{chunk}{BOTH}")));
    }

    #[test]
    fn a_line_of_a_trailer_ends_with_both_cr_and_lf() {
        let chunk = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        assert!(!ambiguous(&format!("{chunk}A: b\n\r\n{BOTH}")), "hyper reads it as a trailer");
        assert!(ambiguous(&format!("{chunk}A: b\n\r\n\r\n{BOTH}")));
    }

    #[test]
    fn long_lines_don_t_matter_to_the_next() {
        let long = format!(
            "GET /{} HTTP/1.1\r\nCookie: {}\r\nContent-Length: 1\r\n\r\n",
            "a".repeat(999),
            "b".repeat(999)
        );
        assert!(!ambiguous(&format!("{long}x")));
        assert!(ambiguous(&format!("{long}x{BOTH}")));
    }

    #[test]
    fn what_can_not_be_framed_is_left_to_hyper() {
        for length in ["x", "+1", "", "1, 1", "18446744073709551616"] {
            assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}")));
        }
        let twice = "Content-Length: 1\r\nContent-Length: 2\r\n";
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\n{twice}\r\n{BOTH}")));
        assert!(!ambiguous(&format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{BOTH}"
        )));
    }

    /// The bytes as hyper gets them: at once, and byte by byte.
    fn escaped(bytes: &str) -> String {
        let mut odd = Vec::new();
        Framing::default().feed(bytes.as_bytes(), &mut odd);
        let whole = escape(bytes.as_bytes(), &odd);
        let mut framing = Framing::default();
        let split = bytes.as_bytes().chunks(1).flat_map(|byte| {
            let mut odd = Vec::new();
            framing.feed(byte, &mut odd);
            escape(byte, &odd)
        });
        assert!(whole.iter().copied().eq(split), "{bytes:?}");
        String::from_utf8(whole).unwrap()
    }

    // proves: protocol/odd-targets
    #[test]
    fn a_target_is_escaped_where_it_is_no_uri() {
        assert_eq!(
            escaped("\r\nGET /<a>?b=\"`\"{} HTTP/1.1\r\nX: \"<>`\"\r\n\r\nGET /\" HTTP/1.1\r\n\r\n"),
            "\r\nGET /%3Ca%3E?b=%22%60%22{} HTTP/1.1\r\nX: \"<>`\"\r\n\r\nGET /%22 HTTP/1.1\r\n\r\n"
        );
        for same in [
            "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /\" HT",
            "\"GET\" /a \"HTTP\"\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET /\" HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(escaped(same), same);
        }
    }

    #[test]
    fn what_follows_an_upgrade_is_http_again_once_that_is_answered() {
        let mut framing = Framing::default();
        let mut odd = Vec::new();
        framing.feed(b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", &mut odd);
        framing.answered();
        framing.feed(b"GET /\" HTTP/1.1\r\n\r\n", &mut odd);
        assert_eq!(odd, [5]);
    }

    #[test]
    fn the_origin_is_the_last_heads() {
        let mut framing = Framing::new(true);
        let head = b"GET / HTTP/1.1\r\nOrigin: http://a.example \r\n\r\n";
        head.chunks(7).for_each(|piece| assert!(!framing.feed(piece, &mut Vec::new())));
        assert_eq!(framing.origin(), Some(&b"http://a.example"[..]));
        framing.feed(b"GET / HTTP/1.1\r\n", &mut Vec::new());
        assert_eq!(framing.origin(), None);
    }
}
