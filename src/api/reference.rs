//! References from one object to another. None has a namespace unless crossing one is the point.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One key of a Secret in the namespace of the object that refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret, in the namespace of this object. It must carry the label onfido-operator.dev/use.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A whole Secret in the namespace of the object that refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The provider a verification uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// Name of the OnfidoProvider.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the OnfidoProvider; the verification's own if left out. A provider in another namespace must allow this
    /// one in its allowedNamespaces, otherwise the verification waits with Accepted=False, reason NamespaceNotAllowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// What a Secret is labelled for (`onfido-operator.dev/use`). A Secret without the right label is never used: otherwise whoever
/// may create a verification could have any Secret of the namespace sent to a vendor account of his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretUse {
    /// An API token of the vendor.
    Credentials,
    /// The token that signs webhook deliveries.
    Webhook,
    /// Attribute values of one person.
    Attributes,
    /// The operator's own: the SDK token of one verification.
    Capture,
}

impl SecretUse {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Webhook => "webhook",
            Self::Attributes => "attributes",
            Self::Capture => "capture",
        }
    }
}
