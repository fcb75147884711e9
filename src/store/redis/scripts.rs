//! The Lua scripts, each of which Redis runs as one atomic step. A script touches one key and
//! writes as its last action, so an error means that nothing was written.
//!
//! Lua's numbers are doubles, and its order of strings depends on the locale. So versions are
//! compared for equality as bytes, and times as two halves of 32 bits.

use std::sync::LazyLock;

use fred::util::sha1_hash;

/// A script and the hash that identifies it on the server.
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

/// Writes under a condition: `now`, the time to live (empty for no expiry, `0` to remove), the
/// entry, and the expected version, empty if there must be no entry. Returns 1 if the condition
/// held.
pub(super) static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/write.lua"),
        include_str!("lua/put.lua")
    ))
});

/// Removes and returns the live entry: `now`, and the required group, empty for any.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/take.lua")
    ))
});

/// Adds to a number: `now`, the time to live and the expiry for a first addition, the version of
/// this write, and the amount. Returns the sum.
pub(super) static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/live.lua"),
        include_str!("lua/write.lua"),
        include_str!("lua/add.lua")
    ))
});

/// Adds a member to an index: its score and itself, the score up to which members are removed, and
/// now in milliseconds.
pub(super) static INDEX: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/index.lua")));
