//! What each effect does in this world, as `controller/perform.rs`.

use onfido_operator::{
    api::{CaptureMode, SecretUse},
    onfido::{
        error::VendorError,
        model::{Applicant, WorkflowRun},
        secret::{Personal, SdkToken},
    },
    plan::{Attributes, Effect, Failure, FreshToken, Given, Holds, Looked, Receipt},
};

use super::{
    operator::Pass,
    oracle::Violation,
    world::{BORN, CaptureSecret, LAST_NAME, NAMES, World, t},
};

impl World {
    /// Does it; none if the API server refuses.
    pub fn perform(&mut self, pass: &mut Pass, effect: &Effect) -> Result<Option<Result<Receipt, Failure>>, Violation> {
        Ok(match effect {
            Effect::HoldDeletion => self.hold_deletion(pass).map(Ok),
            Effect::ReleaseDeletion { lost } => self.release_deletion(pass, lost)?.map(Ok),
            Effect::DeleteObject => self.delete_object(pass)?.map(Ok),
            Effect::OweErasure { applicants, orphan, .. } => Some(self.owe(applicants, orphan.is_some())),
            effect => Some(self.call(pass, effect)),
        })
    }

    fn call(&mut self, pass: &mut Pass, effect: &Effect) -> Result<Receipt, Failure> {
        let now = self.now;
        match effect {
            Effect::ReadAttributes { .. } => {
                pass.read.name = Some(self.person);
                return Ok(Receipt::Attributes(self.attributes()));
            }
            Effect::ReadCustomData => return Ok(Receipt::CustomData(Default::default())),
            Effect::RemoveCaptureSecret => {
                self.other_writes += usize::from(self.secret.take().is_some());
                pass.read.removed = true;
                return Ok(Receipt::CaptureSecretRemoved);
            }
            Effect::EmptyCaptureSecret => {
                if let Some(secret) = self.secret.as_mut().filter(|secret| secret.opens) {
                    secret.opens = false;
                    self.other_writes += 1;
                }
                return Ok(Receipt::CaptureSecretEmptied);
            }
            Effect::WriteCaptureSecret { run, holds, restore: _, keep } => {
                return Ok(self.write_secret(run.as_str(), holds, *keep));
            }
            _ => {}
        }
        if self.provider.is_none() {
            return Err(Failure::ProviderNotFound { namespace: "shop".into(), name: "onfido".into() });
        }
        let is_late = self.now - pass.began.0 >= 30 || (self.now + self.skew - pass.began.1) >= 30;
        let network = &mut self.network;
        let outcome = match effect {
            effect if effect.is_unrepeatable() && is_late => Err(Failure::TooLate),
            Effect::CreateApplicant { applicant, .. } => {
                let answer = network.write::<Applicant>(now, "POST", "/applicants".into(), applicant);
                answer.map(Receipt::ApplicantCreated).map_err(Failure::of_call)
            }
            Effect::UpdateApplicant { id, applicant, .. } => {
                let answer = network.write::<Applicant>(now, "PUT", format!("/applicants/{}", id.as_str()), applicant);
                match answer {
                    Ok(_) => Ok(Receipt::ApplicantUpdated(true)),
                    Err(VendorError::NotFound | VendorError::Gone | VendorError::Invalid { .. }) => Ok(Receipt::ApplicantUpdated(false)),
                    Err(error) => Err(Failure::of_call(error)),
                }
            }
            Effect::StartRun { run, .. } => {
                let answer = network.write::<WorkflowRun>(now, "POST", "/workflow_runs".into(), run);
                answer.map(|run| Receipt::RunStarted(Box::new(run))).map_err(Failure::of_call)
            }
            Effect::CreateSdkToken { token } => {
                let asked_at = t(now + self.skew);
                match network.sdk_token(now, token) {
                    Ok(token) => Ok(Receipt::SdkTokenCreated(FreshToken { token: SdkToken::new(token), asked_at })),
                    Err(VendorError::NotFound | VendorError::Gone) => Err(Failure::AccountChanged),
                    Err(error) => Err(Failure::of_answer(error)),
                }
            }
            Effect::ReadRun { run, applicant } => match network.run(now, run) {
                Ok(run) => {
                    pass.read.heard = self.heard(&run);
                    Ok(Receipt::RunRead(Box::new(run)))
                }
                Err(VendorError::Gone) => Err(Failure::RunPurged),
                Err(VendorError::NotFound) => match applicant.as_ref().map(|id| network.applicant(now, id)) {
                    None => Err(Failure::UnexpectedAnswer { what: "it does not know the run" }),
                    Some(Ok(()) | Err(VendorError::Gone)) => Err(Failure::RunPurged),
                    Some(Err(VendorError::NotFound)) => Err(Failure::AccountChanged),
                    Some(Err(error)) => Err(Failure::of_answer(error)),
                },
                Err(error) => Err(Failure::of_answer(error)),
            },
            Effect::LookForRun { applicant, tag, of_any } => {
                let known = match applicant.as_ref().map(|id| network.applicant(now, id)) {
                    None | Some(Ok(())) => Ok(true),
                    Some(Err(VendorError::NotFound | VendorError::Gone)) => Ok(false),
                    Some(Err(error)) => Err(Failure::of_answer(error)),
                };
                known.and_then(|known| {
                    if !known {
                        return Ok(Receipt::Looked(Looked { applicant_known: false, runs: vec![] }));
                    }
                    let runs = network.find(now, applicant.as_ref().filter(|_| !of_any), tag).map_err(Failure::of_answer)?;
                    pass.read.looked = Some(runs.iter().map(|run| run.id.as_str().to_owned()).collect());
                    let ended = |run: &WorkflowRun| network.truths.get(run.id.as_str()).is_some_and(|truth| truth.word.is_last());
                    pass.read.ended.insert(tag.clone(), runs.iter().all(ended));
                    Ok(Receipt::Looked(Looked { applicant_known: true, runs }))
                })
            }
            Effect::EraseApplicant { id, .. } => match network.erase(now, id) {
                Ok(()) | Err(VendorError::NotFound | VendorError::Gone) => Ok(Receipt::ApplicantErased(id.clone())),
                Err(error) => Err(Failure::of_answer(error)),
            },
            // These call nobody, and are done above.
            Effect::ReadAttributes { .. } | Effect::ReadCustomData => Err(Failure::TooLate),
            Effect::WriteCaptureSecret { .. } | Effect::EmptyCaptureSecret | Effect::RemoveCaptureSecret => Err(Failure::TooLate),
            Effect::HoldDeletion | Effect::ReleaseDeletion { .. } => Err(Failure::TooLate),
            Effect::DeleteObject | Effect::OweErasure { .. } => Err(Failure::TooLate),
        };
        self.token_doubted |= matches!(outcome, Err(Failure::Unauthorized));
        self.trace(|| format!("    {}", outcome.as_ref().map_or_else(|failure| format!("{failure:?}"), |_| "answered".into())));
        outcome
    }

    /// As `controller/attributes.rs`; the digest is a stand-in that tells nothing.
    fn attributes(&self) -> Attributes {
        let given = |name: &str, value: &str, digest: String| Given { name: name.into(), value: Personal::new(value), digest };
        match self.person {
            Some(name) => Attributes {
                key_id: "key".into(),
                given: vec![
                    given("birthdate", BORN, "d-born".into()),
                    given("family_name", LAST_NAME, "d-last".into()),
                    given("given_name", NAMES[name], format!("d-{name}")),
                ],
                unreadable: vec![],
            },
            None => {
                let missing =
                    Failure::SecretNotFound { namespace: "shop".into(), name: "person".into(), key: None, for_use: SecretUse::Attributes };
                Attributes { key_id: "key".into(), given: vec![], unreadable: vec![missing] }
            }
        }
    }

    /// As `controller/capture.rs`.
    fn write_secret(&mut self, run: &str, holds: &Holds, keep: bool) -> Receipt {
        let name = String::from("user-1-capture");
        if keep && self.secret.as_ref().is_some_and(|secret| secret.run == run && secret.opens && secret.mode == CaptureMode::SDK) {
            return Receipt::CaptureSecretKept(name);
        }
        let (mode, value) = match holds {
            Holds::SdkToken(token) => (CaptureMode::SDK, token.expose()),
            Holds::Link(url) => (CaptureMode::Link, url.expose()),
        };
        let wanted = CaptureSecret { run: run.to_owned(), opens: true, mode, value: value.to_owned() };
        if self.secret.as_ref() != Some(&wanted) {
            self.secret = Some(wanted);
            self.other_writes += 1;
        }
        Receipt::CaptureSecretWritten(name)
    }
}
