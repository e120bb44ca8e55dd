//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "dev")]
    {
        let mut args = std::env::args_os().skip(1);
        if args.next().is_some_and(|first| first == onfido_operator::dev::child::SHIM) {
            return onfido_operator::dev::child::exec(args);
        }
    }
    onfido_operator::cli::main()
}
