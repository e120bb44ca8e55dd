//! Parse, run, exit code.
fn main() {
    print!("{}", onfido_operator::cli::crds().unwrap_or_default());
}
