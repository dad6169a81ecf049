//! TLS to a carrier: the usual certificate authorities, or those of one file.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{fmt, io, sync::Arc};
use tokio_rustls::TlsConnector;

/// How to shake hands.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// With the certificate authorities of `pem`, or with those of the system.
    pub(crate) fn new(pem: Option<&[u8]>) -> io::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        if let Some(pem) = pem {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(io::Error::other)?;
                roots.add(certificate).map_err(io::Error::other)?;
            }
        } else {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // One that cannot be read is no reason to trust none.
                let _unread = roots.add(certificate);
            }
        }
        if roots.is_empty() {
            return Err(io::Error::other("there is no certificate authority to trust"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Who the certificate of `host:port` must be for.
    pub(crate) fn name(host: &str) -> io::Result<ServerName<'static>> {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host).map_err(io::Error::other)
    }
}
