//! One client's WebSocket as bytes: frames are masked ahead of time, and counted as they come in.

use std::io::{self, Read, Write};
use std::net::TcpStream as BlockingStream;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use mio::net::TcpStream;

use crate::http::read_head;
use crate::process::Server;

/// Any key will do for a load, as long as the server has to unmask.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client that speaks Socket.IO over WebSocket, with as little work of its own as can be.
pub struct Client {
    pub stream: TcpStream,
    /// How many bytes it has read.
    pub read: u64,
    /// It speaks no Socket.IO: all messages are answers.
    plain: bool,
    /// What was read and holds no whole frame yet.
    pending: Vec<u8>,
    /// What could not be written at once.
    unsent: Vec<u8>,
}

/// A client's text frame, masked.
pub fn frame(payload: &str) -> Vec<u8> {
    masked(0x81, payload.as_bytes())
}

/// The same, compressed (RFC 7692). Its message refers to no other.
pub fn compressed_frame(payload: &str) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(payload.len() + 100);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(payload.as_bytes(), &mut compressed, FlushCompress::Sync).expect("room for all of it");
    compressed.truncate(compressed.len() - 4);
    masked(0xc1, &compressed)
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.into_iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The length of the frame that `bytes` begin with, its header's and its payload's, if its header is there.
fn frame_len(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? & 0x7f {
        126 => Some((4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])))),
        127 => {
            let len: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
            Some((10, u64::from_be_bytes(len) as usize))
        }
        len => Some((2, usize::from(len))),
    }
}

/// A WebSocket while nothing else is to be done: each step waits for the server.
pub struct Blocking {
    stream: BlockingStream,
    pending: Vec<u8>,
    /// What compressed messages refer to: npm's ws compresses the shortest too, if they may refer to others.
    inflate: Decompress,
}

impl Blocking {
    /// Connects and switches to WebSocket. `sid` names the session that is to be upgraded.
    pub fn open(server: &Server, sid: Option<&str>) -> io::Result<Blocking> {
        Blocking::offering(server, sid, "")
    }

    /// The same with more header fields, each with its line's end.
    fn offering(server: &Server, sid: Option<&str>, more: &str) -> io::Result<Blocking> {
        let Server { address, path, .. } = server;
        let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
        let mut stream = BlockingStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path}?EIO=4&transport=websocket{sid} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut pending = Vec::new();
        let end = read_head(&mut stream, &mut pending)?;
        if !pending.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&pending).into_owned()));
        }
        let agreed = String::from_utf8_lossy(&pending[..end]).to_ascii_lowercase().contains("permessage-deflate");
        if agreed == more.is_empty() {
            return Err(io::Error::other("the server does not compress as it should"));
        }
        pending.drain(..end);
        Ok(Blocking { stream, pending, inflate: Decompress::new(false) })
    }

    pub fn send(&mut self, payload: &str) -> io::Result<()> {
        self.stream.write_all(&frame(payload))
    }

    /// Joins `/`.
    fn join(&mut self) -> io::Result<()> {
        self.wait_for("0{")?;
        self.send("40")?;
        self.wait_for("40{")
    }

    /// Reads frames until there is one that begins with `wanted`.
    pub fn wait_for(&mut self, wanted: &str) -> io::Result<()> {
        loop {
            while let Some((header, len)) = frame_len(&self.pending) {
                if self.pending.len() < header + len {
                    break;
                }
                let (compressed, closed) = (self.pending[0] & 0x40 != 0, self.pending[0] & 0x0f == 8);
                let mut message: Vec<u8> = self.pending.drain(..header + len).skip(header).collect();
                if compressed {
                    message.extend_from_slice(&[0x00, 0x00, 0xff, 0xff]);
                    let mut inflated = Vec::with_capacity(4096);
                    self.inflate.decompress_vec(&message, &mut inflated, FlushDecompress::Sync)?;
                    message = inflated;
                }
                if message.starts_with(wanted.as_bytes()) {
                    return Ok(());
                }
                if closed {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
            let mut scratch = [0; 4096];
            match self.stream.read(&mut scratch)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.pending.extend_from_slice(&scratch[..read]),
            }
        }
    }
}

impl Client {
    /// Opens a session by WebSocket and joins `/` and then the other namespaces.
    pub fn connect(server: &Server, namespaces: &[String]) -> io::Result<Client> {
        let mut socket = Blocking::open(server, None)?;
        socket.join()?;
        for namespace in namespaces {
            socket.send(&format!("40{namespace},"))?;
            socket.wait_for(&format!("40{namespace},"))?;
        }
        Client::from(socket)
    }

    /// The same in `/` alone, with compression as browsers offer it.
    pub fn compressing(server: &Server) -> io::Result<Client> {
        Client::offering(server, "client_max_window_bits")
    }

    /// The same, with messages that refer to no other. The load's messages are alike, so that one would be a few bytes that
    /// refer to the one before.
    pub fn compressing_each(server: &Server) -> io::Result<Client> {
        Client::offering(server, "client_max_window_bits; server_no_context_takeover")
    }

    fn offering(server: &Server, parameters: &str) -> io::Result<Client> {
        let offer = format!("Sec-WebSocket-Extensions: permessage-deflate; {parameters}\r\n");
        let mut socket = Blocking::offering(server, None, &offer)?;
        socket.join()?;
        Client::from(socket)
    }

    /// A client that speaks no Socket.IO, at `/ws`.
    pub fn plain(server: &Server) -> io::Result<Client> {
        let server = Server { path: "/ws".to_owned(), ..server.clone() };
        Ok(Client { plain: true, ..Client::from(Blocking::open(&server, None)?)? })
    }

    pub fn from(socket: Blocking) -> io::Result<Client> {
        socket.stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(socket.stream);
        Ok(Client { stream, read: 0, plain: false, pending: socket.pending, unsent: Vec::new() })
    }

    /// Writes bytes, now or when the socket can take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        match self.stream.write(bytes) {
            Ok(written) => self.unsent.extend_from_slice(&bytes[written..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.unsent.extend_from_slice(bytes),
            Err(error) => return Err(error),
        }
        Ok(())
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

    /// Reads what has come and counts the events and acknowledgements. Pings are answered.
    pub fn receive(&mut self, scratch: &mut [u8]) -> io::Result<u64> {
        let mut seen = Seen { plain: self.plain, ..Seen::default() };
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.read += read as u64;
            if self.pending.is_empty() {
                let used = seen.scan(&scratch[..read]);
                self.pending.extend_from_slice(&scratch[used..read]);
            } else {
                self.pending.extend_from_slice(&scratch[..read]);
                let used = seen.scan(&self.pending);
                self.pending.drain(..used);
            }
            if read < scratch.len() {
                break;
            }
        }
        for _ in 0..seen.pings {
            self.send(&frame("3"))?;
        }
        if seen.closed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(seen.answers)
    }
}

/// What stood in the frames of one read.
#[derive(Default)]
struct Seen {
    answers: u64,
    pings: u64,
    closed: bool,
    /// All messages are answers.
    plain: bool,
}

impl Seen {
    /// Takes in the whole frames in `bytes`; says how many bytes they take up.
    fn scan(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Some((header, len)) = frame_len(&bytes[used..]) {
            let end = used + header + len;
            let Some(payload) = bytes.get(used + header..end) else { break };
            match payload {
                _ if bytes[used] & 0x0f == 8 => self.closed = true,
                // What is compressed is too long for anything else.
                _ if bytes[used] & 0x40 != 0 || self.plain => self.answers += 1,
                [b'4', b'2' | b'3', ..] => self.answers += 1,
                [b'2'] => self.pings += 1,
                _ => {}
            }
            used = end;
        }
        used
    }
}
