//! TLS settings: the trusted certificate authorities.

use std::{path::Path, sync::Arc};

use fred::{
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, pem::PemObject},
    },
    rustls_native_certs,
    types::config::TlsConnector,
};

use crate::error::ConfigError;

/// Names the crypto provider explicitly, because the process may have another default or none.
pub(super) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, ConfigError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let refusal =
                |reason| ConfigError::new("ca_file", format!("{} {reason}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|error| refusal("cannot be read").with_source(error))?;
            for certificate in certificates {
                let certificate =
                    certificate.map_err(|error| refusal("is not PEM").with_source(error))?;
                roots.add(certificate).map_err(|error| {
                    refusal("has a certificate that cannot be used").with_source(error)
                })?;
            }
            if roots.is_empty() {
                return Err(refusal("has no certificate"));
            }
        }
        None => {
            // Some of the system's certificates may be unusable. If none is usable, no server is
            // trusted.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new("url", "TLS cannot be set up").with_source(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(config.into())
}
