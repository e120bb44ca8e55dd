//! How the person captures: what a verification asks for, and what its Secret holds. The status field is in `status`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the person's device captures document and face.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.referrer) || !has(self.applicationID)")
    .message("referrer and applicationID exclude each other: a token is for a web page or for a mobile app"))]
#[x_kube(validation = Rule::new("self.mode == 'Link' || !has(self.link)").message("link needs mode Link"))]
#[x_kube(validation = Rule::new("self.mode == 'SDK' || (self.tokenGeneration == 0 && !has(self.referrer) && !has(self.applicationID))")
    .message("tokenGeneration, referrer and applicationID need mode SDK: a link cannot be renewed"))]
pub struct Capture {
    /// SDK (default): the application captures with the vendor's SDK and the SDK token in the capture Secret. Link: the person opens a page
    /// of the vendor's, at the address in the capture Secret's key link_url. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("mode is immutable: create another IdentityVerification"))]
    pub mode: CaptureMode,

    /// How the vendor's page behaves. Only with mode Link. Default: as the vendor has it. A change is for a run that is not yet started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,

    /// Raise it to ask for a fresh SDK token while the vendor waits for the person, as when they come back after the first one has expired.
    /// The fresh one replaces the old one in the Secret, and can be used for 85 minutes; status.capture.generation says when it is there.
    /// Default: 0. Never decreases. The run's own token, which comes with each run and can be used for five weeks, needs none of this, and is the one
    /// the vendor's SDKs expect: some warn of another.
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

/// Where the person captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CaptureMode {
    /// In the application, with the vendor's SDK.
    #[default]
    SDK,
    /// On a page of the vendor's.
    Link,
}

/// How the vendor's page behaves.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The language of the page. Default: the vendor's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<LinkLanguage>,
    /// Where the person is sent once they have finished, instead of the vendor's page of thanks: an https URL. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "completedRedirectURL")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https://[!-~]+$') && isURL(self) && url(self).getHostname() != ''")
        .message("completedRedirectURL must be an https URL"))]
    pub completed_redirect_url: Option<String>,
    /// Where the person is sent who opens the link after it has expired, instead of the vendor's page that says so: an https URL. Default:
    /// nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "expiredRedirectURL")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https://[!-~]+$') && isURL(self) && url(self).getHostname() != ''")
        .message("expiredRedirectURL must be an https URL"))]
    pub expired_redirect_url: Option<String>,
    /// When the link expires. Default: the vendor's choice. It then shows as CaptureReady=False, reason LinkExpired, and nothing renews it.
    /// One that is over before the run is started shows as Accepted=False, reason LinkExpired, and nothing is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

// An application's address can hold what only it and the person may know.
impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("language", &self.language).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The languages the vendor's page knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LinkLanguage {
    /// English.
    #[serde(rename = "en_US")]
    EnUs,
    /// German.
    #[serde(rename = "de_DE")]
    DeDe,
    /// Spanish.
    #[serde(rename = "es_ES")]
    EsEs,
    /// French.
    #[serde(rename = "fr_FR")]
    FrFr,
    /// Italian.
    #[serde(rename = "it_IT")]
    ItIt,
    /// Portuguese.
    #[serde(rename = "pt_PT")]
    PtPt,
    /// Dutch.
    #[serde(rename = "nl_NL")]
    NlNl,
}

impl LinkLanguage {
    /// The vendor's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnUs => "en_US",
            Self::DeDe => "de_DE",
            Self::EsEs => "es_ES",
            Self::FrFr => "fr_FR",
            Self::ItIt => "it_IT",
            Self::PtPt => "pt_PT",
            Self::NlNl => "nl_NL",
        }
    }
}

/// What the capture Secret holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CaptureKind {
    /// Key sdk_token: the SDK token that came with the run.
    #[default]
    RunToken,
    /// Key sdk_token: an SDK token that was asked for by tokenGeneration.
    FreshToken,
    /// Key link_url: the address of the vendor's page.
    Link,
}
