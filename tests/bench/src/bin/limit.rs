//! What the machine allows: one epoll loop that answers with canned frames, one read and one write a wake. It
//! knows just enough of WebSocket to count the frames that it is sent, and nothing of Socket.IO.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct Client {
    stream: TcpStream,
    open: bool,
    /// The start of a frame that is not whole yet.
    pending: Vec<u8>,
    unsent: Vec<u8>,
}

/// A server's frame.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// A client's frame at the start of `bytes`: its payload and its whole length.
fn parse(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (header, len) = match *bytes.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        len => (6, usize::from(len)),
    };
    Some((bytes.get(header..header + len)?, header + len))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address").parse().expect("an address");
    let mut listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut next = 0;
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; 64 * 1024];
    let open = frame(br#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#);
    let connect = frame(br#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#);
    let back = |payload: &[u8], head: &[u8], name: usize| frame(&[head, &payload[name..]].concat());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(
                        &mut stream,
                        Token(next),
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    clients.insert(
                        next,
                        Client { stream, open: false, pending: Vec::new(), unsent: Vec::new() },
                    );
                    next += 1;
                }
                continue;
            }
            let Token(at) = event.token();
            let Some(client) = clients.get_mut(&at) else { continue };
            let read = match client.stream.read(&mut scratch) {
                Ok(0) => {
                    clients.remove(&at);
                    continue;
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => {
                    clients.remove(&at);
                    continue;
                }
            };
            client.pending.extend_from_slice(&scratch[..read]);
            let mut broadcasts = Vec::new();
            if !client.open {
                let Some(end) = client.pending.windows(4).position(|window| window == b"\r\n\r\n") else {
                    continue;
                };
                client.pending.drain(..end + 4);
                client.open = true;
                client.unsent.extend_from_slice(SWITCH);
                client.unsent.extend_from_slice(&open);
            }
            let mut used = 0;
            while let Some((payload, len)) = parse(&client.pending[used..]) {
                if payload.starts_with(b"40") {
                    client.unsent.extend_from_slice(&connect);
                } else if payload.starts_with(br#"42["message""#) {
                    client.unsent.extend_from_slice(&back(payload, br#"42["message-back""#, 12));
                } else if payload.starts_with(br#"421["message-with-ack","#) {
                    client.unsent.extend_from_slice(&back(payload, b"431[", 23));
                } else if payload.starts_with(br#"42["broadcast""#) {
                    broadcasts.extend_from_slice(&back(payload, br#"42["bcast""#, 14));
                }
                used += len;
            }
            client.pending.drain(..used);
            if broadcasts.is_empty() {
                flush(client);
            } else {
                for client in clients.values_mut() {
                    client.unsent.extend_from_slice(&broadcasts);
                    flush(client);
                }
            }
        }
    }
}

fn flush(client: &mut Client) {
    while !client.unsent.is_empty() {
        match client.stream.write(&client.unsent) {
            Ok(written) => drop(client.unsent.drain(..written)),
            Err(_) => return,
        }
    }
}
