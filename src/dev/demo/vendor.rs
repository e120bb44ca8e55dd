//! Which vendor the demo speaks to: the simulator, or the real one if the environment names an account. No calls.

use std::env;

/// An account at a vendor. No Debug: it holds tokens.
pub(super) struct Account {
    pub(super) token: String,
    pub(super) workflow: String,
    /// As in the custom resource.
    pub(super) region: String,
    pub(super) webhook_token: Option<String>,
}

/// Who answers.
pub(super) enum Vendor {
    Simulator,
    Real(Account),
}

const NAMES: [&str; 3] = ["ONFIDO_API_TOKEN", "ONFIDO_WORKFLOW_ID", "ONFIDO_REGION"];

impl Vendor {
    /// The real one only if all three are set: nothing leaves this machine by half an accident. Also what to say about that.
    pub(super) fn from_environment() -> Result<(Self, Option<String>), String> {
        Self::from(NAMES.map(|name| env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())))
    }

    fn from(values: [Option<String>; 3]) -> Result<(Self, Option<String>), String> {
        let missing: Vec<_> = NAMES.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if let [Some(token), Some(workflow), Some(region)] = values {
            let region = region.to_ascii_uppercase();
            if !["EU", "US", "CA"].contains(&region.as_str()) {
                return Err("ONFIDO_REGION must be EU, US or CA".into());
            }
            return Ok((Self::Real(Account { token, workflow, region, webhook_token: None }), None));
        }
        let note = (missing.len() < NAMES.len())
            .then(|| format!("Without {} this is the simulator; nothing is sent to Onfido.", missing.join(" and ")));
        Ok((Self::Simulator, note))
    }
}

impl Account {
    /// Whether runs of this account cost money and concern real people.
    pub(super) fn is_live(&self) -> bool {
        !self.token.starts_with("api_sandbox")
    }
}

/// The vendor's API, from its region or from where a flag says it is.
pub(super) fn base(region: &str, elsewhere: Option<&str>) -> String {
    match elsewhere {
        Some(url) => format!("{}/v3.6", url.trim_end_matches('/')),
        None => format!("https://api.{}.onfido.com/v3.6", region.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_vendor_needs_all_three_and_a_region() {
        let set = |text: &str| Some(text.to_owned());
        assert!(matches!(Vendor::from([None, None, None]), Ok((Vendor::Simulator, None))));
        let (vendor, note) = Vendor::from([set("t"), None, set("eu")]).ok().unwrap();
        assert!(matches!(vendor, Vendor::Simulator) && note.unwrap().contains("Without ONFIDO_WORKFLOW_ID this"));
        assert!(matches!(Vendor::from([set("t"), set("w"), set("eu")]), Ok((Vendor::Real(account), None)) if account.region == "EU"));
        assert!(Vendor::from([set("t"), set("w"), set("mars")]).is_err());
    }
}
