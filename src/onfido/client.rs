//! The calls, each sent at most once. Owns the HTTP client and its limits; not when to call, and no retries.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, redirect};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::error::{VendorError, retry_after};
use super::limiter::{Class, Limiter, Permit};
use super::model::{Applicant, ApplicantId, NewApplicant, NewSdkToken, NewWorkflowRun, Region, WorkflowRun, WorkflowRunId};
use super::secret::{ApiToken, SdkToken};

/// The most pages that one search reads.
pub const MAX_PAGES: u32 = 20;
/// The longest that one search waits for our own limiter between its pages: enough at one call a minute.
pub const MAX_SEARCH_WAIT: Duration = Duration::from_secs(61);
/// How long everything pauses after a 429 that does not say.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

const MAX_BODY: usize = 1 << 20;
const MAX_LIST: usize = 8 << 20;
const MAX_REFUSAL: usize = 64 << 10;
const MAX_REDIRECTS: usize = 3;
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The address under which all calls lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// An address that is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https address without user, query and fragment")]
pub struct MalformedEndpoint;

impl Endpoint {
    /// Takes an address such as `http://127.0.0.1:8090` or `https://api.eu.onfido.com/v3.6`.
    pub fn parse(address: &str) -> Result<Self, MalformedEndpoint> {
        let url = Url::parse(address).map_err(|_| MalformedEndpoint)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(Self(url)) } else { Err(MalformedEndpoint) }
    }

    fn join(&self, path: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Refused only by addresses without a host, which are no endpoints.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl From<Region> for Endpoint {
    fn from(region: Region) -> Self {
        Self(Url::parse(region.base_url()).expect("three constants, each of them tested"))
    }
}

/// How long things may take. A call's limit covers everything, from connecting to the last byte of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// A GET.
    pub get: Duration,
    /// A POST, PUT or DELETE.
    pub post: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), get: Duration::from_secs(15), post: Duration::from_secs(20) }
    }
}

/// The HTTP client could not be set up, for example for want of root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the http client could not be set up")]
pub struct SetupError(#[source] reqwest::Error);

/// What all clients of a process share. Needs the process's crypto provider to be installed. Proxies named in the environment are not used.
#[derive(Debug, Clone)]
pub struct Transport {
    gets: reqwest::Client,
    posts: reqwest::Client,
    timeouts: Timeouts,
}

impl Transport {
    /// Sets up connections. None is made yet.
    pub fn new(timeouts: Timeouts) -> Result<Self, SetupError> {
        let common = || {
            reqwest::Client::builder()
                .user_agent(concat!("onfido-operator/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(timeouts.connect)
                .retry(reqwest::retry::never())
                .http1_only()
                .no_proxy()
                .referer(false)
        };
        let same_origin = redirect::Policy::custom(|attempt| {
            let home = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() <= MAX_REDIRECTS && home == Some(attempt.url().origin()) {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        // Below reqwest, hyper sends a request again when a reused connection turns out to be dead, and cannot be told not to. So POSTs
        // and PUTs never reuse one: each is sent exactly once.
        let posts = common().redirect(redirect::Policy::none()).pool_max_idle_per_host(0);
        let gets = common().redirect(same_origin).pool_max_idle_per_host(8);
        Ok(Self { gets: gets.build().map_err(SetupError)?, posts: posts.build().map_err(SetupError)?, timeouts })
    }
}

/// The vendor, through one credential.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    endpoint: Endpoint,
    authorization: HeaderValue,
    limiter: Arc<Limiter>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSearch {
    /// The runs that carry the tag, and the applicant if one was asked for, each once.
    pub runs: Vec<WorkflowRun>,
    /// Whether the list was read to its end. If not, that a run is absent means nothing.
    pub complete: bool,
}

impl Client {
    /// A client of one credential. All that use the same credential share its limiter.
    pub fn new(transport: Transport, endpoint: Endpoint, token: &ApiToken, limiter: Arc<Limiter>) -> Self {
        let mut authorization =
            HeaderValue::from_str(&format!("Token token={}", token.expose())).expect("a token is printable ASCII by construction");
        authorization.set_sensitive(true);
        Self { transport, endpoint, authorization, limiter }
    }

    /// Permits one call, or tells how long to wait before asking again.
    pub fn try_acquire(&self, class: Class) -> Result<Permit, Duration> {
        self.limiter.try_acquire(class)
    }

    /// Permits so many calls together or none of them, or tells how long to wait before asking again.
    pub fn try_acquire_all(&self, class: Class, calls: NonZeroU32) -> Result<Vec<Permit>, Duration> {
        self.limiter.try_acquire_all(class, calls)
    }

    /// `POST /applicants`. Not repeatable: see [`VendorError::effect`].
    pub async fn create_applicant(&self, _: Permit, applicant: &NewApplicant) -> Result<Applicant, VendorError> {
        self.post(&["applicants"], applicant).await
    }

    /// `PUT /applicants/{id}`, with everything that is known of the applicant. Not repeatable either: it can take effect after a later one.
    pub async fn update_applicant(&self, _: Permit, id: &ApplicantId, applicant: &NewApplicant) -> Result<Applicant, VendorError> {
        self.put(&["applicants", id.as_str()], applicant).await
    }

    /// `DELETE /applicants/{id}`: schedules its erasure, with everything that hangs on it. Repeatable.
    pub async fn delete_applicant(&self, _: Permit, id: &ApplicantId) -> Result<(), VendorError> {
        let request = self.transport.posts.request(Method::DELETE, self.endpoint.join(&["applicants", id.as_str()]));
        let answer = self.answered(request.timeout(self.transport.timeouts.post)).await?;
        // Another success is not the vendor's: what stands between us may answer anything with a page of its own.
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(VendorError::Unreadable) }
    }

    /// `GET /applicants/{id}`
    pub async fn get_applicant(&self, _: Permit, id: &ApplicantId) -> Result<Applicant, VendorError> {
        self.get(self.endpoint.join(&["applicants", id.as_str()]), MAX_BODY).await
    }

    /// `POST /workflow_runs`. Costs money and is not repeatable: see [`VendorError::effect`].
    pub async fn create_workflow_run(&self, _: Permit, run: &NewWorkflowRun) -> Result<WorkflowRun, VendorError> {
        self.post(&["workflow_runs"], run).await
    }

    /// `POST /sdk_token`. Repeatable: it costs nothing, each gives another token, and none ends the others.
    pub async fn create_sdk_token(&self, _: Permit, token: &NewSdkToken) -> Result<SdkToken, VendorError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            token: String,
        }
        let Answer { token } = self.post(&["sdk_token"], token).await?;
        if token.is_empty() { Err(VendorError::Unreadable) } else { Ok(SdkToken::new(token)) }
    }

    /// `GET /workflow_runs/{id}`
    pub async fn get_workflow_run(&self, _: Permit, id: &WorkflowRunId) -> Result<WorkflowRun, VendorError> {
        self.get(self.endpoint.join(&["workflow_runs", id.as_str()]), MAX_BODY).await
    }

    /// `GET /workflow_runs`: one page, from 1, as the vendor gives it. One run that cannot be read spoils the page: a run that is
    /// overlooked would be started again.
    pub async fn list_workflow_runs(
        &self,
        _: Permit,
        applicant: Option<&ApplicantId>,
        tag: &str,
        page: u32,
    ) -> Result<Vec<WorkflowRun>, VendorError> {
        let mut url = self.endpoint.join(&["workflow_runs"]);
        {
            let mut query = url.query_pairs_mut(); // not Send: gone before the call
            if let Some(applicant) = applicant {
                query.append_pair("applicant_id", applicant.as_str());
            }
            query.append_pair("tags", tag).append_pair("page", &page.to_string());
        }
        self.get(url, MAX_LIST).await
    }

    /// Reads pages until one brings nothing new, [`MAX_PAGES`] at most, and trusts no filter of the vendor's. The first page has its
    /// permit; for those of the others it waits, [`MAX_SEARCH_WAIT`] in all, or a search of two pages could never end at a low rate.
    pub async fn find_workflow_runs(
        &self,
        first: Permit,
        class: Class,
        applicant: Option<&ApplicantId>,
        tag: &str,
    ) -> Result<RunSearch, VendorError> {
        let mut seen = std::collections::HashSet::new();
        let mut runs = Vec::new();
        let mut patience = MAX_SEARCH_WAIT;
        let mut first = Some(first);
        for page in 1..=MAX_PAGES {
            let permit = match first.take() {
                Some(first) => first,
                None => self.acquire_within(class, &mut patience).await?,
            };
            let mut page = self.list_workflow_runs(permit, applicant, tag, page).await?;
            page.retain(|run| seen.insert(run.id.clone()));
            if page.is_empty() {
                return Ok(RunSearch { runs, complete: true });
            }
            let ours =
                |run: &WorkflowRun| run.tags.iter().any(|t| t == tag) && applicant.is_none_or(|applicant| *applicant == run.applicant_id);
            runs.extend(page.into_iter().filter(ours));
        }
        Ok(RunSearch { runs, complete: false })
    }

    /// Whether the credential is accepted: asks for a run that cannot exist, which touches no personal data.
    pub async fn probe(&self, _: Permit) -> Result<(), VendorError> {
        let answer = self.get::<serde::de::IgnoredAny>(self.endpoint.join(&["workflow_runs", NIL]), MAX_BODY).await;
        match answer {
            Ok(_) | Err(VendorError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn acquire_within(&self, class: Class, patience: &mut Duration) -> Result<Permit, VendorError> {
        loop {
            let wait = match self.try_acquire(class) {
                Ok(permit) => return Ok(permit),
                Err(wait) => wait,
            };
            *patience = patience.checked_sub(wait).ok_or(VendorError::Throttled { wait })?;
            tokio::time::sleep(wait).await;
        }
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, limit: usize) -> Result<T, VendorError> {
        let request = self.transport.gets.request(Method::GET, url).timeout(self.transport.timeouts.get);
        self.send(request, limit).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, VendorError> {
        self.write(Method::POST, path, body).await
    }

    async fn put<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, VendorError> {
        self.write(Method::PUT, path, body).await
    }

    async fn write<T: DeserializeOwned>(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<T, VendorError> {
        // Nothing we send can fail to serialize; if it did, nothing was sent.
        let body = serde_json::to_vec(body).map_err(|_| VendorError::NotSent)?;
        let request = self.transport.posts.request(method, self.endpoint.join(path));
        let request = request.timeout(self.transport.timeouts.post).header(CONTENT_TYPE, "application/json").body(body);
        self.send(request, MAX_BODY).await
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder, limit: usize) -> Result<T, VendorError> {
        let body = read(self.answered(request).await?, limit).await?;
        serde_json::from_slice(&body).map_err(|_| VendorError::Unreadable)
    }

    /// The answer to a call that succeeded, before its body is read.
    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<Response, VendorError> {
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let response = request.send().await.map_err(|error| VendorError::transport(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let wait = wait.and_then(|header| retry_after(header, Timestamp::now()));
        if status == 429 {
            // A date just past, or a zero, would let everyone back at once.
            self.limiter.pause(wait.unwrap_or(DEFAULT_PAUSE).max(Duration::from_secs(1)));
        }
        // The status says it all; a body that does not arrive takes nothing from it.
        let body = read(response, MAX_REFUSAL).await.unwrap_or_default();
        Err(VendorError::refusal(status, &body, wait))
    }
}

async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, VendorError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| VendorError::transport(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(VendorError::Unreadable);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_overrides_are_endpoints() {
        for region in [Region::EU, Region::US, Region::CA] {
            let url = Endpoint::from(region).join(&["workflow_runs", "r"]);
            assert_eq!(url.as_str(), format!("{}/workflow_runs/r", region.base_url()));
            assert_eq!(Endpoint::parse(region.base_url()), Ok(Endpoint::from(region)));
        }
        for (base, url) in [("http://127.0.0.1:8090", "http://127.0.0.1:8090/x"), ("http://h/v3.6/", "http://h/v3.6/x")] {
            assert_eq!(Endpoint::parse(base).unwrap().join(&["x"]).as_str(), url);
        }
        for bad in ["", "h", "ftp://h", "http://u@h", "http://u:p@h", "http://h?q", "http://h#f", "data:x", "file:///etc"] {
            assert_eq!(Endpoint::parse(bad), Err(MalformedEndpoint), "{bad}");
        }
    }
}
