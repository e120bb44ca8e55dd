//! The chart with the real helm, API server and controllers.

#[cfg(target_os = "linux")]
mod install;
#[cfg(target_os = "linux")]
mod kubelet;
#[cfg(target_os = "linux")]
mod release;
#[cfg(target_os = "linux")]
mod rights;
