//! TLS by rustls: a certificate and its key from PEM files, read again when they change.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use parking_lot::RwLock;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ConfigBuilder, ServerConfig};

use crate::net::connection::Connection;
use crate::net::files;

/// The longest file of certificates or keys that is read, in bytes. A chain has a few thousand.
const LONGEST_FILE: u64 = 1_000_000;

/// Time that a client has for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A certificate and its key, with which [listeners](crate::Listener::tls) use TLS 1.2 and 1.3. Clones share
/// them, so a [`reload`](Tls::reload) affects all.
///
/// ALPN only offers HTTP/1.1.
///
/// It needs the feature `tls`, which is on by default.
///
/// ```no_run
/// use socketio_server::{BACKLOG, Listener, Tls};
///
/// # async fn listen() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::from_pem_files("chain.pem", "key.pem")?;
/// let listener = Listener::bind(&"0.0.0.0:443".parse()?, BACKLOG).await?.tls(tls.clone());
/// // Later, when the files have changed:
/// tls.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<State>);

struct State {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    /// A thread reads the files.
    reading: AtomicBool,
}

/// Reads a file: any file when the program starts, and later only a regular file, which can't block it.
type ReadFile = fn(&Path, u64) -> io::Result<Vec<u8>>;

impl Tls {
    /// Reads a certificate, followed by those that lead to its root, from one PEM file, and its private key
    /// (PKCS#8, PKCS#1 or SEC1) from another. Both can be the same file.
    ///
    /// # Errors
    /// If a file can't be read or doesn't contain what it should, or if the key doesn't belong to the
    /// certificate.
    pub fn from_pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Tls, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let config = RwLock::new(Arc::new(read(&certificate, &key, read_any)?));
        Ok(Tls(Arc::new(State { certificate, key, config, reading: AtomicBool::new(false) })))
    }

    /// Reads both files again. They must be regular files now. New connections get the new certificate;
    /// existing ones keep theirs.
    ///
    /// It blocks its thread while it reads two small files. That may take for ever on a network file system
    /// that has failed; use [`reload_within`](Tls::reload_within) there.
    ///
    /// # Errors
    /// As [`from_pem_files`](Tls::from_pem_files). The old certificate then stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.0.read_again()?;
        self.0.put(config);
        Ok(())
    }

    /// Like [`reload`](Tls::reload), but on another thread, and for at most that long.
    ///
    /// # Errors
    /// As [`reload`](Tls::reload), and if the files can't be read in that time. A thread that still waits for them
    /// continues, and no other starts before it ends.
    pub async fn reload_within(&self, patience: Duration) -> Result<(), TlsError> {
        let wrong = |problem| TlsError { file: self.0.certificate.clone(), problem };
        if self.0.reading.swap(true, Ordering::AcqRel) {
            return Err(wrong(Problem::StillReading));
        }
        let state = self.0.clone();
        let (tell, told) = oneshot::channel();
        // The runtime would wait for one of its own threads when it shuts down.
        let thread = std::thread::Builder::new().name("certificate".to_owned()).spawn(move || {
            let read = state.read_again();
            state.reading.store(false, Ordering::Release);
            // It fails if this took too long and nobody waits any more.
            drop(tell.send(read));
        });
        if let Err(error) = thread {
            self.0.reading.store(false, Ordering::Release);
            return Err(wrong(Problem::Read(error)));
        }
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(read)) => {
                self.0.put(read?);
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(wrong(Problem::TooSlow(patience))),
        }
    }

    /// What it uses now. After a reload it is another.
    #[cfg(feature = "webtransport")]
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.read().clone()
    }

    /// Speaks TLS on a connection.
    pub(crate) async fn accept(&self, io: Connection) -> io::Result<Connection> {
        let acceptor = TlsAcceptor::from(self.0.config.read().clone());
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(io)).await??;
        Ok(stream.into())
    }
}

impl State {
    fn read_again(&self) -> Result<ServerConfig, TlsError> {
        read(&self.certificate, &self.key, files::read_regular)
    }

    fn put(&self, config: ServerConfig) {
        // A new configuration also drops the sessions to resume, and with them the old key.
        *self.config.write() = Arc::new(config);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.0.certificate).finish_non_exhaustive()
    }
}

/// Reads any file, even a pipe, which may block.
fn read_any(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    files::take(&File::open(path)?, limit)
}

fn read(certificate: &Path, key: &Path, read_file: ReadFile) -> Result<ServerConfig, TlsError> {
    let wrong = |file: &Path| {
        let file = file.to_owned();
        |problem| TlsError { file, problem }
    };
    let bytes =
        |file: &Path| read_file(file, LONGEST_FILE).map_err(|error| wrong(file)(Problem::Read(error)));
    let chain = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate)(error.into()))?;
    if chain.is_empty() {
        return Err(wrong(certificate)(Problem::NoCertificate));
    }
    let private_key = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|error| {
        wrong(key)(match error {
            pem::Error::NoItemsFound => Problem::NoKey,
            error => error.into(),
        })
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(ConfigBuilder::<ServerConfig, _>::with_no_client_auth)
        .and_then(|builder| builder.with_single_cert(chain, private_key))
        .map_err(|error| wrong(key)(Problem::Rejected(error)))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Why TLS can't use these files.
///
/// ```
/// use socketio_server::Tls;
///
/// println!("{}", Tls::from_pem_files("no-chain.pem", "no-key.pem").unwrap_err());
/// ```
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Read(io::Error),
    TooSlow(Duration),
    /// An earlier attempt still waits for the files.
    StillReading,
    Pem(pem::Error),
    NoCertificate,
    NoKey,
    /// The key can't be used, or not with this certificate.
    Rejected(rustls::Error),
}

impl From<pem::Error> for Problem {
    fn from(error: pem::Error) -> Problem {
        match error {
            pem::Error::Io(error) => Problem::Read(error),
            error => Problem::Pem(error),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.problem {
            Problem::Read(error) => write!(f, "can't read {file}: {error}"),
            Problem::TooSlow(patience) => {
                write!(f, "can't read {file} and its key within {patience:?}")
            }
            Problem::StillReading => {
                write!(f, "can't read {file} and its key: an earlier attempt is still waiting")
            }
            Problem::Pem(error) => write!(f, "{file} is not a PEM file: {error}"),
            Problem::NoCertificate => write!(f, "{file} has no certificate"),
            Problem::NoKey => write!(f, "{file} has no private key"),
            Problem::Rejected(rustls::Error::InconsistentKeys(_)) => {
                write!(f, "the key in {file} does not belong to the certificate")
            }
            Problem::Rejected(error) => write!(f, "the key in {file} can't be used: {error}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Read(error) => Some(error),
            Problem::Pem(error) => Some(error),
            Problem::Rejected(error) => Some(error),
            Problem::NoCertificate | Problem::NoKey | Problem::TooSlow(_) | Problem::StillReading => None,
        }
    }
}
