//! The PROXY protocol, versions 1 and 2: a header before everything else, in which a proxy says whose connection it is.
//!
//! The document is HAProxy's `proxy-protocol.txt`. The header is read to its last byte and no further, since TLS or HTTP
//! begins behind it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use ProxyHeaderError::{Malformed, Missing, TooLong};

/// How version 2 begins: "a block of 12 bytes".
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// How version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";

/// "107 chars", with the end of the line: the longest of version 1.
const LONGEST_LINE: usize = 107;

/// The most bytes of addresses and extensions in version 2. A certificate's name fits.
const LONGEST_BLOCK: usize = 4096;

/// The extension that says how the client is connected to the proxy.
const TLV_SSL: u8 = 0x20;

/// Its flag that the client uses TLS.
const CLIENT_SSL: u8 = 0x01;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of a client, and whether the client uses TLS to the proxy.
    Client { address: SocketAddr, secure: bool },
    /// The proxy's own, as for its health checks; or a client's whose address the proxy can't tell.
    Proxy,
}

/// Why there is no header that can be used.
#[derive(Debug)]
pub(crate) enum ProxyHeaderError {
    /// The connection begins with something else.
    Missing,
    TooLong,
    Malformed(&'static str),
    Io(io::Error),
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyHeaderError::Missing => f.write_str("there is none"),
            ProxyHeaderError::TooLong => f.write_str("it is too long"),
            ProxyHeaderError::Malformed(what) => write!(f, "its {what} is wrong"),
            ProxyHeaderError::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for ProxyHeaderError {
    fn from(error: io::Error) -> ProxyHeaderError {
        ProxyHeaderError::Io(error)
    }
}

/// Whether that is the beginning of a header, as far as it can be told.
pub(crate) fn begins_header(bytes: &[u8]) -> bool {
    bytes.starts_with(WORD) || (bytes.len() >= 5 && bytes.iter().zip(&SIGNATURE).all(|(a, b)| a == b))
}

/// Reads the header.
pub(crate) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Whose, ProxyHeaderError> {
    // The shortest header is longer.
    let mut beginning = [0; SIGNATURE.len()];
    io.read_exact(&mut beginning).await?;
    if beginning == SIGNATURE {
        return block(io).await;
    }
    if !beginning.starts_with(WORD) {
        return Err(Missing);
    }
    let mut line = beginning.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_LINE {
            return Err(TooLong);
        }
        // As many bytes as must still come.
        let more = if line.ends_with(b"\r") { 1 } else { 2 };
        let from = line.len();
        line.resize(from + more, 0);
        io.read_exact(&mut line[from..]).await?;
    }
    let line = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| Malformed("text"))?;
    whose_by_line(line)
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.
fn whose_by_line(line: &str) -> Result<Whose, ProxyHeaderError> {
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        // "The receiver must ignore anything presented before the CRLF".
        return Ok(Whose::Proxy);
    }
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Malformed("number of words"));
    };
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits).ok_or(Malformed("port"))
    };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse::<Ipv4Addr>().map(Into::into).map_err(|_| Malformed("address")),
        Some("TCP6") => text.parse::<Ipv6Addr>().map(Into::into).map_err(|_| Malformed("address")),
        _ => Err(Malformed("family")),
    };
    address(destination)?;
    port(destination_port)?;
    let address = SocketAddr::new(address(source)?, port(source_port)?);
    Ok(Whose::Client { address, secure: false })
}

/// Version 2, behind its signature.
async fn block(io: &mut (impl AsyncRead + Unpin)) -> Result<Whose, ProxyHeaderError> {
    let mut head = [0; 4];
    io.read_exact(&mut head).await?;
    let [version_and_command, family, len @ ..] = head;
    let len = usize::from(u16::from_be_bytes(len));
    if version_and_command >> 4 != 2 {
        return Err(Malformed("version"));
    }
    if len > LONGEST_BLOCK {
        return Err(TooLong);
    }
    let mut block = vec![0; len];
    io.read_exact(&mut block).await?;
    match version_and_command & 0x0f {
        // LOCAL: "the receiver must accept this connection as valid and must use the real connection endpoints".
        0 => Ok(Whose::Proxy),
        1 => whose_by_block(family, &block),
        _ => Err(Malformed("command")),
    }
}

/// The addresses of version 2, and what follows them.
fn whose_by_block(family: u8, block: &[u8]) -> Result<Whose, ProxyHeaderError> {
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let (address, rest) = match family {
        // TCP over IPv4: two addresses, then two ports.
        0x11 => {
            let source: [u8; 4] = beginning(block, 12)?;
            (SocketAddr::from((source, port(8))), &block[12..])
        }
        // TCP over IPv6.
        0x21 => {
            let source: [u8; 16] = beginning(block, 36)?;
            (SocketAddr::from((source, port(32))), &block[36..])
        }
        // Unspecified, and Unix sockets: the client has no address.
        0x00 | 0x31 => return Ok(Whose::Proxy),
        _ => return Err(Malformed("family")),
    };
    Ok(Whose::Client { address, secure: is_secure(rest)? })
}

/// The first bytes of a block, which has at least so many.
fn beginning<const N: usize>(block: &[u8], least: usize) -> Result<[u8; N], ProxyHeaderError> {
    match block.first_chunk() {
        Some(bytes) if block.len() >= least => Ok(*bytes),
        _ => Err(Malformed("length")),
    }
}

/// Whether the client uses TLS: extensions have a type, a length of two bytes, and a value.
fn is_secure(mut extensions: &[u8]) -> Result<bool, ProxyHeaderError> {
    let mut secure = false;
    while let [kind, high, low, rest @ ..] = extensions {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(len).ok_or(Malformed("extension"))?;
        if *kind == TLV_SSL {
            secure = value.first().is_some_and(|flags| flags & CLIENT_SSL != 0);
        }
        extensions = rest;
    }
    if extensions.is_empty() { Ok(secure) } else { Err(Malformed("extension")) }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What is read from these bytes, and what is left of them. They come in segments of that size.
    async fn in_segments(bytes: &[u8], size: usize) -> (Result<Whose, String>, Vec<u8>) {
        let (mut theirs, mut ours) = tokio::io::duplex(size);
        let bytes = bytes.to_vec();
        let sent = tokio::spawn(async move {
            let _ = theirs.write_all(&bytes).await;
        });
        let whose = read(&mut ours).await.map_err(|error| error.to_string());
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).await.unwrap();
        sent.await.unwrap();
        (whose, rest)
    }

    /// The same for whole headers, in each way, before a request that is left alone.
    async fn whose(header: &[u8]) -> Result<Whose, String> {
        let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
        let mut all = Vec::new();
        for size in [1, 2, 7, 4096] {
            let (whose, rest) = in_segments(&bytes, size).await;
            if whose.is_ok() {
                assert_eq!(rest, b"GET / HTTP/1.1\r\n", "in segments of {size}");
            }
            all.push(whose);
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.remove(0)
    }

    fn client(address: &str, secure: bool) -> Result<Whose, String> {
        Ok(Whose::Client { address: address.parse().unwrap(), secure })
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let len = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &len, block].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

    #[tokio::test]
    async fn version_1_is_a_line() {
        for (line, whose_it_is) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", client("192.0.2.1:56324", false)),
            ("PROXY TCP6 2001:db8::7 ::1 1 2\r\n", client("[2001:db8::7]:1", false)),
            ("PROXY UNKNOWN\r\n", Ok(Whose::Proxy)),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Ok(Whose::Proxy)),
        ] {
            assert_eq!(whose(line.as_bytes()).await, whose_it_is, "{line}");
        }
    }

    #[tokio::test]
    async fn version_2_is_binary() {
        assert_eq!(whose(&v2(1, 0x11, &V4)).await, client("192.0.2.1:56324", false));
        let mut v6 = [0; 36];
        (v6[0], v6[15], v6[33]) = (0x20, 7, 9);
        assert_eq!(whose(&v2(1, 0x21, &v6)).await, client("[2000::7]:9", false));
        assert_eq!(whose(&v2(0, 0x11, &V4)).await, Ok(Whose::Proxy), "LOCAL, whatever it says");
        assert_eq!(whose(&v2(0, 0, &[])).await, Ok(Whose::Proxy));
        assert_eq!(whose(&v2(1, 0, &[])).await, Ok(Whose::Proxy), "unspecified");
        assert_eq!(whose(&v2(1, 0x31, &[0; 216])).await, Ok(Whose::Proxy), "a Unix socket");
    }

    #[tokio::test]
    async fn an_extension_says_whether_the_client_uses_tls() {
        for (extensions, secure) in [
            (&[TLV_SSL, 0, 5, 1, 0, 0, 0, 0][..], true),
            (&[TLV_SSL, 0, 5, 6, 0, 0, 0, 0], false),
            (&[4, 0, 2, 9, 9, TLV_SSL, 0, 5, 7, 0, 0, 0, 0], true),
            (&[4, 0, 0], false),
        ] {
            let header = v2(1, 0x11, &[&V4[..], extensions].concat());
            assert_eq!(whose(&header).await, client("192.0.2.1:56324", secure), "{extensions:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_in_the_middle_of_it_already() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(100));
        for (header, problem) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "there is none"),
            (b"\r\n\r\n\0\r\nQUIT?", "there is none"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", "its number of words is wrong"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n", "its number of words is wrong"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n", "its port is wrong"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n", "its port is wrong"),
            (b"PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n", "its address is wrong"),
            (b"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n", "its family is wrong"),
            (b"PROXY TCP4 192.0.2.1 198.51.100.\xff 1 2\r\n", "its text is wrong"),
            (long.as_bytes(), "it is too long"),
            (&v2(2, 0x11, &V4), "its command is wrong"),
            (&v2(1, 0x12, &V4), "its family is wrong"),
            (&v2(1, 0x11, &V4[..11]), "its length is wrong"),
            (&v2(1, 0x21, &V4), "its length is wrong"),
            (&v2(1, 0x11, &[&V4[..], &[4, 0]].concat()), "its extension is wrong"),
            (&v2(1, 0x11, &[&V4[..], &[4, 0, 9, 1]].concat()), "its extension is wrong"),
            (&v2(1, 0x11, &[0; LONGEST_BLOCK + 1]), "it is too long"),
            (&[&SIGNATURE[..], &[0x11, 0x11, 0, 0]].concat(), "its version is wrong"),
        ] {
            let text = String::from_utf8_lossy(header).into_owned();
            assert_eq!(whose(header).await, Err(problem.to_owned()), "{text:?}");
        }
        for cut in [&b"PROXY TCP4 192.0.2.1"[..], &v2(1, 0x11, &V4)[..20], b""] {
            let (mut theirs, mut ours) = tokio::io::duplex(4096);
            theirs.write_all(cut).await.unwrap();
            drop(theirs);
            assert!(matches!(read(&mut ours).await, Err(ProxyHeaderError::Io(_))), "{cut:?}");
        }
    }

    #[test]
    fn a_beginning_is_known_before_the_header_is_whole() {
        for header in [&b"PROXY "[..], b"PROXY TCP4 1", b"\r\n\r\n\0", &SIGNATURE] {
            assert!(begins_header(header), "{header:?}");
        }
        for other in [&b"POST "[..], b"PUT / ", b"PRO", b"\r\n\r\n", b"\r\n\r\nGET", b""] {
            assert!(!begins_header(other), "{other:?}");
        }
    }
}
