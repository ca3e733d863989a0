//! A connection: TCP, and TLS on it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, CertificateError};

use super::target::Target;

/// What HTTP and WebSockets need of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, and how long its steps took.
pub(crate) struct Connected {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) tcp: Duration,
    pub(crate) tls: Option<Duration>,
    /// The version of TLS and what was agreed on.
    pub(crate) tls_version: Option<String>,
}

impl Connected {
    /// # Errors
    /// If the server can't be reached, or TLS fails, or either takes longer than the target says.
    pub(crate) async fn open(target: &Target) -> io::Result<Connected> {
        let (began, url) = (Instant::now(), &target.url);
        let named = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    "the connection was refused: does the server run, and listen on this port?".to_owned()
                }
                _ => error.to_string(),
            };
            io::Error::new(error.kind(), format!("{}: {why}", url.authority()))
        };
        let connecting = async {
            match &*target.addresses {
                [] => TcpStream::connect((&*url.host, url.port)).await,
                addresses => TcpStream::connect(addresses).await,
            }
        };
        let stream = within(target.timeout, connecting).await.map_err(named)?;
        stream.set_nodelay(true)?;
        let tcp = began.elapsed();
        let Some(config) = &target.tls else {
            return Ok(Connected { stream: Box::new(stream), tcp, tls: None, tls_version: None });
        };
        let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
        let connecting = TlsConnector::from(config.clone()).connect(name, stream);
        let stream = within(target.timeout, connecting).await;
        let stream =
            stream.map_err(|error| io::Error::new(error.kind(), format!("TLS: {}", words(&error))))?;
        let version =
            stream.get_ref().1.protocol_version().and_then(|version| Some(version.as_str()?.to_owned()));
        let tls = Some(began.elapsed() - tcp);
        Ok(Connected { stream: Box::new(stream), tcp, tls, tls_version: version })
    }
}

/// What comes within that time.
///
/// # Errors
/// If it fails, or takes longer.
pub(crate) async fn within<T>(time: Duration, asked: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {time:?}"));
    timeout(time, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Why there is no TLS, and what to do about it.
fn words(error: &io::Error) -> String {
    let told = error.to_string();
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(problem))
            if *problem == CertificateError::UnknownIssuer || told.contains("CaUsedAsEndEntity") =>
        {
            "nobody who is trusted has signed the server's certificate. Name a file with the certificate, or with that of \
             who has signed it, by --ca"
                .to_owned()
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server speaks something else. Does it speak plain HTTP? Then write http://".to_owned()
        }
        _ => told,
    }
}
