//! The in-process store.
use super::*;
/// A.
#[derive(Debug, Default)]
pub struct MemoryStore;
