//! The parts of a token engine, without the application's type.

use std::{sync::Arc, time::Duration};

use super::{claim_map::ForeignRules, claims::Rules, envelope::Envelope, revocation::TokenList};
use crate::clock::Clock;

pub(super) struct EngineInner {
    pub(super) envelope: Box<dyn Envelope>,
    pub(super) rules: Rules,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
    pub(super) foreign: Option<ForeignRules>,
}
