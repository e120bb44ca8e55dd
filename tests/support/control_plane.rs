//! The one control plane of this test program, and namespaces to be alone in.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use onfido_operator::dev::{ADMIN, ControlPlane, Options, User};
use tokio::sync::OnceCell;

/// A user without any right of its own, for tests to bind roles to.
pub const TENANT: &str = "tenant";

/// How every test here starts one.
pub fn options() -> Options {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    let mut options = Options::new(env!("CARGO_BIN_EXE_onfido-operator"), tools);
    options.unsafe_no_fsync = true;
    options.users = vec![User::new(TENANT, &["tenants"])];
    options
}

/// The shared one; started by whoever comes first. Make a client of your own from it: a client
/// belongs to its test's runtime. Stop it never: others are using it. It dies with this program
/// (nothing runs destructors of statics), and the next start of one sweeps its folder.
pub async fn control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
    let start = || async {
        let since = std::time::Instant::now();
        let started = ControlPlane::start(options()).await;
        if let Ok(shared) = &started {
            // Shown if the test that started it fails.
            eprintln!("control plane in {} after {:?}", shared.folder().display(), since.elapsed());
        }
        started.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))
    };
    match SHARED.get_or_init(start).await {
        Ok(shared) => shared,
        Err(why) => panic!("no control plane: {why}"),
    }
}

/// A new namespace; its name begins with the given word.
pub async fn namespace(of: &ControlPlane, word: &str) -> String {
    let namespaces = Api::<Namespace>::all(of.client(ADMIN).unwrap());
    let metadata = ObjectMeta { generate_name: Some(format!("{word}-")), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &namespace).await.unwrap().metadata.name.unwrap()
}
