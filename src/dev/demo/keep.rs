//! What to try while everything is left running. Every command here was tried.

use super::{
    manifests::{FOLDER, Name},
    stage::Stage,
    voice::{Tone, Voice},
};
use crate::dev::Program;

pub(super) async fn explain(voice: &Voice, stage: &Stage<'_>, verification: &Name, secret: &str) {
    let Name { namespace, name } = verification;
    voice.title("Everything is left running until Ctrl-C. In another terminal:");
    voice.gap();
    voice.command(&format!("export KUBECONFIG={}", stage.control_plane.kubeconfig().display()));
    if let Some(kubectl) = kubectl(stage).await {
        voice.command(&format!("alias kubectl={kubectl}"));
    }
    voice.command(&format!("kubectl get idv -n {namespace} -w"));
    voice.command(&format!("kubectl describe idv {name} -n {namespace}"));
    voice.command(&format!("kubectl get secret {secret} -n {namespace} -o jsonpath='{{.data.sdk_token}}' | base64 -d"));
    voice.command("kubectl get onfp -A");
    voice.command("kubectl explain idv.spec");
    if let Some(admin) = &stage.admin {
        voice.gap();
        voice.say("Somebody who is declined: create a second person, then decide in the simulator's list of runs.");
        voice.command(&format!("sed s/{name}/{name}-b/ {FOLDER}/02-person.yaml | kubectl apply -f -"));
        voice.toned("simulator", Tone::Bold, &format!("{}/", admin.base()), None);
        voice.command(&format!("kubectl wait idv/{name}-b -n {namespace} --for=condition=Completed"));
    }
    voice.gap();
    voice.line("logs", &stage.control_plane.folder().display().to_string());
}

/// The one that came with the control plane, where there is no other.
async fn kubectl(stage: &Stage<'_>) -> Option<String> {
    let found = |folder: &std::path::Path| Some(folder.join("kubectl")).filter(|path| path.is_file());
    if std::env::split_paths(&std::env::var_os("PATH")?).any(|folder| found(&folder).is_some()) {
        return None;
    }
    let server = stage.control_plane.program(Program::KubeApiserver).await.ok()?;
    found(server.parent()?).map(|path| path.display().to_string())
}
