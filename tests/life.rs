//! The whole life of a verification, beyond the happy one: one module for each story.

mod cancel;
mod expiry;
mod nudge;
mod purge;
mod reasons;
