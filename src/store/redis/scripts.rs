//! What Redis runs in one step. Each script touches one key and writes as its last act, so an error says that
//! nothing was written.
//!
//! Lua's numbers are doubles and its order of strings is the locale's. So versions are compared for equality as the
//! bytes they are, and times as two halves of 32 bits.

use std::sync::LazyLock;

use fred::util::sha1_hash;

/// A script and the name that the server knows it by.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) source: &'static str,
    pub(super) hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self {
            source,
            hash: sha1_hash(source),
        }
    }
}

/// Writes under a condition: `now`, the time to live (empty for ever, `0` to remove), the entry, and the version that
/// must be there, empty where nothing may be. Returns 1 if it held.
pub(super) static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/write.lua"),
        include_str!("lua/put.lua")
    ))
});

/// Removes and returns the live entry: `now`, and the group it must be in, empty for any.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/take.lua")
    ))
});

/// Adds to a number: `now`, the time to live and the expiry of a first addition, the version of this one, and the
/// amount. Returns the sum.
pub(super) static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/write.lua"),
        include_str!("lua/add.lua")
    ))
});

/// Puts a member into an index: its score and itself, the score up to which members go, and now in milliseconds.
pub(super) static INDEX: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/index.lua")));
