//! The whole life of a verification, beyond the one that goes well at once.

mod inputs;
mod restore;
