//! Finds where the heads of HTTP/1.1 requests are in a connection's bytes, and where their bodies.
//!
//! It parses as hyper does, or more strictly: a head that hyper finds must be found here too, or a request could be
//! smuggled past the rules. `tests/fuzz` compares the two.

use memchr::{memchr, memchr3};

/// Parses requests just enough to tell heads from bodies.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    part: Part,
    /// The line that is being read, if it comes in pieces. A head is bounded by what hyper buffers.
    line: Vec<u8>,
    /// The number of spaces in that line, if it is a request's first.
    spaces: usize,
    /// A request for another protocol is not answered yet, so what follows may be in that protocol.
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
    /// In a body, with that many bytes left.
    Body(u64),
    /// At a chunk's size, and its digits so far.
    ChunkSize(Option<u64>),
    /// Behind it, before the line's end.
    ChunkExtension(Option<u64>),
    /// In a chunk and the line's end after it.
    Chunk(u64),
    /// After the last chunk. Only CR and LF together end a line there.
    Trailers {
        empty: bool,
        cr: bool,
    },
    /// It can't be framed, and hyper refuses it.
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

    /// Whether a body is incomplete, or what follows can't be framed.
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

    /// The last request is answered in HTTP.
    pub(crate) fn answered(&mut self) {
        self.upgrading = false;
    }

    /// Parses bytes. Returns whether they end a head with both `Transfer-Encoding` and `Content-Length`, and where in
    /// them a request's target has characters that must be escaped in a URI.
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

    /// Whether a field is irrelevant, which the first letter of most shows.
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

    /// Keeps a piece of a line, or just enough of it to see that it is irrelevant.
    fn keep(&mut self, piece: &[u8]) {
        if self.line.is_empty() && self.ignores(piece) {
            self.line.extend(piece.first());
        } else if self.line.is_empty() || !self.ignores(&self.line) {
            self.line.extend_from_slice(piece);
        }
    }

    /// Looks for characters that must be escaped, in a piece of a request's first line that begins at `at`.
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

    /// Handles a line of a head. Returns whether it ends an ambiguous head.
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
                // With a transfer encoding, hyper ignores it.
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

/// The number in a header field: digits without a sign.
fn digits(text: &[u8]) -> Option<u64> {
    let text = text.iter().all(u8::is_ascii_digit).then_some(text)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The bytes, with those at these places escaped: `"` becomes `%22`.
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
mod tests;
