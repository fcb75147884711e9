//! Throwaway servers for unit tests, integration tests and benchmarks. Nothing here depends on the
//! crate under test.
#![cfg(unix)]

pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
