//! The structure of the source: names, files, layers, dependencies and prose.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test it is an assertion"
)]

mod api;
mod cycles;
mod layers;
mod prose;
mod source;
mod types;
