//! One client's connection as bytes: a WebSocket whose frames are written ahead and counted as they come in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};

use mio::net::TcpStream;

/// A client that speaks Socket.IO over WebSocket, with as little work of its own as can be.
pub struct Client {
    pub stream: TcpStream,
    /// What was read and holds no whole frame yet.
    pending: Vec<u8>,
    /// What could not be written at once.
    unsent: Vec<u8>,
}

/// A frame of a client: masked with zeros, so that its payload stands as it is.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
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
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
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

impl Client {
    /// Connects, opens a session by WebSocket, and joins `/`. It blocks until the server has answered.
    pub fn connect(address: SocketAddr, path: &str, join: bool) -> io::Result<Client> {
        let mut stream = StdStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let end = loop {
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            read_some(&mut stream, &mut head)?;
        };
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut pending = head.split_off(end);
        wait_for(&mut stream, &mut pending, b"0{")?;
        if join {
            stream.write_all(&frame(b"40"))?;
            wait_for(&mut stream, &mut pending, b"40{")?;
        }
        stream.set_nonblocking(true)?;
        Ok(Client { stream: TcpStream::from_std(stream), pending, unsent: Vec::new() })
    }

    /// Writes bytes, now or when the socket can take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unsent.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => self.unsent.extend_from_slice(&bytes[written..]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(bytes)
                }
                Err(error) => return Err(error),
            }
        } else {
            self.unsent.extend_from_slice(bytes);
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

    /// Reads what has come and counts the frames whose payload begins with `wanted`. Pings are answered.
    pub fn receive(&mut self, scratch: &mut [u8], wanted: &[u8]) -> io::Result<usize> {
        let mut count = 0;
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error),
            };
            let mut pings = 0;
            if self.pending.is_empty() {
                let used = scan(&scratch[..read], wanted, &mut count, &mut pings);
                self.pending.extend_from_slice(&scratch[used..read]);
            } else {
                self.pending.extend_from_slice(&scratch[..read]);
                let used = scan(&self.pending, wanted, &mut count, &mut pings);
                self.pending.drain(..used);
            }
            for _ in 0..pings {
                self.send(&frame(b"3"))?;
            }
            if read < scratch.len() {
                return Ok(count);
            }
        }
    }
}

/// Counts the whole frames in `bytes`; says how many bytes they take up.
fn scan(bytes: &[u8], wanted: &[u8], count: &mut usize, pings: &mut usize) -> usize {
    let mut used = 0;
    while let Some((header, len)) = frame_len(&bytes[used..]) {
        let Some(payload) = bytes.get(used + header..used + header + len) else { break };
        *count += usize::from(payload.starts_with(wanted));
        *pings += usize::from(payload == b"2");
        used += header + len;
    }
    used
}

fn read_some(stream: &mut StdStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => {
            bytes.extend_from_slice(&chunk[..read]);
            Ok(())
        }
    }
}

/// Reads frames up to the one whose payload begins with `wanted`.
fn wait_for(stream: &mut StdStream, pending: &mut Vec<u8>, wanted: &[u8]) -> io::Result<()> {
    loop {
        while let Some((header, len)) = frame_len(pending) {
            if pending.len() < header + len {
                break;
            }
            let found = pending[header..header + len].starts_with(wanted);
            pending.drain(..header + len);
            if found {
                return Ok(());
            }
        }
        read_some(stream, pending)?;
    }
}
