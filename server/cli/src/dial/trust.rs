//! Which certificates of servers are trusted.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Trusts the certificates in that file, or the system's.
///
/// # Errors
/// If there is none, in words.
pub(super) fn tls(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut config = match file {
        Some(file) => {
            let given = Given::read(file)
                .map_err(|problem| format!("the certificates {}: {problem}", file.display()))?;
            ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(given))
        }
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("the system has no certificates to trust: name a file with --ca".to_owned());
            }
            ClientConfig::builder().with_root_certificates(roots)
        }
    }
    .with_no_client_auth();
    // A WebSocket and long polling need HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Trusts the certificates of a file, and those that they have signed. The first is what people have who sign their own:
/// `openssl req -x509` calls it an authority, and as such a server could not show it.
#[derive(Debug)]
struct Given {
    certificates: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl Given {
    fn read(file: &Path) -> Result<Given, String> {
        fn words(error: impl fmt::Display) -> String {
            error.to_string()
        }
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(file).map_err(words)?.collect::<Result<_, _>>().map_err(words)?;
        if certificates.is_empty() {
            return Err("there is no certificate in this file".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(words)?;
        }
        let signed = WebPkiServerVerifier::builder(Arc::new(roots)).build().map_err(words)?;
        Ok(Given { certificates, signed })
    }
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.certificates.contains(certificate) {
            return self.signed.verify_server_cert(certificate, between, name, ocsp, now);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
