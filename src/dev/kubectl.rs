//! The real kubectl against a control plane: what a user would see. No parsing of its output.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{ADMIN, ControlPlane, DevError, Program};

const WITHIN: Duration = Duration::from_secs(120);

impl ControlPlane {
    /// Run kubectl as the admin.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output, DevError> {
        self.kubectl_as(ADMIN, args, None).await
    }

    /// Run kubectl as a user, perhaps with something to read (`-f -`). Kubectl's own failures are in
    /// the output's status; an error is only given if it could not run or did not end.
    pub async fn kubectl_as(&self, user: &str, args: &[&str], stdin: Option<&[u8]>) -> Result<Output, DevError> {
        let program = self.program(Program::Kubectl).await?;
        let io = |source| DevError::Io { doing: format!("run {}", program.display()), source };
        let mut child = Command::new(&program)
            .args(args)
            .env("KUBECONFIG", self.kubeconfig_of(user)?)
            // Discovery is cached below the home folder, by port: not ours to share.
            .env("HOME", self.folder())
            .env("KUBECACHEDIR", self.folder().join("kubectl-cache"))
            .env("KUBERC", "off")
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io)?;
        let pipe = child.stdin.take();
        let feed = async {
            if let (Some(mut pipe), Some(bytes)) = (pipe, stdin) {
                // It may end without reading all; its status then says why.
                let _ = pipe.write_all(bytes).await;
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        match tokio::time::timeout(WITHIN, run).await {
            Ok(output) => output.map_err(io),
            Err(_) => Err(DevError::Deadline {
                what: format!("kubectl {} did not end", args.first().unwrap_or(&"")),
                seconds: WITHIN.as_secs(),
                logs: self.folder().to_owned(),
            }),
        }
    }
}
