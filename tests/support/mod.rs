//! What several tests need.

pub mod acts;
pub mod control_plane;
#[cfg(target_os = "linux")]
pub mod image;
pub mod operator;
