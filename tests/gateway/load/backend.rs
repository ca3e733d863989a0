//! A backend whose answers are bytes.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a backend does with a hook.
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    /// It writes them, and closes the connection.
    Last(Vec<u8>),
}

impl Answer {
    pub(crate) fn json(status: &str, body: &str) -> Answer {
        let length = body.len();
        Answer::Bytes(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into())
    }
}

/// Starts a backend. Gives its URL.
pub(crate) async fn start<F, A>(handle: F) -> String
where
    F: Fn(Value) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let handle = Arc::new(handle);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&handle)));
        }
    });
    url
}

async fn serve<F, A>(stream: TcpStream, handle: Arc<F>)
where
    F: Fn(Value) -> A,
    A: Future<Output = Answer>,
{
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = text.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let hook = serde_json::from_slice(&body).expect("a hook is JSON");
        let bytes = match handle(hook).await {
            Answer::Bytes(bytes) => bytes,
            Answer::Last(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
