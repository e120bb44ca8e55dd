//! Child processes that die with us: the shim they start through, the thread that starts them, and
//! how they are stopped. Knows nothing of what they are.
//!
//! `PR_SET_PDEATHSIG` has to be set by the child itself, between fork and exec. Rust can do that only
//! with unsafe code, so the child starts as our own binary (`onfido-operator dev-exec -- PROGRAM…`),
//! sets it, and becomes the program. Elsewhere than on Linux the shim only becomes the program, and
//! children outlive a SIGKILL of their parent.
//!
//! The signal is tied to the *thread* that forked, not to the process: were a child started from a
//! test's thread, it would die when that test ends. Hence the one thread below, which never ends.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::DevError;
use super::cell::Cell;
use super::error::tail;

/// The hidden subcommand's name.
pub const SHIM: &str = "dev-exec";

/// The hidden subcommand: `[--parent PID] [--cell UID FOLDER] -- PROGRAM ARGS…`. Returns only if it failed.
pub fn exec(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let problem = match parse(args.into_iter()) {
        Ok(asked) => become_program(asked),
        Err(problem) => problem,
    };
    eprintln!("onfido-operator {SHIM}: {problem}");
    ExitCode::from(127)
}

struct Asked {
    parent: Option<Pid>,
    cell: Option<Cell>,
    program: OsString,
    args: Vec<OsString>,
}

fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    const USAGE: &str = "usage: [--parent PID] [--cell UID FOLDER] -- PROGRAM ARGS…";
    let (mut parent, mut cell) = (None, None);
    loop {
        match args.next() {
            Some(arg) if arg == "--" => break,
            Some(arg) if arg == "--parent" => {
                let pid = args.next().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
                parent = Some(pid.ok_or(USAGE)?);
            }
            Some(arg) if arg == Cell::FLAG => cell = Some(Cell::parse(&mut args).ok_or(USAGE)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let program = args.next().ok_or(USAGE)?;
    Ok(Asked { parent, cell, program, args: args.collect() })
}

fn become_program(Asked { parent, cell, program, args }: Asked) -> String {
    // First, for the kernel unties a process that changes its credentials.
    if let Some(problem) = cell.and_then(|cell| cell.enter().err()) {
        return problem;
    }
    #[cfg(target_os = "linux")]
    {
        // Who does not say whose child it is, is the child of whoever is there now.
        let parent = parent.or_else(rustix::process::getppid);
        if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
            return format!("cannot tie this process to its parent: {error}");
        }
        // It may have died before the line above; then no signal will ever come.
        if rustix::process::getppid() != parent {
            return "the parent is gone".to_owned();
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    let error = Command::new(&program).args(args).exec();
    format!("cannot run {}: {error}", program.display())
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Start {
    /// For messages.
    pub name: String,
    /// The binary that offers [`exec`] as its subcommand [`SHIM`].
    pub shim: PathBuf,
    /// What the child becomes.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Added to our own environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where its output is appended.
    pub log: PathBuf,
    /// How long it has between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// A running program; stopped on drop.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    grace: Duration,
    inner: std::process::Child,
}

impl Child {
    /// Start it, tied to the life of this process. It has its own process group, so that Ctrl-C
    /// reaches us alone and we stop things in the right order.
    pub fn start(start: &Start) -> Result<Self, DevError> {
        Self::launch(start, None)
    }

    /// The same, confined as a container's process would be: its own root folder (where the program's path begins), its own user, and
    /// nothing of our environment.
    pub fn start_in(cell: &Cell, start: &Start) -> Result<Self, DevError> {
        Self::launch(start, Some(cell))
    }

    fn launch(start: &Start, cell: Option<&Cell>) -> Result<Self, DevError> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&start.log);
        let log = log.map_err(DevError::io("open", &start.log))?;
        let again = log.try_clone().map_err(DevError::io("open", &start.log))?;
        let mut command = cell.map_or_else(|| Command::new(&start.shim), |cell| cell.command(&start.shim));
        if cell.is_some() {
            command.env_clear();
        }
        command
            .args([SHIM, "--parent", &std::process::id().to_string()])
            .args(cell.iter().flat_map(|cell| cell.args()))
            .arg("--")
            .arg(&start.program)
            .args(&start.args)
            .envs(start.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .process_group(0);
        let inner = on_the_long_lived_thread(command).map_err(DevError::io("start", &start.shim))?;
        Ok(Self { name: start.name.clone(), log: start.log.clone(), grace: start.grace, inner })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// An error if it is no longer there.
    pub fn check(&mut self) -> Result<(), DevError> {
        match self.exited()? {
            None => Ok(()),
            Some(status) => {
                Err(DevError::Exited { name: self.name.clone(), status: status.to_string(), log: self.log.clone(), tail: tail(&self.log) })
            }
        }
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, DevError> {
        self.inner.try_wait().map_err(DevError::io("wait for", Path::new(&self.name)))
    }

    /// SIGTERM, then after the grace SIGKILL; returns when it is gone. Blocks.
    pub fn stop(&mut self) {
        self.terminate();
        let deadline = Instant::now() + self.grace;
        while Instant::now() < deadline {
            if !matches!(self.inner.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    /// SIGKILL; returns when it is gone. Blocks.
    pub fn kill(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }

    /// SIGTERM, for who waits in another way.
    pub fn terminate(&mut self) {
        // Reaped already: its number may be somebody else's by now.
        if matches!(self.inner.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(Pid::from_child(&self.inner), Signal::TERM);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

type Spawned = std::io::Result<std::process::Child>;
type Job = (Command, mpsc::SyncSender<Spawned>);

fn on_the_long_lived_thread(command: Command) -> Spawned {
    static JOBS: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        // If this fails the receiver is gone, and every send below says so.
        let _ = std::thread::Builder::new().name("dev-children".to_owned()).spawn(move || {
            for (mut command, answer) in receiver {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let gone = || std::io::Error::other("the thread that starts children is gone");
    let (answer, spawned) = mpsc::sync_channel(1);
    jobs.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|_| gone())?;
    spawned.recv().map_err(|_| gone())?
}
