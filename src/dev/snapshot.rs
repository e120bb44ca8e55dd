//! A control plane put back to what it was: its etcd's data folder, copied while nothing runs. Clients of before must be made anew, for the
//! versions of everything go back too.

use std::path::{Path, PathBuf};

use super::{ControlPlane, DevError};

const ETCD: &str = "etcd";

/// What etcd held at some time.
#[derive(Debug)]
pub struct Snapshot(PathBuf);

impl ControlPlane {
    /// Remembers everything as it is. Nobody is served meanwhile.
    pub async fn snapshot(&self) -> Result<Snapshot, DevError> {
        self.stop().await?;
        let snapshot = Snapshot(self.folder().join(format!("snapshot-{:08x}", rand::random::<u32>())));
        copy(&self.folder().join(ETCD), &snapshot.0)?;
        self.start_again().await?;
        Ok(snapshot)
    }

    /// Puts everything back: what was written since is gone.
    pub async fn put_back(&self, snapshot: &Snapshot) -> Result<(), DevError> {
        self.stop().await?;
        let data = self.folder().join(ETCD);
        std::fs::remove_dir_all(&data).map_err(DevError::io("remove", &data))?;
        copy(&snapshot.0, &data)?;
        self.start_again().await
    }
}

/// A folder with all that is in it. etcd wants to be alone with its own.
fn copy(from: &Path, to: &Path) -> Result<(), DevError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(to).map_err(DevError::io("create", to))?;
    for entry in std::fs::read_dir(from).map_err(DevError::io("read", from))? {
        let entry = entry.map_err(DevError::io("read", from))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            std::fs::copy(&path, &to).map_err(DevError::io("copy", &path))?;
        }
    }
    Ok(())
}
