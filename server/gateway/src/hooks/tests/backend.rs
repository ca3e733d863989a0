//! A backend that answers as each test says.

use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A hook that came, and what takes the bytes of its answer.
pub(super) struct Asked {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
    pub(super) body: Value,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Asked {
    pub(super) fn answer_bytes(self, bytes: impl Into<Vec<u8>>) {
        let _ = self.answer.send(bytes.into());
    }

    pub(super) fn answer(self, status: u16, body: &str) {
        let length = body.len();
        self.answer_bytes(format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}"));
    }

    pub(super) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

pub(super) struct Backend {
    pub(super) url: String,
    pub(super) asked: mpsc::UnboundedReceiver<Asked>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Backend {
    pub(super) async fn start() -> Backend {
        Backend::listen(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// A backend that speaks TLS, with this certificate and its key.
    pub(super) async fn start_tls(certified: &CertifiedKey<KeyPair>) -> Backend {
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let (sender, asked) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, sender).await;
                    }
                });
            }
        });
        Backend { url, asked, listening }
    }

    pub(super) fn listen(listener: TcpListener) -> Backend {
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Backend { url, asked, listening }
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_secs(20), self.asked.recv()).await.expect("a hook comes").unwrap()
    }

    /// The next hook, which must be of that type.
    pub(super) async fn expect(&mut self, kind: &str) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.kind(), kind, "{}", asked.text);
        asked
    }
}

pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, sender: mpsc::UnboundedSender<Asked>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut line) = (BTreeMap::new(), String::new());
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            if let Some((name, value)) = line.trim().split_once(": ") {
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            line.clear();
        }
        let Some(length) = headers.get("content-length").and_then(|length| length.parse().ok()) else {
            return;
        };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let text = String::from_utf8(body).unwrap();
        let (answer, answered) = oneshot::channel();
        let body = serde_json::from_str(&text).unwrap();
        sender.send(Asked { headers, text, body, answer }).unwrap();
        // A test that answers nothing keeps the connection open.
        let Ok(bytes) = answered.await else { return std::future::pending().await };
        stream.write_all(&bytes).await.unwrap();
        if bytes.ends_with(b"half") {
            return;
        }
    }
}
