//! The vendor's four published signature vectors, their corruptions, and how bodies are read.

use super::*;

const STUDIO_KEY: &str = "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5";
const LIST: &[u8] = include_bytes!("../../tests/media/studio_webhook_event_with_list_in_output.json");
const LIST_SIGNATURE: &str = "f3a5170acfcecf8c1bf6d9cb9995c0d9dec941af83056a721530f8de7af2c293";
const OBJECT: &[u8] = include_bytes!("../../tests/media/studio_webhook_event_with_object_in_output.json");
const TASK: &[u8] = include_bytes!("../../tests/media/studio_webhook_event_task_started.json");
const CLASSIC: &[u8] = include_bytes!("../../tests/media/classic_webhook_event.json");

const VECTORS: [(&str, &[u8], &str); 4] = [
    ("wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh", CLASSIC, "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7"),
    (STUDIO_KEY, TASK, "c95a5b785484f6fa1bc25f381b5595d66bf85cb442eefb06aa007802ee6a4dfa"),
    (STUDIO_KEY, LIST, LIST_SIGNATURE),
    (STUDIO_KEY, OBJECT, "e3e5565647f5ccf07b2fd8ac22eab94a0a0619413d981fb768295c820523f7d7"),
];

fn token(key: &str) -> WebhookToken {
    WebhookToken::from_secret_bytes(key.as_bytes()).unwrap()
}

#[test]
fn the_published_vectors_hold() {
    for (key, body, signature) in VECTORS {
        assert_eq!(sign(&token(key), body), signature);
        assert!(verify(&[token(key)], body, signature.as_bytes()));
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let tokens = [token(STUDIO_KEY)];
    for at in 0..LIST.len() {
        let mut body = LIST.to_vec();
        body[at] ^= 1;
        assert!(!verify(&tokens, &body, LIST_SIGNATURE.as_bytes()), "byte {at} of the body");
    }
    for at in 0..LIST_SIGNATURE.len() {
        let mut signature = LIST_SIGNATURE.as_bytes().to_vec();
        signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
        assert!(!verify(&tokens, LIST, &signature), "digit {at} of the signature");
    }
}

#[test]
fn a_body_or_signature_of_another_shape_is_refused() {
    let tokens = [token(STUDIO_KEY)];
    let without_newline = LIST.strip_suffix(b"\n").unwrap();
    assert!(!verify(&tokens, without_newline, LIST_SIGNATURE.as_bytes()));
    assert!(!verify(&tokens, &[LIST, b"\n"].concat(), LIST_SIGNATURE.as_bytes()));
    assert!(!verify(&tokens, b"", LIST_SIGNATURE.as_bytes()));
    let longer = format!("{LIST_SIGNATURE}00");
    let sha1 = "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9";
    let shapes = [
        LIST_SIGNATURE.to_uppercase(),
        LIST_SIGNATURE[..63].to_owned(),
        LIST_SIGNATURE[..62].to_owned(),
        longer,
        format!(" {LIST_SIGNATURE}"),
        format!("sha256={LIST_SIGNATURE}"),
        sha1.to_owned(),
        "0".repeat(64),
        "g".repeat(64),
        String::new(),
    ];
    for shape in shapes {
        assert!(!verify(&tokens, LIST, shape.as_bytes()), "{shape}");
    }
}

#[test]
fn any_active_token_will_do_and_no_other() {
    let other = || token("an-older-token-0123456789");
    let signature = LIST_SIGNATURE.as_bytes();
    assert!(verify(&[other(), token(STUDIO_KEY)], LIST, signature));
    assert!(verify(&[token(STUDIO_KEY), other()], LIST, signature));
    assert!(!verify(&[other(), other()], LIST, signature));
    assert!(!verify(&[token("YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP6")], LIST, signature));
    assert!(!verify(&[], LIST, signature));
}

#[test]
fn no_token_is_not_the_empty_token() {
    let signature = hex(&mac(&[], LIST).finalize().into_bytes());
    assert!(!verify(&[], LIST, signature.as_bytes()));
}

#[test]
fn the_published_bodies_are_read() {
    let run = |id: &str| Some(WorkflowRunId::parse(id).unwrap());
    let task = Notification::parse(TASK).unwrap();
    assert_eq!((task.resource_type.as_str(), task.action.as_str()), ("workflow_task", "workflow_task.started"));
    assert_eq!(task.run_id, run("bc77c6e5-753a-4580-96a6-aaed3e5a8d19"));
    assert_eq!(task.run_created_at, None, "a task's age is not its run's");
    let classic = Notification::parse(CLASSIC).unwrap();
    assert_eq!((classic.action.as_str(), classic.run_id), ("check.completed", None));
    for body in [LIST, OBJECT] {
        let notification = Notification::parse(body).unwrap();
        assert!(notification.run_id.is_some(), "{notification:?}");
    }
}

#[test]
fn a_completed_run_names_itself_and_its_tags() {
    let body = br#"{"payload":{"resource_type":"workflow_run","action":"workflow_run.completed","object":{"id":"run-1","status":"approved"},
        "resource":{"id":"run-1","tags":["ours",null,3],"created_at":"2026-01-02T03:04:05Z","output":[1],"new":{}},"more":1},"more":2}"#;
    let notification = Notification::parse(body).unwrap();
    assert_eq!(notification.run_id.as_ref().map(WorkflowRunId::as_str), Some("run-1"));
    assert_eq!(notification.tags, ["ours"]);
    assert!(notification.run_created_at.is_some());
    let bare = br#"{"payload":{"resource_type":"workflow_run","action":"workflow_run.completed","object":{"id":"run-1"},"resource":null}}"#;
    assert_eq!(Notification::parse(bare).unwrap().run_id, notification.run_id);
}

#[test]
fn what_is_no_notification_is_malformed_and_odd_ones_are_harmless() {
    for body in [&b""[..], b"{", b"[]", b"{}", b"null", b"{\"payload\":[]}x", b"{\"payload\":3}", b"\xff"] {
        assert_eq!(Notification::parse(body), Err(MalformedNotification), "{body:?}");
    }
    let odd = br#"{"payload":{"resource_type":"workflow_run","action":"Jane Doe","object":{"id":"../x"},"resource":[]}}"#;
    let odd = Notification::parse(odd).unwrap();
    assert_eq!((odd.action.as_str(), odd.run_id, odd.tags.len()), ("unrecognized", None, 0));
    let deep = [b"{\"payload\":{\"object\":".as_slice(), &b"[".repeat(100_000)].concat();
    assert_eq!(Notification::parse(&deep), Err(MalformedNotification));
}

#[test]
fn a_body_has_one_digest() {
    assert_eq!(body_digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
