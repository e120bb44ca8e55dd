//! The image: what is in it, that it needs nothing else, and that the Dockerfile makes the same one. No container engine takes part.

use std::{
    collections::BTreeMap,
    fs,
    io::BufRead,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use onfido_operator::{
    api::ConditionType,
    dev::{
        ControlPlane, Port,
        child::{Child, Start},
    },
};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    image::{CERTIFICATES, ENTRYPOINT, USER, cell, image_root},
    operator::{Scene, install},
};

const TOP: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_image_is_a_static_binary_and_certificates_and_nothing_else() {
    let root = image_root();
    let mut files = vec![];
    each_file(&root, &mut |path| files.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()));
    files.sort();
    assert_eq!(files, [CERTIFICATES, "onfido-operator"]);
    assert!(fs::read_to_string(root.join(CERTIFICATES)).unwrap().contains("-----BEGIN CERTIFICATE-----"));

    let binary = fs::read(root.join("onfido-operator")).unwrap();
    const INTERPRETER: u32 = 3;
    assert!(!segments(&binary).contains(&INTERPRETER), "it asks for a dynamic linker, which the image does not have");
    let ours = fs::read("/proc/self/exe").unwrap();
    assert!(segments(&ours).contains(&INTERPRETER), "this program does: the test can tell");
}

/// The types of an ELF file's segments; 64 bit, little end first.
fn segments(elf: &[u8]) -> Vec<u32> {
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01");
    let number = |at: usize, bytes: usize| elf[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    (0..count).map(|n| u32::try_from(number(table + n * size, 4)).unwrap()).collect()
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { each_file(&path, visit) } else { visit(&path) }
    }
}

#[test]
fn make_says_what_it_lacks() {
    let make = |variable: &str| {
        let output =
            Command::new("make").current_dir(TOP).args(["image-root", "IMAGE_ROOT=/nonexistent/image", variable]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = make("CA_CERTIFICATES=/nonexistent.pem");
    assert!(said.contains("error: no certificates in /nonexistent.pem: install ca-certificates, or set CA_CERTIFICATES"), "{said}");
}

#[test]
fn the_dockerfile_makes_the_same_image_with_the_same_command() {
    let text = fs::read_to_string(Path::new(TOP).join("Dockerfile")).unwrap();
    let joined = text.replace("\\\n", " ");
    let lines: Vec<&str> = joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let (build, image) = lines.split_at(last);
    let cargo = fs::read_to_string(Path::new(TOP).join("Cargo.toml")).unwrap();
    let of_cargo = |key: &str| cargo.lines().find_map(|line| line.strip_prefix(&format!("{key} = \""))?.strip_suffix('"')).unwrap();

    assert!(build[0].starts_with(&format!("FROM rust:{}-", of_cargo("rust-version"))), "{}", build[0]);
    assert_eq!(build.last(), Some(&"RUN make image-root IMAGE_ROOT=/image-root"), "optimised, as make does by default");
    assert_eq!(image[0], "FROM scratch");
    assert_eq!(image[1], format!("ARG VERSION={}", of_cargo("version")));
    let rest: Vec<&str> = image[2..].iter().copied().filter(|line| !line.starts_with("LABEL ")).collect();
    let user = format!("USER {USER}:{USER}");
    let entrypoint = format!("ENTRYPOINT [\"{ENTRYPOINT}\"]");
    assert_eq!(rest, ["COPY --from=build /image-root/ /", &user, &entrypoint]);
}

#[test]
fn the_builder_is_sent_what_a_build_reads() {
    // What is not sent cannot be read there; what is sent without need makes every build a new one.
    let text = fs::read_to_string(Path::new(TOP).join(".dockerignore")).unwrap();
    let mut sent: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('!')).collect();
    sent.sort_unstable();
    assert!(text.lines().any(|line| line == "*"));
    assert_eq!(sent, ["Cargo.lock", "Cargo.toml", "Makefile", "src"]);
    let outside =
        |text: &str| text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("include_") && line.contains("/../../"));
    let mut read = vec![];
    each_file(&Path::new(TOP).join("src"), &mut |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let below = path.strip_prefix(Path::new(TOP).join("src")).unwrap();
        // Tests and the feature `dev` are no part of the image.
        if outside(&text) && !below.starts_with("dev") && !below.to_string_lossy().ends_with("_tests.rs") {
            read.push(below.to_owned());
        }
    });
    assert!(read.is_empty(), "read from outside src: {read:?}");
}

/// Everything a process of the image may not be: root, capable, a member of groups, or alive when we are not.
#[test]
fn a_confined_process_is_nobody_and_dies_with_its_parent() {
    let folder = Folder::new("cell");
    let cell = cell(&folder.0, "127.0.0.1 localhost\n", "");
    let port = Port::lease().unwrap();
    let script = format!(
        r#"trap '' TERM; "$0" dev-exec --cell {USER} "$1" -- {ENTRYPOINT} simulator --listen 127.0.0.1:{} >/dev/null 2>&1 & echo $!; wait"#,
        port.number()
    );
    let mut parent = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_onfido-operator")])
        .arg(&cell.root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let proc = Path::new("/proc").join(line.trim());
    let command = || fs::read(proc.join("cmdline")).unwrap_or_default();
    until("the shim becomes the program", || command().starts_with(ENTRYPOINT.as_bytes()));
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let status: BTreeMap<&str, Vec<&str>> =
        status.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.split_whitespace().collect())).collect();
    let user = USER.to_string();
    assert_eq!(status["Uid"], [&user; 4]);
    assert_eq!(status["Gid"], [&user; 4]);
    assert_eq!(status["Groups"], [""; 0]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], ["0000000000000000"], "{set}");
    }
    assert_eq!(status["NoNewPrivs"], ["1"]);
    assert_eq!(fs::read_link(proc.join("root")).unwrap(), cell.root);

    parent.kill().unwrap();
    parent.wait().unwrap();
    // A zombie that nobody waits for has an empty command line.
    until("it dies", || command().is_empty());
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A static C library looks names up without the plug-ins a dynamic one loads; here it must do so with what a kubelet writes into every
/// container, and nothing else. The API server's name is known to a name server alone, the vendor's to the file of hosts alone.
#[tokio::test]
async fn inside_the_image_names_are_found_and_its_certificates_alone_are_trusted() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "image").await;
    let folder = Folder::new("names");
    let names = NameServer::start("kubernetes.default.svc.cluster.local");
    let resolv_conf = format!(
        "search {}.svc.cluster.local svc.cluster.local cluster.local\nnameserver {}\noptions ndots:5\n",
        scene.namespace, names.address
    );
    let cell = cell(&folder.0, "127.0.0.1 localhost\n127.0.0.1 kubernetes\n", &resolv_conf);
    let kubeconfig = fs::read_to_string(control_plane.kubeconfig()).unwrap();
    let by_name = kubeconfig.replace("https://127.0.0.1:", "https://kubernetes.default.svc:");
    assert_ne!(by_name, kubeconfig);
    fs::write(cell.root.join("kubeconfig"), by_name).unwrap();
    scene.provider(json!({})).await;

    // The API server plays the vendor: it speaks TLS, and refuses a token that it does not know.
    let operator = run(&cell, control_plane, &scene, &folder.0.join("first.log"));
    scene.until_provider("onfido", ConditionType::Ready, "Unknown", "Unreachable").await;
    drop(operator);
    fs::copy(control_plane.ca_file(), cell.root.join(CERTIFICATES)).unwrap();
    let _operator = run(&cell, control_plane, &scene, &folder.0.join("second.log"));
    scene.until_provider("onfido", ConditionType::Ready, "False", "Unauthorized").await;
}

fn run(cell: &onfido_operator::dev::Cell, control_plane: &ControlPlane, scene: &Scene, log: &Path) -> Child {
    let mut args: Vec<String> =
        ["run", "--kubeconfig=/kubeconfig", "--webhook-listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"].map(String::from).to_vec();
    args.push(format!("--watch-namespace={}", scene.namespace));
    args.push(format!("--onfido-endpoint=EU=https://kubernetes:{}", control_plane.port()));
    let start = Start {
        name: "confined operator".into(),
        shim: env!("CARGO_BIN_EXE_onfido-operator").into(),
        program: ENTRYPOINT.into(),
        args: args.into_iter().map(Into::into).collect(),
        env: vec![],
        log: log.to_owned(),
        grace: Duration::from_secs(5),
    };
    Child::start_in(cell, &start).unwrap()
}

/// A name server that knows one name.
struct NameServer {
    address: IpAddr,
}

impl NameServer {
    /// Its port cannot be chosen, so it has an address of its own. Lives as long as this program.
    fn start(name: &'static str) -> Self {
        let address = IpAddr::V4(Ipv4Addr::new(127, 53, rand::random(), rand::random_range(1..255)));
        let socket = UdpSocket::bind((address, 53))
            .unwrap_or_else(|error| panic!("no name server at {address}, port 53, which needs root: {error}"));
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&answer(&buffer[..len], name), from);
            }
        });
        Self { address }
    }
}

/// 127.0.0.1 for the one name, no other kind of address, and nothing for any other name.
fn answer(query: &[u8], name: &str) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let asked: Vec<u8> =
        name.split('.').flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).chain([0]).collect();
    let known = query[12..end].eq_ignore_ascii_case(&asked);
    let address = known && query[end..end + 2] == [0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(address), 0, 0, 0, 0]);
    answer.extend(&query[12..end + 4]);
    if address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

/// A folder that everybody may enter, removed on drop.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(word: &str) -> Self {
        let path = std::env::temp_dir().join(format!("onfido-image-{word}-{:x}", rand::random::<u64>()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["first.log", "second.log"] {
                eprintln!("{log}:\n{}", fs::read_to_string(self.0.join(log)).unwrap_or_default());
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}
