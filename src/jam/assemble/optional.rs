//! The engines of optional features. Each function adds one if its table is stated and its feature
//! is compiled in; [`features`](super::features) has rejected tables without their feature before.

#[cfg(all(feature = "refresh", not(feature = "account")))]
pub(super) use self::without_accounts::USER_SOURCES;
#[cfg(not(feature = "account"))]
pub(super) use self::without_accounts::{SharedUsers, account_users, add_accounts, user_reader};
#[cfg(feature = "account")]
pub(super) use super::accounts::{
    SharedUsers, USER_SOURCES, account_users, add_accounts, user_reader,
};
#[cfg(feature = "otp")]
pub(super) use super::otp::add_otp;
#[cfg(feature = "refresh")]
pub(super) use super::pairs::add_pairs;
#[cfg(feature = "paseto")]
pub(super) use super::pasetos::add_paseto;
#[cfg(feature = "oauth2")]
pub(super) use super::providers::add_providers;

#[cfg(not(feature = "account"))]
mod without_accounts {
    use std::{marker::PhantomData, sync::Arc};

    use crate::{
        error::ConfigError,
        grant::ReadUser,
        jam::{Engines, assemble::parts::EngineParts},
    };

    pub(crate) type SharedUsers<U> = PhantomData<fn() -> U>;

    pub(crate) fn account_users<U>(
        _: &EngineParts<'_>,
        _: Option<&SharedUsers<U>>,
        _: &mut Engines<U>,
    ) -> Option<SharedUsers<U>> {
        None
    }

    pub(crate) fn user_reader<U>(
        _: &EngineParts<'_>,
        reader: Option<&Arc<dyn ReadUser<U>>>,
        _: Option<&SharedUsers<U>>,
        _: Option<&SharedUsers<U>>,
    ) -> Option<Arc<dyn ReadUser<U>>> {
        reader.cloned()
    }

    #[allow(clippy::unnecessary_wraps, reason = "as with accounts")]
    pub(crate) fn add_accounts<U>(
        _: &EngineParts<'_>,
        _: &mut Engines<U>,
        _: Option<&SharedUsers<U>>,
    ) -> Result<(), ConfigError> {
        Ok(())
    }

    #[cfg(feature = "refresh")]
    pub(crate) const USER_SOURCES: &str = "call `JamBuilder::read_user`";
}

/// Defines functions that add nothing, for features that are not compiled in.
macro_rules! absent {
    ($($feature:literal => $name:ident($($argument:ty),*);)*) => {
        $(
            #[cfg(not(feature = $feature))]
            #[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
            pub(super) fn $name<U>(
                _: &super::parts::EngineParts<'_>,
                _: &mut crate::jam::Engines<U>,
                $(_: $argument,)*
            ) -> Result<(), crate::error::ConfigError> {
                Ok(())
            }
        )*
    };
}

absent! {
    "paseto" => add_paseto();
    "otp" => add_otp();
    "refresh" => add_pairs(Option<std::sync::Arc<dyn crate::grant::ReadUser<U>>>);
}

#[cfg(not(feature = "oauth2"))]
#[allow(clippy::unused_async, reason = "discovery waits for the network")]
pub(super) async fn add_providers<U>(
    _: &super::parts::EngineParts<'_>,
    _: &mut crate::jam::Engines<U>,
) -> Result<(), crate::error::ConfigError> {
    Ok(())
}
