//! `health`: whether a server answers, for container engines and scripts.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::server_url::{ServerUrl, ServerUrlError};

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) url: ServerUrl,
    pub(crate) timeout: Duration,
}

impl Health {
    /// # Errors
    /// If the answer is not 200, or doesn't come in time; says what came.
    pub(crate) fn check(&self) -> Result<(), String> {
        let url = &self.url;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let status = runtime.block_on(async { timeout(self.timeout, self.ask()).await });
        // A name may still be looked up.
        runtime.shutdown_background();
        match status {
            Ok(Ok(line)) if line.ends_with(" 200") => Ok(()),
            Ok(Ok(line)) => Err(format!("{url} answers {line}")),
            Ok(Err(error)) => Err(format!("{url} can't be asked: {error}")),
            Err(_) => Err(format!("{url} does not answer within {:?}", self.timeout)),
        }
    }

    /// The beginning of the answer, with its status: `HTTP/1.1 200`.
    async fn ask(&self) -> io::Result<String> {
        let ServerUrl { host, port, path, query, .. } = &self.url;
        let (and, authority) = (if query.is_empty() { "" } else { "?" }, self.url.authority());
        let mut stream = TcpStream::connect((&**host, *port)).await?;
        let request =
            format!("GET {path}{and}{query} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status).await?;
        Ok(String::from_utf8_lossy(&status).into_owned())
    }
}

/// The URL of an option.
pub(crate) fn url(text: &str) -> Result<ServerUrl, String> {
    let url: ServerUrl = text.parse().map_err(|error: ServerUrlError| error.to_string())?;
    if url.secure { Err("must begin with http://: TLS is not supported".to_owned()) } else { Ok(url) }
}
