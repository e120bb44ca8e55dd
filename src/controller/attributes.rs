//! Reads the attributes of one person from the spec and its Secrets. Values are held for one pass and never kept.

use std::collections::BTreeMap;

use crate::{
    api::{IdentityVerification, SecretUse},
    onfido::secret::Personal,
    plan::{Attributes, Failure, Given},
    secrets::{Contents, SecretFault},
};

use super::{
    Ctx, Trouble, observe,
    vendor::{forbidden, secret_failure},
};

/// Reads those of the given names. A Secret that may not be read is no missing one: nothing can be said of its values.
pub(super) async fn read(ctx: &Ctx, object: &IdentityVerification, names: &[String]) -> Result<Result<Attributes, Failure>, Trouble> {
    match resolve(ctx, object, names).await {
        Err(Trouble::Secret(fault @ SecretFault::Forbidden { .. })) => Ok(Err(forbidden(fault))),
        resolved => resolved.map(Ok),
    }
}

/// Later sources win over earlier ones, and the spec's own attributes over all of them.
async fn resolve(ctx: &Ctx, object: &IdentityVerification, names: &[String]) -> Result<Attributes, Trouble> {
    let key = ctx.digests.key().await?;
    // What names the object in a digest lives as long as its key at the vendor.
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let of = if object.spec.idempotency_key.is_some() { observe::key_of(object).to_string() } else { uid };
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut sources = Sources { ctx, namespace, read: BTreeMap::new() };
    let mut values: BTreeMap<String, Personal> = BTreeMap::new();
    let mut unreadable = vec![];

    for source in object.spec.attributes_from.iter().flatten() {
        match sources.contents(&source.secret_ref.name).await? {
            Ok(contents) => {
                for name in names {
                    if let Some(bytes) = contents.get(name) {
                        insert(&mut values, &mut unreadable, name, bytes);
                    }
                }
            }
            Err(failure) => unreadable.push(failure.clone()),
        }
    }
    for attribute in object.spec.attributes.iter().flatten().filter(|attribute| names.contains(&attribute.name)) {
        if let Some(value) = &attribute.value {
            values.insert(attribute.name.clone(), Personal::new(value.clone()));
        } else if let Some(from) = &attribute.value_from {
            let reference = &from.secret_key_ref;
            let missing = || Failure::SecretNotFound {
                namespace: namespace.into(),
                name: reference.name.clone(),
                key: Some(reference.key.clone()),
                for_use: SecretUse::Attributes,
            };
            match sources.contents(&reference.name).await? {
                Ok(contents) => match contents.get(&reference.key) {
                    Some(bytes) => insert(&mut values, &mut unreadable, &attribute.name, bytes),
                    None => unreadable.push(missing()),
                },
                Err(_) => unreadable.push(missing()),
            }
        }
    }
    let given = values.into_iter().map(|(name, value)| Given { digest: key.digest(&of, &name, value.expose()), name, value }).collect();
    Ok(Attributes { key_id: key.id.clone(), given, unreadable })
}

/// One trailing newline is trimmed: files and here-documents have one.
fn insert(values: &mut BTreeMap<String, Personal>, unreadable: &mut Vec<Failure>, name: &str, bytes: &[u8]) {
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    match std::str::from_utf8(bytes) {
        Ok(value) => drop(values.insert(name.to_owned(), Personal::new(value))),
        Err(_) => unreadable
            .push(Failure::AttributeInvalid { name: name.to_owned(), fault: crate::onfido::model::FieldFault::ForbiddenCharacter }),
    }
}

/// The Secrets read so far in this pass.
struct Sources<'a> {
    ctx: &'a Ctx,
    namespace: &'a str,
    read: BTreeMap<String, Result<Contents, Failure>>,
}

impl Sources<'_> {
    async fn contents(&mut self, name: &str) -> Result<&Result<Contents, Failure>, Trouble> {
        if !self.read.contains_key(name) {
            let contents = match self.ctx.secrets.read_fresh(self.namespace, name, SecretUse::Attributes).await {
                Ok(contents) => Ok(contents),
                Err(fault @ SecretFault::Forbidden { .. }) => return Err(fault.into()),
                Err(fault) => Err(secret_failure(fault)?),
            };
            self.read.insert(name.to_owned(), contents);
        }
        Ok(&self.read[name]) // inserted just above
    }
}
