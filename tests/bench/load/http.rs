//! One HTTP connection as bytes: requests go out whole, responses are taken off as they become complete.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};

use mio::net::TcpStream;

use crate::process::Server;

/// A GET, or a POST with that body, for the session `sid`, or for a new one. `t` is what clients put there to
/// keep caches away; the bare server takes from it what to answer.
pub fn request(server: &Server, sid: Option<&str>, t: Option<&str>, body: Option<&str>) -> Vec<u8> {
    let Server { address, path, .. } = server;
    let mut url = format!("{path}?EIO=4&transport=polling");
    for (name, value) in [("sid", sid), ("t", t)] {
        if let Some(value) = value {
            url.push_str(&format!("&{name}={value}"));
        }
    }
    match body {
        None => format!("GET {url} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n"),
        Some(body) => format!(
            "POST {url} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    }
    .into_bytes()
}

/// Reads until a head is there; says where it ends.
pub fn read_head(stream: &mut BlockingStream, pending: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        if let Some(end) = head_end(pending) {
            return Ok(end);
        }
        let mut scratch = [0; 4096];
        match stream.read(&mut scratch)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => pending.extend_from_slice(&scratch[..read]),
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The response at the start of `bytes`, if it is whole: its body, and how many bytes it takes up.
fn response(bytes: &[u8]) -> io::Result<Option<(Vec<u8>, usize)>> {
    let Some(start) = head_end(bytes) else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..start]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        return Err(io::Error::other(String::from_utf8_lossy(bytes).into_owned()));
    }
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(len) = field("content-length:") {
        let len: usize = len.parse().map_err(io::Error::other)?;
        return Ok(bytes.get(start..start + len).map(|body| (body.to_vec(), start + len)));
    }
    // "Transfer-Encoding: chunked": each chunk's length is before it, in hexadecimal; the last is 0.
    let (mut body, mut at) = (Vec::new(), start);
    loop {
        let Some(line) = bytes[at..].windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let len = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let len = usize::from_str_radix(&len, 16).map_err(io::Error::other)?;
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + len + 2) else { return Ok(None) };
        body.extend_from_slice(&chunk[..len]);
        at += len + 2;
        if len == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// A connection while nothing else is to be done: each exchange waits for its response.
pub struct Blocking {
    stream: BlockingStream,
    pending: Vec<u8>,
}

impl Blocking {
    pub fn connect(server: &Server) -> io::Result<Blocking> {
        Blocking::open(server.address)
    }

    pub fn open(address: SocketAddr) -> io::Result<Blocking> {
        let stream = BlockingStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Blocking { stream, pending: Vec::new() })
    }

    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// The body of the next response.
    pub fn receive(&mut self) -> io::Result<String> {
        loop {
            if let Some((body, used)) = response(&self.pending)? {
                self.pending.drain(..used);
                return String::from_utf8(body).map_err(io::Error::other);
            }
            let mut scratch = [0; 4096];
            match self.stream.read(&mut scratch)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.pending.extend_from_slice(&scratch[..read]),
            }
        }
    }

    /// Opens a session and joins `/`; gives the session's id.
    pub fn open_session(&mut self, server: &Server) -> io::Result<String> {
        self.send(&request(server, None, None, None))?;
        let open = self.receive()?;
        let sid = open.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next());
        let sid = sid.ok_or_else(|| io::Error::other(format!("no session: {open}")))?.to_owned();
        self.send(&request(server, Some(&sid), None, Some("40")))?;
        self.receive()?;
        loop {
            self.send(&request(server, Some(&sid), None, None))?;
            if self.receive()?.contains("40{") {
                return Ok(sid);
            }
        }
    }
}

/// A connection among many.
pub struct Connection {
    pub stream: TcpStream,
    pending: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    pub fn from(connection: Blocking) -> io::Result<Connection> {
        connection.stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(connection.stream);
        Ok(Connection { stream, pending: connection.pending, unsent: Vec::new() })
    }

    /// Writes bytes, now or when the socket can take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes what is left to write.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come; gives the body of a response that is whole by then.
    pub fn receive(&mut self, scratch: &mut [u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.pending.extend_from_slice(&scratch[..read]);
                    if read < scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let Some((body, used)) = response(&self.pending)? else { return Ok(None) };
        self.pending.drain(..used);
        Ok(Some(body))
    }
}
