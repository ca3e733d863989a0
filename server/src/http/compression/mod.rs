//! Compressed bodies, in the encoding that a client prefers (RFC 9110, section 12.5.3).

mod compressors;

use std::io::{self, Write};

use bytes::Bytes;
use engineio::Payload;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

pub(crate) use compressors::Compressors;

/// zlib's and gzip's usual level.
const DEFLATE_LEVEL: u32 = 6;

/// About as fast as [`DEFLATE_LEVEL`], and still smaller.
const BROTLI_QUALITY: u32 = 4;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    /// zlib's format, whatever its name says (RFC 9110, section 8.4.1.2).
    Deflate,
}

impl Encoding {
    /// All of them, the best first: Brotli makes bodies smaller, and short ones in a fifth of gzip's time.
    pub(crate) const ALL: [Encoding; 3] = [Encoding::Brotli, Encoding::Gzip, Encoding::Deflate];

    /// The encoding that a client accepts with the highest weight; of several, the best. `None` if it wants the body
    /// as it is, or says nothing.
    pub(crate) fn accepted(request: &HeaderMap) -> Option<Encoding> {
        let listed: Vec<(&str, u16)> = request
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(weighted)
            .collect();
        let weight = |name: &str| {
            let find = |name: &str| listed.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name));
            find(name).map(|(_, weight)| *weight)
        };
        let any = weight("*").unwrap_or(0);
        // `identity` may be listed too; if it isn't, it is acceptable, but not preferred.
        let identity = weight("identity").unwrap_or(0);
        let mut best = (None, 0);
        for encoding in &Encoding::ALL {
            let weight = weight(encoding.as_str()).unwrap_or(any);
            if weight > best.1 && weight >= identity {
                best = (Some(*encoding), weight);
            }
        }
        best.0
    }

    fn as_str(self) -> &'static str {
        match self {
            Encoding::Brotli => "br",
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
        }
    }

    /// The value of `Content-Encoding`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// The body, compressed; `None` if that would not make it shorter.
    pub(crate) fn compress(self, body: &Bytes) -> Option<Bytes> {
        self.compress_payload(body.clone().into())
    }

    /// The same for a body that is encoded while it is sent.
    fn compress_payload(self, mut body: Payload) -> Option<Bytes> {
        let len = body.len();
        let mut out = Vec::with_capacity(len / 2);
        let level = flate2::Compression::new(DEFLATE_LEVEL);
        let mut write = |encoder: &mut dyn Write| {
            while !body.is_empty() {
                encoder.write_all(&body.take(usize::MAX))?;
            }
            Ok(())
        };
        let compressed: io::Result<()> = match self {
            Encoding::Brotli => {
                // A window that is no larger than the body: the encoder's tables grow with it.
                let window = (usize::BITS - len.leading_zeros()).clamp(10, 22);
                write(&mut brotli::CompressorWriter::new(&mut out, 4096, BROTLI_QUALITY, window))
            }
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(&mut out, level);
                write(&mut encoder).and_then(|()| encoder.finish().map(drop))
            }
            Encoding::Deflate => {
                let mut encoder = ZlibEncoder::new(&mut out, level);
                write(&mut encoder).and_then(|()| encoder.finish().map(drop))
            }
        };
        out.shrink_to_fit();
        (compressed.is_ok() && out.len() < len).then(|| out.into())
    }
}

/// One element of `Accept-Encoding`: a name and its weight in thousandths. `None` if it is malformed.
fn weighted(element: &str) -> Option<(&str, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
    let name = match name.trim() {
        "" => return None,
        // "A recipient SHOULD consider 'x-gzip' to be equivalent to 'gzip'" (section 8.4.1.3).
        name if name.eq_ignore_ascii_case("x-gzip") => "gzip",
        name => name,
    };
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some((name, 1000));
    }
    let weight = parameters.strip_prefix("q=").or(parameters.strip_prefix("Q="))?;
    let weight: f32 = weight.parse().ok()?;
    (0.0..=1.0).contains(&weight).then_some((name, (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn accepted(fields: &[&'static str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(field));
        }
        Encoding::accepted(&headers)
    }

    // proves: protocol/compression
    #[test]
    fn the_highest_weight_wins_and_of_equals_the_best() {
        for (field, encoding) in [
            ("gzip, deflate, br, zstd", Some(Encoding::Brotli)),
            ("deflate, gzip", Some(Encoding::Gzip)),
            ("deflate", Some(Encoding::Deflate)),
            ("gzip;q=0.5, deflate;q=0.8, br;q=0.7", Some(Encoding::Deflate)),
            ("gzip;q=0, br;q=0.001", Some(Encoding::Brotli)),
            ("*", Some(Encoding::Brotli)),
            ("*;q=0.5, br;q=0.4", Some(Encoding::Gzip)),
            ("*;q=0, deflate", Some(Encoding::Deflate)),
            ("X-GZIP", Some(Encoding::Gzip)),
            ("GZip ; q=1.0", Some(Encoding::Gzip)),
        ] {
            assert_eq!(accepted(&[field]), encoding, "{field}");
        }
        assert_eq!(accepted(&["deflate;q=0.1", "br"]), Some(Encoding::Brotli));
    }

    // proves: protocol/compression
    #[test]
    fn nothing_is_compressed_for_a_client_that_does_not_ask() {
        assert_eq!(accepted(&[]), None);
        for field in [
            "",
            "identity",
            "zstd",
            "gzip;q=0",
            "gzip;q=0.5, identity;q=0.9",
            "gzip;q=x",
            "gzip;q=2",
            "gzip;q=NaN",
            "gzip;level=1",
            "gzipp",
        ] {
            assert_eq!(accepted(&[field]), None, "{field}");
        }
    }

    #[test]
    fn what_is_compressed_reads_back() {
        let body = "42[\"chat\",\"hello world\"]\u{1e}".repeat(100);
        let read = |encoding: Encoding| {
            let compressed = encoding.compress(&body.clone().into()).unwrap();
            assert!(compressed.len() < body.len() / 10, "{encoding:?}: {}", compressed.len());
            let mut plain = String::new();
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut plain),
                Encoding::Deflate => flate2::read::ZlibDecoder::new(&*compressed).read_to_string(&mut plain),
                Encoding::Brotli => brotli::Decompressor::new(&*compressed, 4096).read_to_string(&mut plain),
            }
            .unwrap();
            assert_eq!(plain, body, "{encoding:?}");
        };
        Encoding::ALL.into_iter().for_each(read);
    }

    // proves: protocol/compression
    #[test]
    fn what_would_grow_stays_as_it_is() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.compress(&Bytes::from_static(b"4a")), None);
        }
    }
}
