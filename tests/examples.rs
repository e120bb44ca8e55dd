//! Every example is one that the API server takes, down to the last field.

use std::path::PathBuf;

use crate::crds::{file, installed};

/// The files of an example, in the order in which kubectl applies them.
fn files(example: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(file(&format!("examples/{example}"))).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

const STRICT: [&str; 4] = ["apply", "--server-side", "--validate=strict", "-f"];

#[tokio::test]
async fn the_quickstart_is_accepted_as_it_stands() {
    let plane = installed().await;
    let files = files("quickstart");
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["00-namespaces.yaml", "01-provider.yaml", "01-secrets.yaml", "02-person.yaml"]);
    // A dry run of what lies in a namespace needs the namespace.
    for (path, dry_run) in files.iter().zip(["--dry-run=none", "--dry-run=server", "--dry-run=server", "--dry-run=server"]) {
        let done = plane.kubectl(&[&STRICT[..], &[&path.to_string_lossy(), dry_run]].concat()).await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

/// The stories beside it: each is one file, for the quickstart's namespaces.
#[tokio::test]
async fn every_story_is_accepted_as_it_stands() {
    let plane = installed().await;
    let namespaces = file("examples/quickstart/00-namespaces.yaml");
    let done = plane.kubectl(&[&STRICT[..], &[&namespaces.to_string_lossy()]].concat()).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let stories: Vec<PathBuf> = files("").into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    let told = [
        "cancel.yaml",
        "custom-data.yaml",
        "erasure.yaml",
        "link.yaml",
        "reconcile-now.yaml",
        "retention.yaml",
        "retry.yaml",
        "validity.yaml",
    ];
    for story in told {
        assert!(stories.iter().any(|path| path.ends_with(story)), "{story}");
    }
    for path in stories {
        let done = plane.kubectl(&[&STRICT[..], &[&path.to_string_lossy(), "--dry-run=server"]].concat()).await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

#[tokio::test]
async fn a_field_that_does_not_exist_would_be_noticed() {
    let plane = installed().await;
    let namespace = crate::support::control_plane::namespace(plane, "examples").await;
    for path in files("quickstart").iter().filter(|path| !path.ends_with("00-namespaces.yaml")) {
        let yaml = std::fs::read_to_string(path).unwrap();
        let (slipped, said) = match yaml.find("\nspec:\n") {
            Some(_) => (yaml.replacen("\nspec:\n", "\nspec:\n  regoin: EU\n", 1), "regoin"),
            None => (yaml.replacen("\nstringData:\n", "\nstringdata:\n", 1), "stringdata"),
        };
        let moved = ["identity", "shop"]
            .iter()
            .fold(slipped, |yaml, old| yaml.replace(&format!("\n  namespace: {old}\n"), &format!("\n  namespace: {namespace}\n")));
        let args = [&STRICT[..], &["-", "--dry-run=server"]].concat();
        let done = plane.kubectl_as(onfido_operator::dev::ADMIN, &args, Some(moved.as_bytes())).await.unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && error.contains(said), "{}: {error}", path.display());
    }
}
