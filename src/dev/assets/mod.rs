//! Where the programs of a control plane come from: `KUBEBUILDER_ASSETS`, the cache, a prebuilt
//! archive, a build from the pinned Go module; in this order. Does not run them.

mod build;
mod prebuilt;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{DevError, data, say};

const IN_PROGRESS: &str = ".in-progress-";

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    KubeApiserver,
    Etcd,
    Kubectl,
    KubeControllerManager,
    Helm,
    Kubeconform,
}

impl Program {
    /// Its file name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::Etcd => "etcd",
            Self::Kubectl => "kubectl",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Helm => "helm",
            Self::Kubeconform => "kubeconform",
        }
    }
}

/// Programs and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets(BTreeMap<Program, PathBuf>);

impl Assets {
    /// Where this program is; an error if it was not among those looked for.
    pub fn path(&self, program: Program) -> Result<&Path, DevError> {
        let path = self.0.get(&program).map(PathBuf::as_path);
        path.ok_or_else(|| DevError::NoGo { wanted: program.name().to_owned(), why: "it was not asked for".to_owned() })
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn missing(&self, wanted: &[Program]) -> Vec<Program> {
        wanted.iter().copied().filter(|program| !self.0.contains_key(program)).collect()
    }

    /// Take from this folder what is wanted and not there yet.
    fn look_in(&mut self, folder: &Path, wanted: &[Program]) {
        for program in self.missing(wanted) {
            let path = folder.join(program.name());
            if is_executable(&path) {
                self.0.insert(program, path);
            }
        }
    }
}

/// Find these programs, getting them if need be; `tools` is the folder with the pinned `go.mod`.
/// The first time this can take minutes, and says so.
pub async fn find(tools: &Path, wanted: &[Program]) -> Result<Assets, DevError> {
    let mut assets = Assets::default();
    if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        given(&mut assets, Path::new(&folder), wanted)?;
    }
    let Some(cache) = Cache::find()? else {
        return match assets.missing(wanted) {
            missing if missing.is_empty() => Ok(assets),
            missing => Err(no_go(&missing, "there is no HOME to keep a cache in")),
        };
    };
    cache.look(&mut assets, wanted);
    if assets.missing(wanted).is_empty() {
        return Ok(assets);
    }

    let _one_at_a_time = cache.lock().await?;
    // Whoever had the lock may have got what we want.
    cache.look(&mut assets, wanted);
    let missing = assets.missing(wanted);
    if missing.iter().any(|program| prebuilt::HAS.contains(program)) {
        match prebuilt::get(&cache).await {
            Ok(()) => cache.look(&mut assets, wanted),
            Err(error) => say(&format!("{error}; building from source instead")),
        }
    }
    let missing = assets.missing(wanted);
    if !missing.is_empty() {
        build::get(&cache, tools, &missing).await?;
        cache.look(&mut assets, wanted);
    }
    match assets.missing(wanted) {
        missing if missing.is_empty() => Ok(assets),
        missing => Err(no_go(&missing, "the build did not yield it")),
    }
}

/// The convention of every operator developer: a folder with at least these two.
fn given(assets: &mut Assets, folder: &Path, wanted: &[Program]) -> Result<(), DevError> {
    assets.look_in(folder, wanted);
    let base = [Program::KubeApiserver, Program::Etcd];
    let missing: Vec<_> = assets.missing(wanted).into_iter().filter(|program| base.contains(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DevError::KubebuilderAssets { folder: folder.to_owned(), missing: names(&missing) })
}

/// What was got before, by version and machine.
struct Cache(PathBuf);

impl Cache {
    fn find() -> Result<Option<Self>, DevError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let Some(base) = base.or_else(|| Some(set("HOME")?.join(".cache"))) else {
            return Ok(None);
        };
        let root = base.join("onfido-operator").join("control-plane");
        std::fs::create_dir_all(&root).map_err(DevError::io("create", &root))?;
        Ok(Some(Self(root)))
    }

    fn root(&self) -> &Path {
        &self.0
    }

    fn folder(&self, version: &str) -> PathBuf {
        let (os, arch) = machine();
        self.0.join(format!("{version}-{os}-{arch}"))
    }

    /// A program may come from any of our versions: they differ in the patch only.
    fn look(&self, assets: &mut Assets, wanted: &[Program]) {
        for version in [build::VERSION, prebuilt::VERSION] {
            assets.look_in(&self.folder(version), wanted);
        }
    }

    /// Two processes that want the same do the work once.
    async fn lock(&self) -> Result<std::fs::File, DevError> {
        let path = self.0.join(".lock");
        let waiting = || say("waiting for another process that is getting one");
        let lock = move || data::lock_or(&path, waiting);
        tokio::task::spawn_blocking(lock).await.map_err(|_| DevError::Task("locking the cache"))?
    }

    /// An empty folder for work in progress; call under the lock.
    fn scratch(&self) -> Result<Scratch, DevError> {
        // We have the lock, so these are what killed processes left.
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(IN_PROGRESS) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        // Never the same name twice: a compiler that outlived its parent may still write to the old.
        let path = self.0.join(format!("{IN_PROGRESS}{:08x}", rand::random::<u32>()));
        std::fs::create_dir(&path).map_err(DevError::io("create", &path))?;
        Ok(Scratch(path))
    }

    /// Move complete programs to their place, each in one step.
    fn adopt(&self, version: &str, scratch: &Scratch, programs: &[Program]) -> Result<(), DevError> {
        let folder = self.folder(version);
        std::fs::create_dir_all(&folder).map_err(DevError::io("create", &folder))?;
        for program in programs {
            let to = folder.join(program.name());
            std::fs::rename(scratch.0.join(program.name()), &to).map_err(DevError::io("create", &to))?;
        }
        Ok(())
    }
}

/// Removed on drop, whatever happened.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// This machine, in Go's words.
fn machine() -> (&'static str, &'static str) {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    (os, arch)
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|is| is.is_file() && is.permissions().mode() & 0o111 != 0)
}

fn names(programs: &[Program]) -> String {
    let names: Vec<_> = programs.iter().map(|program| program.name()).collect();
    names.join(", ")
}

fn no_go(wanted: &[Program], why: &str) -> DevError {
    DevError::NoGo { wanted: names(wanted), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_has_the_two_that_count_or_is_refused_by_name() {
        let folder = std::env::temp_dir().join(format!("onfido-given-{:x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let put = |name: &str| {
            use std::os::unix::fs::OpenOptionsExt;
            std::fs::File::options().create_new(true).write(true).mode(0o755).open(folder.join(name)).unwrap()
        };
        let wanted = [Program::KubeApiserver, Program::Etcd, Program::Helm];
        let look = || {
            let mut assets = Assets::default();
            given(&mut assets, &folder, &wanted).map(|()| assets)
        };
        put("etcd");
        std::fs::write(folder.join("kube-apiserver"), "not executable").unwrap();
        let refused = look().unwrap_err().to_string();
        assert!(refused.contains("no kube-apiserver:"), "{refused}");

        std::fs::remove_file(folder.join("kube-apiserver")).unwrap();
        put("kube-apiserver");
        let assets = look().unwrap();
        assert_eq!(assets.path(Program::Etcd).unwrap(), folder.join("etcd"));
        assert_eq!(assets.missing(&wanted), [Program::Helm], "that is for the cache to give");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
