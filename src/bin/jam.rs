//! The command `jam`. What it does is in `tower_jam::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tower_jam::cli::main()
}
