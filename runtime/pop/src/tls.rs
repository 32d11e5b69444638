//! The listener's certificate: TLS by rustls, with HTTP/2 and HTTP/1.1 to choose from.

use std::{path::PathBuf, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::error::PopError;

/// HTTP/2 by its name in ALPN (RFC 9113, section 3.2).
pub(crate) const H2: &[u8] = b"h2";

/// Where a certificate and its key lie, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, then those it stands on.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Tls {
    /// Reads both.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, PopError> {
        let at = |path: &PathBuf, why: &dyn std::fmt::Display| {
            PopError::Config(format!("{}: {why}", path.display()))
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|why| at(&self.certificate, &why))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|why| at(&self.key, &why))?;
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|why| at(&self.certificate, &why))?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
