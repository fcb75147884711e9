//! Authenticates the code of a header, and adds the factor to the identity.

use http::HeaderName;

use super::{engine::Otp, inner::OtpInner, stale};
use crate::{
    authenticate::{Authenticate, Verified},
    identity::{Factor, Identity},
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

/// Verifies a code of the caller that an outer layer has authenticated.
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
        let outer = checked_outer(&self.inner, presented.outer())?;
        let result = self.verify(outer.subject().id(), presented.expose()).await;
        let at = result.map_err(|rejection| self.or_step_up(rejection))?;
        if let Some(memory) = presented.memory() {
            memory.remember_proof(&Factor::Otp, at).await?;
        }
        let identity = outer.clone().with_factor(Factor::Otp, at);
        Ok(Verified::identity_only(identity))
    }

    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<()>, Rejection> {
        let outer = checked_outer(&self.inner, outer)?;
        if outer.is_fresh(&Factor::Otp, self.within) {
            Ok(Verified::identity_only(outer.clone()))
        } else {
            Err(stale(self.within))
        }
    }
}

/// Returns the identity of the outer layer, which must be of the same issuer.
fn checked_outer<'a>(
    otp: &OtpInner,
    outer: Option<&'a Identity>,
) -> Result<&'a Identity, Rejection> {
    let outer = outer.ok_or_else(|| {
        Rejection::misconfigured(
            "OtpGuard has no identity: put a JwtLayer or SessionLayer that requires one around it",
        )
    })?;
    if !otp.is_ours(outer) {
        return Err(Rejection::misconfigured(
            "OtpGuard has an identity of another issuer: give Otp, Jwt and Sessions the same `issuer`",
        ));
    }
    Ok(outer)
}

/// Not a standard header, so a browser sends it only if a script of the page does.
const HEADER: HeaderName = HeaderName::from_static("x-otp");
