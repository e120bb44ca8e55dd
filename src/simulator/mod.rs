//! tmp
pub mod admin;
pub mod faults;
pub mod vendor;
