//! The account name under which attempts are counted.

use super::users::User;
use crate::secret;

/// Returns the account name under which attempts are counted. All spellings of the name of one user
/// of `issuer` share it, as long as the password is the same. An unknown name stands for itself.
pub(super) fn throttle_key<U>(issuer: &str, user: Option<&User<U>>, name: &str) -> String {
    // The length keeps the issuer's text apart from the name.
    let length = issuer.len();
    let Some(user) = user else {
        return format!("{length} {issuer} name {name}");
    };
    let [a, b, c, d, ..] = secret::hash([user.password_hash.expose().as_bytes()]);
    let password = u32::from_be_bytes([a, b, c, d]);
    format!(
        "{length} {issuer} user {password:08x} {}",
        user.grant.subject()
    )
}
