//! From a code in a header to a stronger identity.

use std::time::Duration;

use http::HeaderName;

use super::engine::Otp;
use crate::{
    authenticate::{Authenticate, Verified},
    identity::{Factor, Identity},
    rejection::{Rejection, RejectionKind},
    request::credential::{Credential, CredentialSource},
};

/// Verifies the code of whom an outer layer has authenticated.
impl Authenticate for Otp {
    type User = ();

    fn source(&self) -> CredentialSource {
        CredentialSource::header(HEADER)
    }

    fn builds_on_outer(&self) -> bool {
        true
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "otp"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<()>, Rejection> {
        let outer = self.outer(presented.outer())?;
        let verdict = self.verify(outer.subject().id(), presented.expose()).await;
        let at = verdict.map_err(|refusal| self.asks_again(refusal))?;
        if let Some(memory) = presented.memory() {
            memory.remember_proof(&Factor::Otp, at).await?;
        }
        let identity = outer.clone().with_factor(Factor::Otp, at);
        Ok(Verified::identity_only(identity))
    }

    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<()>, Rejection> {
        let outer = self.outer(outer)?;
        match outer.is_fresh(&Factor::Otp, self.within) {
            true => Ok(Verified::identity_only(outer.clone())),
            false => Err(super::stale(self.within)),
        }
    }
}

impl Otp {
    /// The same engine with another limit for [`OtpGuard`](crate::layer::OtpGuard).
    pub(crate) const fn taking_proofs_within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    fn outer<'a>(&self, outer: Option<&'a Identity>) -> Result<&'a Identity, Rejection> {
        let outer = outer.ok_or_else(|| {
            Rejection::misconfigured(
                "OtpGuard has no identity: put a JwtLayer or SessionLayer that requires one around it",
            )
        })?;
        if !self.is_ours(outer) {
            return Err(Rejection::misconfigured(
                "OtpGuard has an identity of another issuer: give Otp, Jwt and Sessions the same `issuer`",
            ));
        }
        Ok(outer)
    }

    /// A wrong code leaves the outer credential as good as it was: `invalid_token` would make clients throw it away.
    pub(crate) fn asks_again(&self, refusal: Rejection) -> Rejection {
        match refusal.kind() {
            RejectionKind::Invalid => super::step_up(self.within, "no right code was given"),
            _ => refusal,
        }
    }
}

/// Not a header of the protocol, so a browser sends it only where a page's script does.
const HEADER: HeaderName = HeaderName::from_static("x-otp");
