//! What must not be seen, in every form it could be seen in.

use k8s_openapi::ByteString;

/// What is looked for, and what to call it: a failure must not print it either.
#[derive(Clone)]
pub struct Needle {
    pub name: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Needle {
    pub fn new(name: &'static str, value: &str) -> Self {
        assert!(value.len() >= 10, "{name} is too short to be told from chance");
        let mut forms = vec![value.as_bytes().to_vec()];
        forms.extend((0..3).flat_map(|offset| {
            let standard = base64_middle(value.as_bytes(), offset);
            [standard.replace('+', "-").replace('/', "_"), standard].map(String::into_bytes)
        }));
        let text = [
            percent(value, "%20"),
            percent(value, "+"),
            serde_json::to_string(value).unwrap().trim_matches('"').to_owned(),
            format!("{value:?}").trim_matches('"').to_owned(),
            value.escape_default().to_string(),
            value.bytes().map(|byte| format!("{byte:02x}")).collect(),
            value.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "),
            value.replace(' ', "_"),
        ];
        forms.extend(text.map(String::into_bytes));
        for form in &mut forms {
            form.make_ascii_lowercase();
        }
        forms.sort();
        forms.dedup();
        Self { name, forms }
    }

    /// Whether the text holds it, in whichever form and case.
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut forms = self.forms.iter().map(|form| String::from_utf8_lossy(form));
        forms.any(|form| text.contains(form.as_ref()))
    }
}

/// Fails with the names of what was found where.
pub fn none_in(needles: &[Needle], place: &str, text: &str) {
    let found: Vec<_> = needles.iter().filter(|needle| needle.is_in(text)).map(|needle| needle.name).collect();
    assert!(found.is_empty(), "in {place}: {found:?}");
}

fn base64(bytes: &[u8]) -> String {
    serde_json::to_string(&ByteString(bytes.to_vec())).unwrap().trim_matches('"').to_owned()
}

/// What base64 makes of these bytes wherever they stand: without the characters that their neighbours have a part in.
fn base64_middle(bytes: &[u8], offset: usize) -> String {
    let mut padded = vec![0; offset];
    padded.extend(bytes);
    let (first, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    base64(&padded)[first..end].to_owned()
}

fn percent(value: &str, space: &str) -> String {
    let one = |byte: u8| match byte {
        b' ' => space.to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(one).collect()
}

#[test]
fn what_is_hidden_is_found_in_every_form() {
    let value = "Zo\u{eb} Canary+Bird@example.test";
    let needle = Needle::new("a canary", value);
    for text in [
        format!("before {value} after"),
        value.to_uppercase().replace('\u{cb}', "\u{eb}"),
        base64(value.as_bytes()),
        base64(format!("x{value}y").as_bytes()),
        base64(format!("xy{value}").as_bytes()),
        base64(format!("{{\"name\":\"{value}\"}}").as_bytes()),
        "Zo%C3%AB%20Canary%2BBird%40example.test".to_owned(),
        "?name=Zo%c3%ab+Canary%2bBird%40example.test&x".to_owned(),
        format!("{:?}", value.as_bytes()),
        "Zo\\u{eb} Canary+Bird@example.test".to_owned(),
    ] {
        assert!(needle.is_in(&text), "{text}");
    }
    assert!(!needle.is_in("Zo Canary Bird"));
}

#[test]
#[should_panic(expected = "in a log: [\"a canary\"]")]
fn a_failure_names_what_was_found_and_where() {
    none_in(&[Needle::new("a canary", "canary-canary")], "a log", "hello canary-canary");
}
