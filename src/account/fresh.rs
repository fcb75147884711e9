//! The recent proof that sensitive operations require.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    identity::{Factor, Identity},
    rejection::Rejection,
};

/// Refuses a caller who has not given `factor` in the last five minutes.
pub(super) fn require_fresh(
    caller: &Identity,
    factor: &Factor,
    now: Timestamp,
) -> Result<(), Rejection> {
    let caller = caller.clone().checked_again_at(now);
    if caller.is_fresh(factor, FRESH) {
        return Ok(());
    }
    let acr = factor.as_amr().to_owned().into();
    let reason = "the proof is too old or missing";
    Err(Rejection::step_up(Some(FRESH), Some(acr), reason))
}

/// The maximum age of a proof for operations that only the owner should perform.
pub(crate) const FRESH: Duration = Duration::from_secs(5 * 60);
