//! Places at which the crash tests stop the operator to kill it. Exists in builds with the feature `dev` only; otherwise nothing.

/// Where the operator can be stopped: before or after a thing, named by the effect or the record.
pub async fn at(place: &str, what: &str) {
    #[cfg(feature = "dev")]
    {
        static WANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var("ONFIDO_OPERATOR_PAUSE_AT").ok());
        if WANTED.as_ref().is_some_and(|wanted| *wanted == format!("{place}:{what}")) {
            eprintln!("paused at {place}:{what}");
            std::future::pending::<()>().await;
        }
    }
    #[cfg(not(feature = "dev"))]
    let _ = (place, what);
}
