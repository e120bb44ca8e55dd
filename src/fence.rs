//! Tells a JSON patch whose `test` failed from one that is wrong: both are answered 422.

use kube::core::Status;

/// Whether a `test` of a JSON patch failed, so that nothing was written. A schema violation names causes; a failed test does not.
pub fn failed(status: &Status) -> bool {
    let causes = status.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    status.code == 422 && !causes && status.message.contains("the server rejected our request")
}
