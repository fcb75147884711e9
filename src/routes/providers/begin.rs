//! Redirects a browser to a provider.

use std::time::Duration;

use axum::{
    Form,
    extract::{Extension, Path, rejection::FormRejection},
    http::{StatusCode, header},
};
use serde::Serialize;

use super::{
    super::{
        answer::{RouteError, RouteResult},
        caller::Caller,
    },
    state::{ProviderState, see_other},
};

/// The parameters of a query or a form, in their order.
pub(super) type Parameters = Result<Form<Vec<(String, String)>>, FormRejection>;

pub(super) async fn begin<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<ProviderState<U>>,
    Path(provider): Path<String>,
    caller: Caller,
    parameters: Parameters,
) -> RouteResult {
    let oauth = state.provider(&provider)?;
    let mut login = oauth.authorize();
    let parameters = parameters.map(|Form(all)| all).unwrap_or_default();
    // A parameter that occurs twice is ignored.
    let parameter = |wanted: &str| {
        let mut values = parameters.iter().filter(|(name, _)| name == wanted);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    if let Some(page) = parameter("return_to") {
        login = login.return_to(page);
    }
    if let Some(age) = parameter("max_age").filter(|_| oauth.provider().supports_max_age()) {
        let seconds = age.parse();
        let seconds = seconds.map_err(|_| {
            RouteError::new(
                StatusCode::BAD_REQUEST,
                "max_age must be a number of seconds",
            )
        })?;
        login = login.max_age(Duration::from_secs(seconds));
    }
    login = login.cookies(caller.headers());
    match login.await {
        Ok(started) => {
            let mut response = see_other(&started.url)?;
            let headers = response.headers_mut();
            for cookie in started.clear_cookies {
                headers.append(header::SET_COOKIE, cookie);
            }
            headers.append(header::SET_COOKIE, started.set_cookie);
            Ok(response)
        }
        Err(error) => state.login_failed(&error),
    }
}
