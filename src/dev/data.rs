//! Where a control plane keeps its files, and which ports are its own. Removes what is left of
//! control planes whose owner died; knows nothing of what the files hold.

use std::fs::{DirBuilder, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{DevError, say};

/// Locked by the owner of a folder. The kernel unlocks it with the owner's death, however it comes,
/// so a reused process id cannot be mistaken for the owner.
const OWNER: &str = ".owner";
/// Marks a folder that a failure left for a person to read.
const KEPT: &str = ".kept";
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Below the ephemeral range of Linux and macOS: no outgoing connection takes one of these while an
/// API server is stopped and to be started again.
const PORTS: std::ops::Range<u16> = 21_000..22_000;

/// A private folder, removed on drop.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    keep: AtomicBool,
    _owner: File,
}

impl DataDir {
    pub(super) fn create() -> Result<Self, DevError> {
        let root = root()?;
        let _one_at_a_time = lock(&root.join(".lock"))?;
        sweep(&root);
        let path = root.join(format!("{}-{:08x}", std::process::id(), rand::random::<u32>()));
        private_dir(&path)?;
        let owner = lock(&path.join(OWNER))?;
        Ok(Self { path, keep: AtomicBool::new(false), _owner: owner })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.keep.load(Ordering::Relaxed) {
            // Logs are worth a look; the database is large and says little.
            let _ = std::fs::remove_dir_all(self.path.join("etcd"));
            if File::create(self.path.join(KEPT)).is_ok() {
                say(&format!("logs are kept for a day in {}", self.path.display()));
            }
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A port nobody else of us will take while this lives.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    _lease: File,
}

impl Port {
    pub(super) fn lease() -> Result<Self, DevError> {
        let folder = root()?.join("ports");
        if !folder.exists() {
            // Two may try at once.
            let _ = DirBuilder::new().mode(0o700).create(&folder);
        }
        let first = rand::random_range(PORTS);
        for number in (first..PORTS.end).chain(PORTS.start..first) {
            let path = folder.join(number.to_string());
            let file = open(&path)?;
            if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lease: file });
            }
        }
        Err(DevError::NoPort(PORTS.start, PORTS.end))
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// The folder of all our control planes. It holds tokens and keys, so it is this user's alone.
fn root() -> Result<PathBuf, DevError> {
    let uid = rustix::process::getuid().as_raw();
    let root = std::env::temp_dir().join(format!("onfido-operator-dev-{uid}"));
    if !root.exists() {
        // Two may try at once; what counts is what is there afterwards.
        let _ = DirBuilder::new().mode(0o700).create(&root);
    }
    let is = std::fs::symlink_metadata(&root).map_err(DevError::io("look at", &root))?;
    if !is.is_dir() || is.uid() != uid || is.mode() & 0o077 != 0 {
        let source = std::io::Error::other("it is not a folder that this user alone can enter");
        return Err(DevError::Io { doing: format!("use {}", root.display()), source });
    }
    Ok(root)
}

/// Called under the root's lock, which also covers the time between making a folder and owning it.
fn sweep(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == "ports" || !path.is_dir() {
            continue;
        }
        let kept = std::fs::metadata(path.join(KEPT)).and_then(|kept| kept.modified());
        if kept.is_ok_and(|since| since.elapsed().is_ok_and(|age| age < KEPT_FOR)) {
            continue;
        }
        let owned = File::open(path.join(OWNER)).is_ok_and(|owner| owner.try_lock().is_err());
        if !owned {
            // Best effort: children of a killed owner may still be writing their last.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

pub(super) fn private_dir(path: &Path) -> Result<(), DevError> {
    DirBuilder::new().mode(0o700).create(path).map_err(DevError::io("create", path))
}

/// Open and lock a file; waits for whoever has it.
pub(super) fn lock(path: &Path) -> Result<File, DevError> {
    lock_or(path, || ())
}

/// The same, saying so if one has to wait.
pub(super) fn lock_or(path: &Path, waiting: impl FnOnce()) -> Result<File, DevError> {
    let file = open(path)?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    waiting();
    file.lock().map_err(DevError::io("lock", path))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, DevError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    file.map_err(DevError::io("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_owners_left_goes_and_what_is_owned_or_kept_stays() {
        let root = std::env::temp_dir().join(format!("onfido-sweep-{:x}", rand::random::<u64>()));
        private_dir(&root).unwrap();
        for name in ["ports", "alive", "dead", "half-made", "kept", "kept-too-long"] {
            private_dir(&root.join(name)).unwrap();
        }
        let alive = lock(&root.join("alive").join(OWNER)).unwrap();
        for name in ["dead", "kept", "kept-too-long"] {
            drop(lock(&root.join(name).join(OWNER)).unwrap());
        }
        File::create(root.join("kept").join(KEPT)).unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * KEPT_FOR;
        let kept = File::create(root.join("kept-too-long").join(KEPT)).unwrap();
        kept.set_modified(long_ago).unwrap();

        sweep(&root);
        let left = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["alive", "kept", "ports"]);

        drop(alive);
        sweep(&root);
        assert!(!root.join("alive").exists());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_port_is_leased_once() {
        let ports: Vec<_> = (0..20).map(|_| Port::lease().unwrap()).collect();
        let numbers: std::collections::BTreeSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        assert!(numbers.iter().all(|number| PORTS.contains(number)));
    }
}
