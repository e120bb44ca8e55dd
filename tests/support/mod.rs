//! What several tests need.

pub mod acts;
pub mod control_plane;
pub mod operator;
