//! The keys and certificates of one control plane, made anew for each. No trust beyond it.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::DevError;

pub(super) const CA: &str = "ca.crt";
pub(super) const SERVER_CERT: &str = "apiserver.crt";
pub(super) const SERVER_KEY: &str = "apiserver.key";
pub(super) const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
pub(super) const SERVICE_ACCOUNT_PUBLIC: &str = "service-account.pub";

/// Names a client may call the API server by: here, and as a Pod would.
const NAMES: [&str; 5] = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// Write them all into the folder; returns the CA as PEM.
pub(super) fn write(folder: &Path) -> Result<String, DevError> {
    let mut params = named("onfido-operator-dev-ca", Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    // The API server could sign its own certificate, but then it would be a leaf and a CA at once,
    // which rustls refuses.
    let mut params = named("kube-apiserver", NAMES.map(str::to_owned).to_vec())?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let server = params.signed_by(&server_key, &ca)?;

    // ECDSA, because ring makes no RSA keys; the API server takes either.
    let service_accounts = KeyPair::generate()?;

    let files = [
        (CA, ca.pem()),
        (SERVER_CERT, server.pem()),
        (SERVER_KEY, server_key.serialize_pem()),
        (SERVICE_ACCOUNT_KEY, service_accounts.serialize_pem()),
        (SERVICE_ACCOUNT_PUBLIC, service_accounts.public_key_pem()),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(DevError::io("write", &path))?;
    }
    Ok(ca.pem())
}

fn named(common_name: &str, names: Vec<String>) -> Result<CertificateParams, DevError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}
