//! References from one object to another. None has a namespace unless crossing one is the point.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Names are bound to their pattern because they become parts of paths: no reference may name anything but an object.
/// Names of objects: a DNS subdomain.
const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Names of namespaces: a DNS label.
const NAMESPACE_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Keys of Secrets.
const SECRET_KEY: &str = r"^[-._a-zA-Z0-9]+$";

/// One key of a Secret in the namespace of the object that refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret, in the namespace of this object. Its label onfido-operator.dev/use must say this use: any other Secret is never
    /// used.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Key within the Secret. One newline at the end of its value is trimmed.
    #[schemars(length(min = 1, max = 253), regex(pattern = SECRET_KEY))]
    pub key: String,
}

/// A whole Secret in the namespace of the object that refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// The provider a verification uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// Name of the OnfidoProvider.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Namespace of the OnfidoProvider. Default: the verification's own. A provider in another namespace must allow this one in its
    /// allowedNamespaces, otherwise the verification waits with Accepted=False, reason NamespaceNotAllowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE_NAME))]
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
    /// Custom data of one run.
    CustomData,
    /// The operator's own: the SDK token or link of one verification.
    Capture,
}

impl SecretUse {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Webhook => "webhook",
            Self::Attributes => "attributes",
            Self::CustomData => "custom-data",
            Self::Capture => "capture",
        }
    }
}
