//! Places at which tests stop the operator, to kill it or to let it go on later, or make it panic. Exists in builds with the feature `dev`
//! only; otherwise nothing.

/// The message of a panic that was asked for, which nobody may see: a real one can hold what a user wrote.
#[cfg(feature = "dev")]
pub const PANIC: &str = "canary-in-a-panics-message";

/// Where the operator can be stopped: before or after a thing, named by the effect or the record. It goes on once the file that
/// `ONFIDO_OPERATOR_PAUSE_UNTIL` names exists.
pub async fn at(place: &str, what: &str) {
    #[cfg(feature = "dev")]
    {
        static WANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var("ONFIDO_OPERATOR_PAUSE_AT").ok());
        let Some(wanted) = &*WANTED else { return };
        if *wanted == format!("{place}:{what}") {
            eprintln!("paused at {place}:{what}");
            match std::env::var_os("ONFIDO_OPERATOR_PAUSE_UNTIL") {
                None => std::future::pending::<()>().await,
                Some(file) => {
                    while !std::path::Path::new(&file).exists() {
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await; // the test is another process
                    }
                }
            }
        }
        eprintln!("passed {place}:{what}");
    }
    #[cfg(not(feature = "dev"))]
    let _ = (place, what);
}

/// Panics in the pass over this object, if it is the one asked for: nothing else here is known to panic.
pub fn panic_on(namespace: Option<&str>, name: Option<&str>) {
    #[cfg(feature = "dev")]
    {
        static WANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var("ONFIDO_OPERATOR_PANIC_ON").ok());
        let wanted = WANTED.as_deref().and_then(|wanted| wanted.split_once('/'));
        assert!(wanted.is_none() || wanted != namespace.zip(name), "{PANIC}");
    }
    #[cfg(not(feature = "dev"))]
    let _ = (namespace, name);
}
