//! What an operator does for somebody who can prove nothing any more.

use serde::Serialize;

use super::login::Accounts;
use crate::rejection::Rejection;

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Takes the second factor of `subject` away without a code, for an operator who has made sure in another way that its owner
    /// asks: telephone and recovery codes are gone, or the record of its codes
    /// [does not open](crate::RejectionKind::FactorLost). The next login takes a password alone, and enrols a factor like a first
    /// one. Devices that gave no code ask for the next one's. `false` if there was none.
    ///
    /// # Errors
    ///
    /// When there is no such user, or a store does not answer.
    pub async fn dangerous_reset_second_factor(&self, subject: &str) -> Result<bool, Rejection> {
        let inner = &*self.inner;
        let user = inner.users.read(subject).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user is gone"))?;
        // In this order: a flag without a record would lock its owner out.
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
