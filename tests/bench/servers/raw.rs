//! Bare tokio-tungstenite: a task for each client, canned answers, a flush for each message. What a server
//! pays that builds on it, before it has done anything of its own. With `--plain` behind the address, it sends back what comes.

mod canned;

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use canned::{CONNECT, OPEN};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let plain = std::env::args().nth(2).is_some_and(|option| option == "--plain");
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(client(stream, plain));
    }
}

async fn client(stream: TcpStream, plain: bool) -> tungstenite::Result<()> {
    // Its read buffer is 128 KiB for each client unless told otherwise.
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    if plain {
        while let Some(message) = socket.next().await {
            let message = message?;
            if message.is_text() || message.is_binary() {
                socket.send(message).await?;
            }
        }
        return Ok(());
    }
    socket.send(Message::text(OPEN)).await?;
    // The answer to a message of that length; clones of it share its bytes.
    let mut canned: (usize, Utf8Bytes) = (0, Utf8Bytes::default());
    while let Some(message) = socket.next().await {
        let message = message?;
        let Message::Text(text) = &message else { continue };
        let answer = if text.starts_with("40") {
            Utf8Bytes::from_static(CONNECT)
        } else if text.starts_with("42") {
            if canned.0 != text.len() {
                canned = (text.len(), can(text).into());
            }
            canned.1.clone()
        } else {
            continue;
        };
        socket.send(Message::Text(answer)).await?;
    }
    Ok(())
}

fn can(text: &str) -> String {
    match text.strip_prefix(r#"421["message-with-ack","#) {
        Some(args) => format!("431[{args}"),
        None => text.replacen("message", "message-back", 1),
    }
}
