//! What several tests need.

pub mod acts;
pub mod control_plane;
pub mod erasure;
#[cfg(target_os = "linux")]
pub mod image;
pub mod operator;
