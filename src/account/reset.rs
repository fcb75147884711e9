//! Resetting the second factor of a user who can no longer prove it.

use serde::Serialize;

use super::login::Accounts;
use crate::rejection::Rejection;

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Removes the second factor of `subject` without a code. Returns `false` if there was none.
    ///
    /// This is for an operator who has verified in another way that the owner asks for it: the
    /// phone and recovery codes are lost, or the record of codes
    /// [cannot be read](crate::RejectionKind::FactorLost). The next login requires only the
    /// password, and a new factor is enrolled like a first one. Devices that are remembered now
    /// must then give codes of the new factor.
    ///
    /// # Errors
    ///
    /// When there is no such user, or a store does not answer.
    pub async fn dangerous_reset_second_factor(&self, subject: &str) -> Result<bool, Rejection> {
        let inner = &*self.inner;
        let user = inner.users.read(subject).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user no longer exists"))?;
        // In this order: a flag without a record would lock the owner out.
        if user.has_second_factor {
            inner.users.set_second_factor(subject, false).await?;
        }
        let was_enrolled = match self.otp() {
            Some(otp) => otp.dangerous_disable(subject).await?,
            None => false,
        };
        Ok(user.has_second_factor || was_enrolled)
    }
}
