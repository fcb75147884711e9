//! The throwaway servers of the library's tests, for benchmarks.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a benchmark uses a part of what the tests need"
)]

#[path = "../tests/support/postgres.rs"]
pub mod postgres;
#[path = "../tests/support/process.rs"]
pub mod process;
#[path = "../tests/support/redis.rs"]
pub mod redis;
