//! What several tests need.

pub mod control_plane;
pub mod operator;
