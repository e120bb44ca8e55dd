//! The whole life of a verification against a real API server and the simulator: one module for each story, with what can go wrong in it.

mod attempts;
mod cancel;
mod capture;
mod deletion;
mod expiry;
mod feed;
mod inputs;
mod link;
mod nudge;
mod purge;
mod reasons;
mod restore;
mod retention;
mod watch_secrets;
