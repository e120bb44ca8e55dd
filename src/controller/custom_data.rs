//! Reads the custom data in the Secrets of one verification. It may be about a person: held for one pass and never kept.

use crate::{
    api::{IdentityVerification, SecretUse},
    onfido::model::CustomData,
    plan::Failure,
};

use super::{Ctx, Trouble, vendor::secret_failure};

/// The keys of all Secrets as strings; later Secrets win.
pub(super) async fn read(ctx: &Ctx, object: &IdentityVerification) -> Result<Result<CustomData, Failure>, Trouble> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut data = CustomData::default();
    for source in object.spec.custom_data_from.iter().flatten() {
        let contents = match ctx.secrets.read_fresh(namespace, &source.secret_ref.name, SecretUse::CustomData).await {
            Ok(contents) => contents,
            Err(fault) => return Ok(Err(secret_failure(fault)?)),
        };
        for (key, bytes) in &contents {
            // One line end is trimmed, as of attributes.
            let line = bytes.strip_suffix(b"\n").map_or(bytes.as_slice(), |line| line.strip_suffix(b"\r").unwrap_or(line));
            match std::str::from_utf8(line) {
                Ok(value) => data.set(key, value),
                Err(_) => return Ok(Err(Failure::CustomDataInvalid { key: Some(key.clone()), fault: "is no text" })),
            };
        }
    }
    Ok(Ok(data))
}
