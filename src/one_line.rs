//! How an error is told to a person: it and its causes, in one line. Knows no error in particular.

/// An error and its sources in one line.
pub fn one_line(error: impl std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = error.source();
    }
    line.replace('\n', " ")
}
