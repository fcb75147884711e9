//! The routes of logins with providers, for axum.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Extension, Path, rejection::FormRejection},
    http::{HeaderValue, Method, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    answer::{Answer, Problem},
    attempt::{LoginError, NewDevice},
    caller::Caller,
    challenge::Challenge,
    cookies::{self, CHALLENGE_LIFE},
    external::LinkUser,
    login::Accounts,
    mount::{add_cookie, refresh_cookie},
};
use crate::{
    clock::Timestamp,
    cookie::CookieSpec,
    error::ConfigError,
    layer::AuthLayer,
    oauth2::{Callback, Login, OAuth2, OAuthError},
    rejection::Rejection,
    session::Session,
};

/// The routes of logins with `providers`: `/oauth/{provider}/login` and `/oauth/{provider}/callback`. `link` says which user of
/// this application somebody is. See the [module](super) for the rules; [`OAuthRoutes`] has the settings.
///
/// # Errors
///
/// When two providers have one name, or the accounts have no sessions, in which a login could end.
pub fn oauth_routes<U, S>(
    accounts: Accounts<U>,
    providers: impl IntoIterator<Item = OAuth2>,
    link: impl LinkUser,
) -> Result<Router<S>, ConfigError>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    OAuthRoutes::new(accounts, providers, link).build()
}

/// Builds the routes of logins with providers.
#[must_use]
pub struct OAuthRoutes<U>(Mount<U>);

struct Mount<U> {
    accounts: Accounts<U>,
    providers: Arc<[OAuth2]>,
    link: Arc<dyn LinkUser>,
    failure_page: Option<String>,
    second_step_page: Option<String>,
    refresh_cookie: Option<CookieSpec>,
    login_is_proof: bool,
}

impl<U> OAuthRoutes<U>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The routes for `accounts` and `providers`, with the defaults.
    pub fn new(
        accounts: Accounts<U>,
        providers: impl IntoIterator<Item = OAuth2>,
        link: impl LinkUser,
    ) -> Self {
        Self(Mount {
            accounts,
            providers: providers.into_iter().collect(),
            link: Arc::new(link),
            failure_page: None,
            second_step_page: None,
            refresh_cookie: None,
            login_is_proof: false,
        })
    }

    /// Sends a browser whose login failed to this path, with `?error=` and a word for the reason: those of
    /// [`OAuthError::code`], and `unknown_user`. Default: the answer is a problem of RFC 9457.
    pub fn failure_page(mut self, path: &str) -> Self {
        self.0.failure_page = Some(path.to_owned());
        self
    }

    /// Sends a browser whose user has a second factor to this path, with the challenge in a cookie that only `/login/otp`
    /// of [`routes`](super::routes()) reads: the page there posts the code alone. Default: the answer is the problem with the
    /// challenge that `/login` gives.
    pub fn second_step_page(mut self, path: &str) -> Self {
        self.0.second_step_page = Some(path.to_owned());
        self
    }

    /// Ends logins in a pair of tokens instead of a session: the refresh token in the cookie of
    /// [`RoutesBuilder::refresh_cookie`](super::RoutesBuilder::refresh_cookie), from which the page gets its first access token.
    /// No token is ever in a URL.
    ///
    /// # Errors
    ///
    /// When `prefix` is no path.
    pub fn refresh_cookie(mut self, prefix: &str) -> Result<Self, ConfigError> {
        self.0.refresh_cookie = Some(refresh_cookie(prefix)?);
        Ok(self)
    }

    /// Counts a login with a provider that does not say when its user gave a proof, such as GitHub, as a proof of this moment.
    /// Default: its age is unknown, and it is fresh for nothing, since such a provider sends whoever sits at an unlocked
    /// browser back without a question. Users who have neither a password nor a provider that tells can then not enrol an
    /// authenticator.
    pub fn dangerous_login_is_proof(mut self) -> Self {
        self.0.login_is_proof = true;
        self
    }

    /// The routes, for a router of any state.
    ///
    /// # Errors
    ///
    /// When two providers have one name, the accounts have no sessions and there is no refresh cookie, or one of the pages is no
    /// path on this origin.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Result<Router<S>, ConfigError> {
        let mount = self.0;
        let names = || mount.providers.iter().map(|it| it.provider().name());
        if names().any(|name| names().filter(|other| *other == name).count() > 1) {
            return Err(ConfigError::new("providers", "two have one name"));
        }
        let is_path = |path: &String| path.starts_with('/') && !path.starts_with("//");
        for (setting, page) in [
            ("failure_page", &mount.failure_page),
            ("second_step_page", &mount.second_step_page),
        ] {
            if !page.as_ref().is_none_or(is_path) {
                return Err(ConfigError::new(setting, "is not a path on this origin"));
            }
        }
        // A form that a provider's page posts comes from another site. It passes by its state alone.
        let callback = get(finish::<U>).post(finish::<U>);
        let callback = match (mount.accounts.sessions(), &mount.refresh_cookie) {
            (_, Some(_)) => callback,
            (Some(sessions), None) => {
                let layer = AuthLayer::new(sessions.clone()).optional();
                callback.route_layer(layer.dangerous_allow_cross_site())
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "refresh_cookie",
                    "is not set, and the accounts have no sessions: a login could end in neither",
                ));
            }
        };
        Ok(Router::new()
            .route("/oauth/{provider}/login", get(begin::<U>))
            .route("/oauth/{provider}/callback", callback)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(Extension(mount)))
    }
}

/// The parameters of a query or a form, in their order.
type Parameters = Result<Form<Vec<(String, String)>>, FormRejection>;

async fn begin<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    Path(provider): Path<String>,
    caller: Caller,
    parameters: Parameters,
) -> Answer {
    let oauth = mount.provider(&provider)?;
    let mut login = oauth.authorize();
    let parameters = parameters.map(|Form(all)| all).unwrap_or_default();
    // Two are none: the default page.
    let one = |wanted: &str| {
        let mut values = parameters.iter().filter(|(name, _)| name == wanted);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    if let Some(page) = one("return_to") {
        login = login.return_to(page);
    }
    if let Some(age) = one("max_age").filter(|_| oauth.provider().tells_age()) {
        let seconds = age.parse();
        let seconds = seconds
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "max_age is a number of seconds"))?;
        login = login.max_age(Duration::from_secs(seconds));
    }
    if let Ok(Some(cookie)) = caller.cookie(oauth.cookie().cookie_name()) {
        login = login.cookie(cookie.expose());
    }
    match login.await {
        Ok(started) => {
            let mut answer = see_other(&started.url)?;
            let headers = answer.headers_mut();
            headers.append(header::SET_COOKIE, started.set_cookie);
            Ok(answer)
        }
        Err(error) => mount.failed(&error),
    }
}

async fn finish<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    Path(provider): Path<String>,
    session: Option<Extension<Session>>,
    caller: Caller,
    method: Method,
    parameters: Parameters,
) -> Answer {
    let oauth = mount.provider(&provider)?;
    if method == Method::POST && !oauth.provider().posts_form() {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this provider answers by a redirect",
        ));
    }
    let login = match mount.login(oauth, &caller, parameters).await {
        Ok(login) => login,
        Err(error) => return mount.failed(&error),
    };
    let authenticated_at = login.profile.authenticated_at();
    let at = authenticated_at.unwrap_or_else(|| match mount.login_is_proof {
        true => mount.accounts.inner.clock.now(),
        false => Timestamp::from_secs(0),
    });
    let return_to = login.return_to.clone();
    let user = mount.link.link(login).await.map_err(Rejection::from)?;
    let Some(user) = user else {
        return mount.unknown_user();
    };
    let remembered = caller.cookie(cookies::remembered().cookie_name())?;
    let accounts = &mount.accounts;
    let proved = accounts.prove_external(&user, at, remembered.as_ref());
    let Some(proved) = proved.await? else {
        return mount.unknown_user();
    };
    let mut answer = see_other(&return_to)?;
    if let Some(cookie) = &mount.refresh_cookie {
        let device = NewDevice {
            user_agent: caller.user_agent.clone(),
            ..NewDevice::default()
        };
        let pair = match mount.accounts.finish_login(proved, device).await {
            Err(LoginError::OtpRequired(challenge)) => return mount.second_step(challenge),
            finished => finished?,
        };
        let cookie = cookie.set(pair.refresh_token.expose(), pair.refresh_expires_in);
        add_cookie(&mut answer, cookie)?;
        return Ok(answer);
    }
    let Some(Extension(session)) = session else {
        return Err(Rejection::misconfigured("the layer gives no session").into());
    };
    match mount.accounts.finish_session(proved, &session).await {
        Err(LoginError::OtpRequired(challenge)) => mount.second_step(challenge),
        finished => finished.map(|_| answer).map_err(Into::into),
    }
}

impl<U> Mount<U> {
    fn provider(&self, name: &str) -> Result<&OAuth2, Problem> {
        let mut providers = self.providers.iter();
        let found = providers.find(|oauth| oauth.provider().name() == name);
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such provider"))
    }

    async fn login(
        &self,
        oauth: &OAuth2,
        caller: &Caller,
        parameters: Parameters,
    ) -> Result<Login, OAuthError> {
        let unreadable = |_| OAuthError::Malformed("the answer is no form");
        let Form(parameters) = parameters.map_err(unreadable)?;
        let callback = Callback::read(parameters)?;
        // Two cookies that differ: another domain may have set one.
        let cookie = caller.cookie(oauth.cookie().cookie_name());
        let cookie = cookie.map_err(|_| OAuthError::UnknownState)?;
        let cookie = cookie.as_ref().map(|cookie| cookie.expose().as_str());
        oauth.finish(callback, cookie).await
    }

    /// The page that asks for a code finds the challenge in a cookie, from which `/login/otp` reads it.
    fn second_step(&self, challenge: Challenge) -> Answer {
        let Some(page) = &self.second_step_page else {
            return Err(LoginError::OtpRequired(challenge).into());
        };
        let mut answer = see_other(page)?;
        let cookie = cookies::challenge().set(challenge.expose(), CHALLENGE_LIFE);
        add_cookie(&mut answer, cookie)?;
        Ok(answer)
    }

    fn failed(&self, error: &OAuthError) -> Answer {
        let status = error.status();
        match status.is_server_error() {
            true => tracing::error!(%error, cause = ?error, "a login with a provider failed"),
            false => tracing::debug!(%error, "a login with a provider is refused"),
        }
        if let Some(answer) = self.failure(error.code()) {
            return answer;
        }
        let mut answer = Problem::new(status, error.to_string()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Ok(answer)
    }

    fn unknown_user(&self) -> Answer {
        self.failure("unknown_user").unwrap_or_else(|| {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this user of the provider has no account here",
            ))
        })
    }

    fn failure(&self, code: &str) -> Option<Answer> {
        let page = self.failure_page.as_ref()?;
        let joint = if page.contains('?') { '&' } else { '?' };
        Some(see_other(&format!("{page}{joint}error={code}")))
    }
}

/// 303: a browser that posted goes on with a GET, and its form to nobody else (RFC 9700 section 4.12). The next page learns
/// nothing of the address with the code in it.
fn see_other(to: &str) -> Answer {
    let to = HeaderValue::try_from(to);
    let to = to.map_err(|_| Rejection::misconfigured("a page's address is no header"))?;
    let headers = [
        (header::LOCATION, to),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

impl<U> Clone for Mount<U> {
    fn clone(&self) -> Self {
        Self {
            accounts: self.accounts.clone(),
            providers: Arc::clone(&self.providers),
            link: Arc::clone(&self.link),
            failure_page: self.failure_page.clone(),
            second_step_page: self.second_step_page.clone(),
            refresh_cookie: self.refresh_cookie.clone(),
            login_is_proof: self.login_is_proof,
        }
    }
}

impl<U> fmt::Debug for OAuthRoutes<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthRoutes")
            .field("providers", &self.0.providers)
            .field("failure_page", &self.0.failure_page)
            .finish_non_exhaustive()
    }
}

/// A user can wait for a provider to come back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// A code of 4 KB, in the form of a form.
const MAX_BODY_BYTES: usize = 32 * 1024;
