//! The envtest project's archives: downloaded, checked, unpacked. Falls through quickly where there is
//! no way out to the internet.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha512};

use super::{Cache, Program, machine, say};
use crate::dev::{DevError, install_crypto};

pub(super) const VERSION: &str = "v1.36.2";
pub(super) const HAS: [Program; 3] = [Program::KubeApiserver, Program::Etcd, Program::Kubectl];

/// A closed network shall cost seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
const SILENT_AT_MOST: Duration = Duration::from_secs(20);
const DONE_WITHIN: Duration = Duration::from_secs(600);
const ARCHIVE_AT_MOST: u64 = 512 << 20;
const PROGRAM_AT_MOST: u64 = 1 << 30;

/// From the project's own index of releases.
const SHA_512: [(&str, &str, &str); 3] = [
    (
        "linux",
        "amd64",
        "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
    ),
    (
        "linux",
        "arm64",
        "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae28181afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac",
    ),
    (
        "darwin",
        "arm64",
        "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce",
    ),
];

/// Put the archive's programs into the cache.
pub(super) async fn get(cache: &Cache) -> Result<(), DevError> {
    if std::env::var_os("ONFIDO_DEV_OFFLINE").is_some_and(|value| value == "1") {
        return Err(problem("ONFIDO_DEV_OFFLINE=1"));
    }
    let (os, arch) = machine();
    let expected = SHA_512.iter().find(|(o, a, _)| (*o, *a) == (os, arch)).map(|(_, _, sum)| *sum);
    let expected = expected.ok_or_else(|| problem("there is none for this kind of machine"))?;
    let url = format!(
        "https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-{VERSION}/envtest-{VERSION}-{os}-{arch}.tar.gz"
    );
    say(&format!("downloading Kubernetes {VERSION} (about 10 s): {url}"));
    let scratch = cache.scratch()?;
    let path = scratch.0.join("archive.tar.gz");
    let archive = tokio::time::timeout(DONE_WITHIN, download(&url, &path, expected)).await;
    let archive = archive.map_err(|_| problem("it takes too long"))??;
    let folder = scratch.0.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(archive, &folder)).await;
    unpacked.map_err(|_| DevError::Task("unpacking"))??;
    cache.adopt(VERSION, &scratch, &HAS)
}

/// The archive as a file, read from its start; only if its hash is right.
async fn download(url: &str, path: &Path, expected: &str) -> Result<File, DevError> {
    install_crypto();
    let client = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(SILENT_AT_MOST)
        .build()
        .map_err(|error| problem(&plain(&error)))?;
    let answer = client.get(url).send().await.map_err(|error| problem(&plain(&error)))?;
    if !answer.status().is_success() {
        return Err(problem(&format!("the server answers {}", answer.status())));
    }
    let mut answer = answer;
    let mut file = File::options().create_new(true).read(true).write(true).open(path);
    let file = file.as_mut().map_err(|error| problem(&error.to_string()))?;
    let (mut sum, mut size) = (Sha512::new(), 0);
    while let Some(chunk) = answer.chunk().await.map_err(|error| problem(&plain(&error)))? {
        size += chunk.len() as u64;
        if size > ARCHIVE_AT_MOST {
            return Err(problem("the archive is far too large"));
        }
        sum.update(&chunk);
        file.write_all(&chunk).map_err(|error| problem(&error.to_string()))?;
    }
    let found: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != expected {
        return Err(problem("the archive's SHA-512 is not the expected one"));
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| problem(&error.to_string()))?;
    file.try_clone().map_err(|error| problem(&error.to_string()))
}

/// Only the programs we know, by file name, into a flat folder.
fn unpack(archive: impl Read, folder: &Path) -> Result<(), DevError> {
    let bad = |error: std::io::Error| problem(&format!("cannot unpack it: {error}"));
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        let path = entry.path().map_err(bad)?.into_owned();
        let name = path.file_name();
        let Some(program) = HAS.into_iter().find(|program| name.is_some_and(|name| name == program.name())) else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let to = folder.join(program.name());
        let mut file = File::options().create_new(true).write(true).mode(0o755).open(to).map_err(bad)?;
        std::io::copy(&mut entry.take(PROGRAM_AT_MOST), &mut file).map_err(bad)?;
        found.push(program);
    }
    match HAS.into_iter().find(|program| !found.contains(program)) {
        Some(program) => Err(problem(&format!("the archive holds no {}", program.name()))),
        None => Ok(()),
    }
}

fn problem(what: &str) -> DevError {
    DevError::Prebuilt(what.to_owned())
}

/// The innermost cause: the outer ones only repeat the address.
fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gz);
        for (path, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("onfido-unpack-{name}-{:x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn an_archive_gives_its_programs_and_nothing_else() {
        let to = folder("whole");
        let bin = "controller-tools/envtest";
        let files = ["kube-apiserver", "etcd", "kubectl", "README"].map(|name| format!("{bin}/{name}"));
        let entries: Vec<_> = files.iter().map(|path| (path.as_str(), path.as_str())).collect();
        unpack(archive(&entries).as_slice(), &to).unwrap();
        for program in HAS {
            let path = to.join(program.name());
            assert!(super::super::is_executable(&path));
            assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{bin}/{}", program.name()));
        }
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 3);
        std::fs::remove_dir_all(to).unwrap();
    }

    #[test]
    fn an_archive_that_lacks_a_program_or_is_none_is_refused() {
        let to = folder("lacking");
        let error = unpack(archive(&[("x/etcd", "e")]).as_slice(), &to).unwrap_err();
        assert!(error.to_string().contains("no kube-apiserver"), "{error}");
        assert!(unpack(&b"<html>"[..], &to).is_err());
        std::fs::remove_dir_all(to).unwrap();
    }
}
