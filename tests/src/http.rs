//! HTTP/1.1 as bytes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What bytes are written to and read from.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for T {}

/// A connection on which requests are written as they are.
#[derive(Debug)]
pub struct Connection {
    read: ReadHalf<Box<dyn Stream>>,
    /// `None` while a task writes.
    write: Option<WriteHalf<Box<dyn Stream>>>,
    /// What requests give as their `Host`.
    pub host: String,
    /// What was read beyond the last response.
    pub(crate) rest: Vec<u8>,
}

/// A response as it came.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// The first field of that name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The session's id in an open packet.
    #[must_use]
    pub fn sid(&self) -> String {
        let text = self.text();
        let start = text.find("\"sid\":\"").expect("an open packet") + 7;
        text[start..start + 20].to_owned()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.expect("a connection");
        // What is written arrives, also if what was written before has not been acknowledged.
        stream.set_nodelay(true).expect("a TCP connection");
        Connection::over(stream)
    }

    /// Uses a connection that is there.
    pub fn over(stream: impl Stream + 'static) -> Connection {
        let (read, write) = tokio::io::split(Box::new(stream) as Box<dyn Stream>);
        Connection { read, write: Some(write), host: "test".to_owned(), rest: Vec::new() }
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        write(self.writer(), bytes.as_ref()).await.expect("to write");
    }

    /// Writes bytes, or as many of them as the server takes before it ends the connection.
    pub async fn write_as_far_as_possible(&mut self, bytes: &[u8]) {
        drop(write(self.writer(), bytes).await);
    }

    fn writer(&mut self) -> &mut WriteHalf<Box<dyn Stream>> {
        self.write.as_mut().expect("no other task writes")
    }

    /// Writes bytes in a task of its own, so that reading can go on. The connection can't be written to
    /// otherwise from then on.
    pub(crate) fn write_in_background(&mut self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut writer = self.write.take().expect("no other task writes");
        tokio::spawn(async move { write(&mut writer, &bytes).await.expect("to write") })
    }

    /// Writes a request without waiting for its answer.
    pub async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        // A server may refuse by the head and close before it has read the body.
        drop(write(self.writer(), &bytes).await);
    }

    /// Writes a request and reads its answer.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.send(method, target, headers, body).await;
        self.response().await
    }

    /// Reads one response.
    pub async fn response(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.fill().await, "the connection ended before a response");
        };
        let head = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        while self.rest.len() < length {
            assert!(self.fill().await, "the connection ended inside a body");
        }
        let body = self.rest.drain(..length).collect();
        Response { status, headers, body }
    }

    /// Reads one chunk of a body that comes in chunks (RFC 9112, section 7.1). The last one is empty.
    pub async fn chunk(&mut self) -> Vec<u8> {
        loop {
            if let Some(at) = self.rest.windows(2).position(|window| window == b"\r\n") {
                let length = std::str::from_utf8(&self.rest[..at]).expect("a length");
                let length = usize::from_str_radix(length, 16).expect("a hexadecimal length");
                if self.rest.len() >= at + 2 + length + 2 {
                    let chunk = self.rest[at + 2..at + 2 + length].to_vec();
                    self.rest.drain(..at + 2 + length + 2);
                    return chunk;
                }
            }
            assert!(self.fill().await, "the connection ended inside a body");
        }
    }

    /// Waits for the other side to end the connection. What came before that is returned.
    pub async fn closed(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.rest)
    }

    /// Waits until something of the next response has come, and takes no more of it than one read brings.
    pub async fn begun(&mut self) {
        assert!(!self.rest.is_empty() || self.fill().await, "the connection ended before a response");
    }

    /// Whatever bytes come next; `None` at the end.
    pub async fn some_bytes(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() && !self.fill().await {
            return None;
        }
        Some(std::mem::take(&mut self.rest))
    }

    /// Reads more; false at the end.
    ///
    /// # Panics
    /// If nothing comes for [`LIMIT`].
    pub(crate) async fn fill(&mut self) -> bool {
        let read = timeout(LIMIT, self.read.read_buf(&mut self.rest)).await;
        matches!(read.expect("the server sends something or ends the connection"), Ok(1..))
    }
}

/// How long a server may be silent: no test waits as long for something to come.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Writes all of it, and what a stream such as TLS holds back.
async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}
