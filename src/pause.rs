//! Places at which the crash tests stop the operator, to kill it or to let it go on later. Exists in builds with the feature `dev` only;
//! otherwise nothing.

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
