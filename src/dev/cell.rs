//! Where a container's process lives: a root folder of its own, and the credentials of nobody. What a container runtime does between fork
//! and exec, without namespaces: the network and the list of processes are this machine's. Starts nothing itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// A root folder, and whom its process runs as (user and group alike, without further groups).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub root: PathBuf,
    pub user: u32,
}

impl Cell {
    /// As arguments of the shim.
    pub(super) const FLAG: &str = "--cell";

    pub(super) fn args(&self) -> [OsString; 3] {
        [Self::FLAG.into(), self.user.to_string().into(), self.root.clone().into()]
    }

    pub(super) fn parse(args: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let user = args.next()?.to_str()?.parse().ok().filter(|user| *user != 0)?;
        Some(Self { root: args.next()?.into(), user })
    }

    /// The command that starts the shim. Only root may change its root folder and its user; anybody else does it as root of a user
    /// namespace, where the kernel permits that.
    pub(super) fn command(&self, shim: &std::path::Path) -> Command {
        if cfg!(not(target_os = "linux")) || rustix::process::geteuid().is_root() {
            return Command::new(shim);
        }
        let mut command = Command::new("unshare");
        let user = self.user;
        command.args(["--user", "--keep-caps", &format!("--map-user={user}"), &format!("--map-group={user}"), "--"]).arg(shim);
        command
    }

    /// Moves this process there for good. Whatever is tied to its credentials has to be set again afterwards.
    #[cfg(target_os = "linux")]
    pub(super) fn enter(&self) -> Result<(), String> {
        use rustix::{process::getuid, thread};
        let step = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("cannot {what}: {error}")
        };
        std::os::unix::fs::chroot(&self.root).map_err(step("change the root folder, for which one must be root"))?;
        std::env::set_current_dir("/").map_err(step("enter the root folder"))?;
        // The shim has this one thread.
        if getuid().as_raw() != self.user {
            let (user, group) = (rustix::process::Uid::from_raw(self.user), rustix::process::Gid::from_raw(self.user));
            thread::set_thread_groups(&[]).map_err(|e| step("leave the groups")(e.into()))?;
            thread::set_thread_res_gid(group, group, group).map_err(|e| step("change the group")(e.into()))?;
            thread::set_thread_res_uid(user, user, user).map_err(|e| step("change the user")(e.into()))?;
        }
        // In a user namespace its capabilities would be handed on.
        thread::clear_ambient_capability_set().map_err(|e| step("drop capabilities")(e.into()))?;
        thread::set_no_new_privs(true).map_err(|e| step("renounce privileges")(e.into()))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn enter(&self) -> Result<(), String> {
        Err("a process can be confined on Linux only".to_owned())
    }
}
