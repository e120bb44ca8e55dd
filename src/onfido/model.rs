//! The vendor's nouns as types. Owns what is sent and read and how leniently; not how calls are made.

mod applicant;
mod comparison;
mod custom;
mod ended;
mod id;
pub(super) mod lenient;
mod run;
mod together;

pub use applicant::{Applicant, ApplicantField, Consent, ConsentName, FieldFault, NewApplicant};
pub use comparison::{ComparisonField, ComparisonResult, compare};
pub use custom::CustomData;
pub use ended::{EndedRun, EndedRuns};
pub use id::{ApplicantId, MalformedId, Region, Word, WorkflowId, WorkflowRunId};
pub use run::{Link, NewLink, NewSdkToken, NewWorkflowRun, RunStatus, WorkflowRun};
pub use together::Incomplete;
