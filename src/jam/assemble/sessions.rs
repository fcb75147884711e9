//! Builds sessions.

use std::sync::Arc;

use serde::Serialize;

use super::{keys, parts::EngineParts};
use crate::{
    config::settings::SessionSettings, env::Env, error::ConfigError, grant::ReadUser,
    request::cookie::CookieSpec, session::Sessions,
};

pub(in crate::jam::assemble) fn sessions<U: Serialize + Send + Sync + 'static>(
    parts: &EngineParts<'_>,
    settings: &SessionSettings,
    users: Option<Arc<dyn ReadUser<U>>>,
) -> Result<Sessions<U>, ConfigError> {
    let about = |error| parts.location.engine_error("session", error);
    let own = settings.secret_file.as_deref();
    let own = own.map(|file| keys::secret_from_file(file, "session.secret_file", parts.location));
    let own = own.transpose()?;
    let env = match own {
        Some(secret) => &Env {
            secret,
            ..parts.env.clone()
        },
        None => parts.env,
    };
    let mut builder = Sessions::builder(env);
    if let Some(idle) = settings.idle {
        builder = builder.idle_timeout(idle.0);
    }
    if let Some(absolute) = settings.absolute {
        builder = builder.absolute_timeout(absolute.0);
    }
    if let Some(name) = &settings.cookie {
        let cookie = CookieSpec::new(name);
        let about = |error| parts.location.locate(error, "session.cookie");
        builder = builder.cookie(cookie.map_err(about)?);
    }
    if let Some(users) = users {
        builder = builder.users(users);
    }
    if let Some(max_age) = settings.user_max_age {
        builder = builder.user_max_age(max_age.0);
    }
    if settings.dangerous_plain_records {
        builder = builder.dangerous_plain_records();
    }
    builder.build().map_err(about)
}
