//! How the demo speaks: chapters, aligned lines, colour on a terminal only. Knows nothing of what it tells.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Where a line's text begins, after its label.
const TEXT: usize = 22;
/// Where times end.
const TIMES: usize = 80;

/// Speaks on stdout. A reader that has gone is no reason to stop: nothing here fails.
pub(super) struct Voice {
    colour: bool,
    terminal: bool,
    chapters: std::cell::Cell<u32>,
}

#[derive(Clone, Copy)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
    Command,
    Good,
    Bad,
}

impl Voice {
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: terminal && !set("NO_COLOR") && !dumb, terminal: terminal && !dumb, chapters: 0.into() }
    }

    /// A heading without a number.
    pub(super) fn title(&self, text: &str) {
        self.out(&format!("\n  {}\n", self.paint(Tone::Bold, text)));
    }

    pub(super) fn chapter(&self, text: &str) {
        self.chapters.set(self.chapters.get() + 1);
        self.out(&format!("\n{:>2}  {}\n", self.chapters.get(), self.paint(Tone::Bold, text)));
    }

    /// Prose.
    pub(super) fn say(&self, text: &str) {
        self.out(&format!("    {text}\n"));
    }

    pub(super) fn gap(&self) {
        self.out("\n");
    }

    /// A command that a user would type.
    pub(super) fn command(&self, text: &str) {
        self.out(&format!("    {}\n", self.paint(Tone::Command, &format!("$ {text}"))));
    }

    pub(super) fn line(&self, label: &str, text: &str) {
        self.toned(label, Tone::Plain, text, None);
    }

    pub(super) fn timed(&self, label: &str, text: &str, took: Duration) {
        self.toned(label, Tone::Plain, text, Some(took));
    }

    pub(super) fn toned(&self, label: &str, tone: Tone, text: &str, took: Option<Duration>) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        let mut line =
            format!("{clear}    {}{}", self.paint(Tone::Dim, &format!("{label:<width$}", width = TEXT - 4)), self.paint(tone, text));
        if let Some(took) = took {
            let took = duration(took);
            let room = TIMES.saturating_sub(TEXT + text.chars().count()).max(took.chars().count() + 2);
            // Padded before it is painted: escapes have no width.
            let _ = write!(line, "{}", self.paint(Tone::Dim, &format!("{took:>room$}")));
        }
        line.push('\n');
        self.out(&line);
    }

    /// What is being waited for; the next line replaces it. Silent where lines cannot be replaced.
    pub(super) fn pending(&self, label: &str, text: &str) {
        if self.terminal {
            self.out(&self.paint(Tone::Dim, &format!("    {label:<width$}{text} …", width = TEXT - 4)));
        }
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Bold => "1",
            Tone::Dim => "2",
            Tone::Command => "36",
            Tone::Good => "1;32",
            Tone::Bad => "1;31",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn out(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// For people: three digits.
pub(super) fn duration(of: Duration) -> String {
    match of.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}
