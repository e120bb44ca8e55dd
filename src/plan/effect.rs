//! One thing to do, and what came of it. `perform` has one arm per effect.

use jiff::Timestamp;

use crate::{
    api::{Environment, Reason},
    onfido::{
        model::{Applicant, ApplicantId, CustomData, NewApplicant, NewSdkToken, NewWorkflowRun, WorkflowRun, WorkflowRunId},
        secret::{LinkUrl, SdkToken},
    },
};

use super::Attributes;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Read these attributes from the spec and its Secrets.
    ReadAttributes {
        /// Their names.
        names: Vec<String>,
    },
    /// Read the custom data in the spec's Secrets.
    ReadCustomData,
    /// Find our run at the vendor, and make sure that it is the account that knows our applicant.
    LookForRun {
        /// The applicant, once recorded.
        applicant: Option<ApplicantId>,
        /// The tag it carries.
        tag: String,
        /// Whether it counts whichever applicant it is of: this one may have replaced another that nothing here speaks of.
        of_any: bool,
    },
    /// Unrepeatable: create the applicant. Its intent is recorded under this nonce.
    CreateApplicant {
        /// Of the recorded operation.
        nonce: String,
        /// The vendor's request.
        applicant: NewApplicant,
    },
    /// Unrepeatable, since it can take effect late: send the applicant's data anew. Its intent is recorded under this nonce.
    UpdateApplicant {
        /// Of the recorded operation.
        nonce: String,
        /// The applicant.
        id: ApplicantId,
        /// The vendor's request: all of it, as for a new one.
        applicant: NewApplicant,
    },
    /// Unrepeatable and paid: start the run. Its intent is recorded under this nonce.
    StartRun {
        /// Of the recorded operation.
        nonce: String,
        /// The vendor's request.
        run: NewWorkflowRun,
    },
    /// Put what the person captures with into the Secret, if it is not there.
    WriteCaptureSecret {
        /// The run it is for.
        run: WorkflowRunId,
        /// The token, or the link.
        holds: Holds,
        /// Whether the Secret should already be there.
        restore: bool,
        /// Whether a token of this run that is there stays: one that was asked for is nowhere else.
        keep: bool,
    },
    /// Ask for another SDK token. Repeatable: it costs nothing and ends no other token.
    CreateSdkToken {
        /// The vendor's request.
        token: NewSdkToken,
    },
    /// Take the token out of the Secret, if the Secret is there and ours.
    EmptyCaptureSecret,
    /// Delete the Secret, if it is there and ours.
    RemoveCaptureSecret,
    /// Delete the object, if nobody wrote it since.
    DeleteObject,
    /// Read the run: the only source of truth.
    ReadRun {
        /// The run.
        run: WorkflowRunId,
        /// Its applicant, which the account must know.
        applicant: Option<ApplicantId>,
    },
    /// Put our finalizer on the object, if nobody wrote it since.
    HoldDeletion,
    /// Take our finalizer off the object.
    ReleaseDeletion {
        /// What the vendor could not be asked to erase, and the ledger does not hold either: nobody will ask any more.
        lost: Vec<ApplicantId>,
    },
    /// Ask the vendor to erase the applicant. Repeatable: one that is gone is erased.
    EraseApplicant {
        /// The applicant.
        id: ApplicantId,
        /// Where it is; an account of another environment does not have it, which says nothing.
        environment: Option<Environment>,
    },
    /// Write into the ledger what is still to be erased. Repeatable: each is there once.
    OweErasure {
        /// The applicants.
        applicants: Vec<ApplicantId>,
        /// One that may exist.
        orphan: Option<Orphan>,
        /// Where they are.
        environment: Option<Environment>,
        /// Why it could not be done.
        why: Reason,
    },
}

impl Effect {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReadAttributes { .. } => "ReadAttributes",
            Self::ReadCustomData => "ReadCustomData",
            Self::LookForRun { .. } => "LookForRun",
            Self::CreateApplicant { .. } => "CreateApplicant",
            Self::UpdateApplicant { .. } => "UpdateApplicant",
            Self::StartRun { .. } => "StartRun",
            Self::WriteCaptureSecret { .. } => "WriteCaptureSecret",
            Self::EmptyCaptureSecret => "EmptyCaptureSecret",
            Self::RemoveCaptureSecret => "RemoveCaptureSecret",
            Self::DeleteObject => "DeleteObject",
            Self::CreateSdkToken { .. } => "CreateSdkToken",
            Self::ReadRun { .. } => "ReadRun",
            Self::HoldDeletion => "HoldDeletion",
            Self::ReleaseDeletion { .. } => "ReleaseDeletion",
            Self::EraseApplicant { .. } => "EraseApplicant",
            Self::OweErasure { .. } => "OweErasure",
        }
    }

    /// Whether it begins something new at the vendor, or a person waits for it; such calls go before polls.
    pub fn is_start(&self) -> bool {
        match self {
            Self::CreateApplicant { .. } | Self::UpdateApplicant { .. } | Self::StartRun { .. } => true,
            Self::LookForRun { .. } | Self::CreateSdkToken { .. } => true,
            Self::ReadRun { .. } | Self::ReadAttributes { .. } | Self::ReadCustomData => false,
            Self::WriteCaptureSecret { .. } | Self::EmptyCaptureSecret => false,
            Self::RemoveCaptureSecret | Self::DeleteObject => false,
            Self::HoldDeletion | Self::ReleaseDeletion { .. } | Self::EraseApplicant { .. } | Self::OweErasure { .. } => false,
        }
    }

    /// Whether it must not be repeated: the intent was recorded just before, and only this pass may act on it.
    pub fn is_unrepeatable(&self) -> bool {
        matches!(self, Self::CreateApplicant { .. } | Self::UpdateApplicant { .. } | Self::StartRun { .. })
    }
}

/// An applicant that may exist at the vendor though nothing refers to it: its creation was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The tag its run would have had.
    pub tag: String,
    /// Created no earlier than this.
    pub from: Timestamp,
    /// And no later than this.
    pub until: Timestamp,
}

/// What the person captures with.
#[derive(Clone, Debug)]
pub enum Holds {
    /// In the application.
    SdkToken(SdkToken),
    /// On the vendor's page.
    Link(LinkUrl),
}

/// What came of an effect.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// Of [`Effect::ReadAttributes`].
    Attributes(Attributes),
    /// Of [`Effect::ReadCustomData`].
    CustomData(CustomData),
    /// Of [`Effect::LookForRun`].
    Looked(Looked),
    /// Of [`Effect::CreateApplicant`].
    ApplicantCreated(Applicant),
    /// Of [`Effect::UpdateApplicant`]: whether the vendor took it. If not, the applicant cannot be used for it.
    ApplicantUpdated(bool),
    /// Of [`Effect::StartRun`].
    RunStarted(Box<WorkflowRun>),
    /// Of [`Effect::WriteCaptureSecret`]: the Secret's name.
    CaptureSecretWritten(String),
    /// The same, where the token that was there stays.
    CaptureSecretKept(String),
    /// Of [`Effect::CreateSdkToken`].
    SdkTokenCreated(FreshToken),
    /// Of [`Effect::EmptyCaptureSecret`].
    CaptureSecretEmptied,
    /// Of [`Effect::RemoveCaptureSecret`].
    CaptureSecretRemoved,
    /// Of [`Effect::DeleteObject`].
    ObjectDeleted,
    /// Of [`Effect::ReadRun`].
    RunRead(Box<WorkflowRun>),
    /// Of [`Effect::HoldDeletion`]: the object's resourceVersion since.
    DeletionHeld(String),
    /// Of [`Effect::ReleaseDeletion`].
    DeletionReleased,
    /// Of [`Effect::EraseApplicant`]: the vendor has scheduled it, or does not have the applicant any more.
    ApplicantErased(ApplicantId),
    /// Of [`Effect::OweErasure`].
    ErasureOwed,
}

/// An SDK token that was asked for.
#[derive(Clone, Debug)]
pub struct FreshToken {
    /// The token.
    pub token: SdkToken,
    /// Just before it was asked for: its time runs from then on, on the safe side.
    pub asked_at: Timestamp,
}

/// What a search for our run found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Whether the account knows the applicant; true where none was asked for.
    pub applicant_known: bool,
    /// Every run that carries our tag (and applicant, where one was asked for), in no order.
    pub runs: Vec<WorkflowRun>,
}
