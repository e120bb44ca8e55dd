//! How the person captures: what a verification asks for, and what its Secret holds. The status field is in `status`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the person's device captures document and face.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.referrer) || !has(self.applicationID)")
    .message("referrer and applicationID exclude each other: a token is for a web page or for a mobile app"))]
pub struct Capture {
    /// Raise it to ask for a fresh SDK token while the vendor waits for the person, as when they come back after the first one has expired.
    /// The fresh one replaces the old one in the Secret, and can be used for 85 minutes; status.capture.generation says when it is there.
    /// Default: 0. Never decreases. The run's own token, which comes with each run and can be used for five weeks, needs none of this.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10000))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("tokenGeneration never decreases"))]
    pub token_generation: i32,

    /// Web pages in which a fresh SDK token can be used, such as https://*.example.com/verify/*: without a port, and the page must send the
    /// Referer header. Default: none is asked for. Only tokens that tokenGeneration asks for are bound so; one that the vendor refuses shows
    /// as CaptureReady=False, reason RequestRefused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^(\*|https?)://(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)/[!-~]*$"))]
    pub referrer: Option<String>,

    /// The mobile app in which a fresh SDK token can be used: its bundle id or package name. Default: none is asked for. Only tokens that
    /// tokenGeneration asks for are bound so. Not beside referrer.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "applicationID")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9][-._A-Za-z0-9]*$"))]
    pub application_id: Option<String>,
}

/// What the capture Secret holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CaptureKind {
    /// Key sdk_token: the SDK token that came with the run.
    #[default]
    RunToken,
    /// Key sdk_token: an SDK token that was asked for by tokenGeneration.
    FreshToken,
}
