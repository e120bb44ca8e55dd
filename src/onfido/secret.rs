//! Strings that must never be printed: tokens and personal data. Owns their checks, not where they come from.

use std::fmt;

use zeroize::Zeroizing;

/// The shortest webhook token that is accepted, in bytes.
pub const MIN_WEBHOOK_TOKEN: usize = 16;
/// The longest token of either kind that is accepted, in bytes.
pub const MAX_TOKEN: usize = 4096;
/// The longest link that is accepted, in bytes.
pub const MAX_LINK: usize = 4096;

/// Why bytes are not a token. Says nothing about the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing but, at most, one line end.
    #[error("the token is empty")]
    Empty,
    /// Whitespace, control characters or anything beyond ASCII.
    #[error("the token holds whitespace or unprintable characters")]
    Unprintable,
    /// A webhook token below [`MIN_WEBHOOK_TOKEN`].
    #[error("the token is shorter than {MIN_WEBHOOK_TOKEN} bytes")]
    TooShort,
    /// Above [`MAX_TOKEN`].
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
redacted!(ApiToken, WebhookToken, Personal, SdkToken, LinkUrl);

/// The credential of every call. The prefix tells live from sandbox.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(Zeroizing<String>);

/// The key with which the vendor signs its deliveries.
#[derive(Clone)]
pub struct WebhookToken(Zeroizing<String>);

/// One value of personal data on its way to the vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal(Zeroizing<String>);

/// The bearer secret with which an app's SDK captures for one run.
#[derive(Clone, PartialEq, Eq)]
pub struct SdkToken(Zeroizing<String>);

/// The address of the vendor's page for one run: whoever has it is taken for the person.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkUrl(Zeroizing<String>);

/// Which half of the vendor's account a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Real people, paid runs.
    Live,
    /// The vendor's own test environment.
    Sandbox,
    /// The prefix is not one we know.
    Unknown,
}

impl ApiToken {
    /// Takes the bytes of a Secret's key; one trailing line end is trimmed.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        printable(bytes).map(Self)
    }

    /// The environment as the prefix tells it: `api_live.`, `api_sandbox.` and regional forms such as `api_live_us.`.
    pub fn environment(&self) -> Environment {
        if has_prefix(&self.0, "api_live") {
            Environment::Live
        } else if has_prefix(&self.0, "api_sandbox") {
            Environment::Sandbox
        } else {
            Environment::Unknown
        }
    }

    /// The token itself, for the `Authorization` header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl WebhookToken {
    /// Takes the bytes of a Secret's key; one trailing line end is trimmed.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let token = printable(bytes)?;
        if token.len() < MIN_WEBHOOK_TOKEN {
            return Err(TokenError::TooShort);
        }
        Ok(Self(token))
    }

    /// The token's own bytes: the HMAC key.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Personal {
    /// Wraps a value; it is not checked here.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself: for checks, keyed digests and the vendor's request body.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SdkToken {
    /// Wraps a token as the vendor gave it.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The token itself: for the capture Secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl LinkUrl {
    /// Takes an address as the vendor gave it: of the web, printable and bounded.
    pub fn parse(value: &str) -> Option<Self> {
        let web = value.starts_with("https://") || value.starts_with("http://");
        (web && value.len() <= MAX_LINK && value.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(Zeroizing::new(value.to_owned())))
    }

    /// The address itself: for the capture Secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn printable(bytes: &[u8]) -> Result<Zeroizing<String>, TokenError> {
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    match bytes {
        [] => Err(TokenError::Empty),
        _ if bytes.len() > MAX_TOKEN => Err(TokenError::TooLong),
        _ if !bytes.iter().all(u8::is_ascii_graphic) => Err(TokenError::Unprintable),
        _ => std::str::from_utf8(bytes).map(|s| Zeroizing::new(s.to_owned())).map_err(|_| TokenError::Unprintable),
    }
}

fn has_prefix(token: &str, kind: &str) -> bool {
    let Some(rest) = token.strip_prefix(kind) else { return false };
    let region = rest.split_once('.').map(|(region, _)| region.as_bytes());
    match region {
        Some([]) => true,
        Some([b'_', a, b]) => a.is_ascii_lowercase() && b.is_ascii_lowercase(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(bytes: &[u8]) -> Result<String, TokenError> {
        ApiToken::from_secret_bytes(bytes).map(|t| t.expose().to_owned())
    }

    #[test]
    fn exactly_one_line_end_is_trimmed() {
        assert_eq!(api(b"api_live.a").as_deref(), Ok("api_live.a"));
        assert_eq!(api(b"api_live.a\n").as_deref(), Ok("api_live.a"));
        assert_eq!(api(b"api_live.a\r\n").as_deref(), Ok("api_live.a"));
        for bad in [&b"api_live.a\n\n"[..], b"api_live.a\r", b" api_live.a", b"api live", b"api\0", "\u{fc}".as_bytes(), b"\xff"] {
            assert_eq!(api(bad), Err(TokenError::Unprintable), "{bad:?}");
        }
        for empty in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(api(empty), Err(TokenError::Empty));
        }
        assert_eq!(api(&[b'a'; MAX_TOKEN + 1]), Err(TokenError::TooLong));
    }

    #[test]
    fn a_webhook_token_has_at_least_sixteen_bytes_of_its_own() {
        assert_eq!(WebhookToken::from_secret_bytes(b"123456789012345\n").err(), Some(TokenError::TooShort));
        assert_eq!(WebhookToken::from_secret_bytes(b"1234567890123456\n").map(|t| t.expose().len()).ok(), Some(16));
    }

    #[test]
    fn the_prefix_tells_the_environment() {
        let environment = |s: &str| ApiToken::from_secret_bytes(s.as_bytes()).map(|t| t.environment());
        for live in ["api_live.x", "api_live_us.x", "api_live_ca.x.y"] {
            assert_eq!(environment(live), Ok(Environment::Live), "{live}");
        }
        assert_eq!(environment("api_sandbox.x"), Ok(Environment::Sandbox));
        assert_eq!(environment("api_sandbox_ca.x"), Ok(Environment::Sandbox));
        for unknown in ["x", "api_live", "api_lively.x", "api_live_usa.x", "api_live_US.x", "live.x"] {
            assert_eq!(environment(unknown), Ok(Environment::Unknown), "{unknown}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let token = ApiToken::from_secret_bytes(b"canary-canary-canary").map(|t| format!("{t:?}"));
        assert_eq!(token.as_deref(), Ok("ApiToken(..)"));
        let token = WebhookToken::from_secret_bytes(b"canary-canary-canary").map(|t| format!("{t:?}"));
        assert_eq!(token.as_deref(), Ok("WebhookToken(..)"));
        assert_eq!(format!("{:?} {:?}", Personal::new("canary"), SdkToken::new("canary")), "Personal(..) SdkToken(..)");
        assert_eq!(format!("{:?}", LinkUrl::parse("https://canary.example.test/")), "Some(LinkUrl(..))");
    }

    #[test]
    fn a_link_is_an_address_of_the_web() {
        let fits = format!("https://{}", "a".repeat(MAX_LINK - 8));
        for good in ["https://example.test/l/1?x=y#z", "http://127.0.0.1:8090/l/1", &fits] {
            assert_eq!(LinkUrl::parse(good).map(|link| link.expose().to_owned()).as_deref(), Some(good));
        }
        for bad in ["", "javascript:alert(1)", "https://a b", "https://a\nb", "/l/1", &format!("{fits}a")] {
            assert!(LinkUrl::parse(bad).is_none(), "{bad}");
        }
    }
}
