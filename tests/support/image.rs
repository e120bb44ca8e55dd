//! The image's files, as `make image-root` lays them out, and copies of them to run things in. Builds nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use onfido_operator::dev::Cell;

/// Where the operator is in the image.
pub const ENTRYPOINT: &str = "/onfido-operator";
/// Whom the image runs as.
pub const USER: u32 = 65532;
pub const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The image's files. `make test` lays them out; who runs the tests otherwise has to.
pub fn image_root() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = top.join("target/image-root-dev");
    let advice = "run `make image-root IMAGE_ROOT=target/image-root-dev IMAGE_PROFILE=dev` first";
    let built = fs::metadata(root.join("onfido-operator")).and_then(|file| file.modified());
    let built = built.unwrap_or_else(|_| panic!("there is no image: {advice}"));
    let changed = newest(&top.join("src")).max(fs::metadata(top.join("Cargo.lock")).unwrap().modified().unwrap());
    assert!(built >= changed, "the image is older than the source: {advice}");
    root
}

fn newest(folder: &Path) -> SystemTime {
    // What is for development is not in the image.
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("src/dev"));
    let times = entries.map(|path| if path.is_dir() { newest(&path) } else { fs::metadata(&path).unwrap().modified().unwrap() });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A container's file system in this new folder, which its user cannot write to: the image, and what a kubelet adds to every container.
pub fn cell(folder: &Path, hosts: &str, resolv_conf: &str) -> Cell {
    let image = image_root();
    let put = |path: &str| {
        let to = folder.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        to
    };
    let binary = put("onfido-operator");
    // A link saves 100 MB; it is not always possible.
    if fs::hard_link(image.join("onfido-operator"), &binary).is_err() {
        fs::copy(image.join("onfido-operator"), &binary).unwrap();
    }
    fs::copy(image.join(CERTIFICATES), put(CERTIFICATES)).unwrap();
    fs::write(put("etc/hosts"), hosts).unwrap();
    fs::write(put("etc/resolv.conf"), resolv_conf).unwrap();
    Cell { root: folder.to_owned(), user: USER }
}
