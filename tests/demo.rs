//! The demo as it runs in a pipeline: the real binary, without a terminal.

use std::process::{Command, Output, Stdio};

fn demo(settings: &[(&str, &str)]) -> Output {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_onfido-operator"));
    for name in ["KEEP", "ONFIDO_API_TOKEN", "ONFIDO_WORKFLOW_ID", "ONFIDO_REGION"] {
        demo.env_remove(name);
    }
    demo.arg("demo").envs(settings.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_demo_reaches_a_verdict_by_itself_and_tells_no_secret() {
    let Output { status, stdout, stderr } = demo(&[("ONFIDO_API_TOKEN", "api_live.not-enough-to-leave-the-simulator")]);
    let (told, errors) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{told}\n{errors}");
    let said = told.replace(char::is_whitespace, "");
    for words in ["Ready=True", "shop/user-4711AwaitingInput", "consent,document,selfie", "Verified=True", "/webhooks/identity/onfido→200"]
    {
        assert!(said.contains(words), "{words} in\n{told}");
    }
    assert!(told.contains("Onfido calls      3:") && told.contains("Without ONFIDO_WORKFLOW_ID and ONFIDO_REGION"), "{told}");
    // An SDK token is a JWT; no escape is right where there is no terminal.
    for secret in ["eyJ", "not-enough", "simulator-demo-token", "webhook-token", "\x1b", "Ada", "1990-01-01"] {
        assert!(!told.contains(secret) && !errors.contains(secret), "{secret} in\n{told}\n{errors}");
    }
}

#[test]
fn a_region_that_is_none_is_one_clear_line() {
    let settings = [("ONFIDO_API_TOKEN", "x"), ("ONFIDO_WORKFLOW_ID", "x"), ("ONFIDO_REGION", "moon")];
    let Output { status, stdout, stderr } = demo(&settings);
    assert_eq!(status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&stderr), "error: ONFIDO_REGION must be EU, US or CA\n");
    assert!(stdout.trim_ascii().is_empty());
}
