//! The axum routes of accounts.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Extension, Path},
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::{
    answer::{RouteError, RouteResult, no_store},
    body::{FormFields, JsonOrForm},
    caller::Caller,
    mount::{AccountRoutes, Mount},
    second, services,
};
#[cfg(feature = "dpop")]
use crate::authenticate::Authenticate;
use crate::{
    account::{
        attempt::{Credentials, NewDevice},
        login::Accounts,
    },
    clock::Timestamp,
    identity::Identity,
    layer::AuthLayer,
    refresh::{DeviceInfo, Fingerprint},
    rejection::Rejection,
    secret::Secret,
    session::Session,
};

/// Returns the routes of `accounts`, to be nested under a prefix or merged. See the [module](super)
/// for their responses; [`AccountRoutes`] has the settings.
///
/// Serve the application with `into_make_service_with_connect_info::<SocketAddr>()`. Without the
/// client's address attempts cannot be counted, and logins are refused with 500.
pub fn accounts<U, S>(accounts: Accounts<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    AccountRoutes::builder(accounts).build()
}

pub(crate) fn router<U, S>(mount: Mount<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let token_body_limit = DefaultBodyLimit::max(MAX_TOKEN_BODY_BYTES);
    let cross_site = CsrfLayer::new().with_rejection_response(|error: ProtectionError| {
        let rejection = Rejection::cross_site("cross-site request");
        rejection.with_source(error).into_response()
    });
    let authenticated: Router<S> = Router::new()
        .route("/logout_all", post(logout_all::<U>))
        .route("/active_sessions", get(active_sessions::<U>))
        .route("/active_sessions/{id}", delete(revoke::<U>))
        .route(
            "/revoke_other_session",
            post(revoke_other::<U>).layer(token_body_limit),
        )
        .route("/password", post(password::<U>))
        .merge(second::authenticated_routes(&mount));
    let authenticated = require_access_token(&mount, authenticated);
    let mut public = Router::new()
        .route("/login", post(login::<U>))
        .route("/refresh", post(refresh::<U>).layer(token_body_limit))
        .route("/logout", post(logout::<U>).layer(token_body_limit))
        .merge(second::public_routes(&mount))
        .merge(services::router(&mount));
    if let Some(sessions) = mount.accounts.sessions() {
        let cookie = AuthLayer::new(sessions.clone());
        let login = post(session_login::<U>).route_layer(cookie.clone().optional());
        public = public
            .route("/session/login", login)
            .route("/session/logout", post(session_logout).route_layer(cookie));
    }
    public
        .route_layer(cross_site)
        .merge(authenticated)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(mount))
}

/// Requires an access token. A token that is bound to a key needs a proof of that key.
fn require_access_token<U, S>(mount: &Mount<U>, authenticated: Router<S>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let pairs = mount.accounts.pairs();
    #[cfg(feature = "dpop")]
    if let Some(dpop) = &mount.dpop {
        let bound = dpop.protect(pairs.clone());
        return authenticated.route_layer(AuthLayer::new(pairs.clone().or(bound)));
    }
    authenticated.route_layer(AuthLayer::new(pairs.clone()))
}

async fn login<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<FormFields>,
) -> RouteResult {
    let credentials = credentials(&mount, &form)?;
    let device = NewDevice {
        name: form.text("device_name").map(str::to_owned),
        user_agent: caller.user_agent.clone(),
        fingerprint: fingerprint(form.get("fingerprint"))?,
    };
    device.check()?;
    let accounts = &mount.accounts;
    #[cfg(feature = "dpop")]
    let proof = caller.proof(&mount)?;
    let proved = accounts
        .prove(&credentials, &caller.origin(&mount)?)
        .await?;
    #[cfg(feature = "dpop")]
    let proved = match proof {
        Some(proof) => proved.bound_to(proof.use_up().await?),
        None => proved,
    };
    let device_token = accounts.device_token(&proved);
    let pair = accounts.finish_login(proved, device).await?;
    mount.with_device_cookie(mount.pair_response(&pair)?, &device_token)
}

async fn session_login<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    session: Session,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<FormFields>,
) -> RouteResult {
    let credentials = credentials(&mount, &form)?;
    let accounts = &mount.accounts;
    let proved = accounts
        .prove(&credentials, &caller.origin(&mount)?)
        .await?;
    let device_token = accounts.device_token(&proved);
    accounts.finish_session(proved, &session).await?;
    mount.with_device_cookie(StatusCode::NO_CONTENT.into_response(), &device_token)
}

async fn session_logout(session: Session) -> RouteResult {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn credentials<U>(mount: &Mount<U>, form: &FormFields) -> Result<Credentials, RouteError> {
    let (name, password) = (
        form.text(&mount.name_field),
        form.text(&mount.password_field),
    );
    let (Some(name), Some(password)) = (name, password) else {
        return Err(RouteError::unprocessable(
            "a name and a password are required, as strings",
        ));
    };
    Ok(Credentials {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
    })
}

#[derive(Deserialize)]
struct RefreshForm {
    refresh_token: Option<String>,
    fingerprint: Option<Value>,
}

async fn refresh<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = mount.refresh_token(&caller, form.refresh_token)?;
    let fingerprint = fingerprint(form.fingerprint.as_ref())?;
    let pairs = mount.accounts.pairs();
    #[cfg(feature = "dpop")]
    if let Some(proof) = caller.proof(&mount)? {
        // A proof is stored only for a genuine refresh token, so that nobody else can fill the
        // store.
        let key = if pairs.is_ours(token.expose()) {
            proof.use_up().await?
        } else {
            proof.key().clone()
        };
        let pair = pairs.refresh_bound(token.expose(), fingerprint.as_ref(), &key);
        return mount.pair_response(&pair.await?);
    }
    let pair = pairs.refresh(token.expose(), fingerprint.as_ref()).await?;
    mount.pair_response(&pair)
}

async fn logout<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = mount.refresh_token(&caller, form.refresh_token)?;
    mount.accounts.pairs().logout(token.expose()).await?;
    Ok(mount.without_refresh_cookie(StatusCode::NO_CONTENT.into_response()))
}

async fn logout_all<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
) -> RouteResult {
    mount
        .accounts
        .revoke_all(caller.subject().id())
        .await
        .map_err(Rejection::from)?;
    Ok(mount.without_refresh_cookie(StatusCode::NO_CONTENT.into_response()))
}

/// A device in the form that its user sees, with times in seconds since 1970.
#[derive(Serialize)]
struct DeviceView {
    id: String,
    device_name: Option<String>,
    user_agent: Option<String>,
    created_at: u64,
    last_used_at: u64,
    current: bool,
}

impl DeviceView {
    fn new(device: DeviceInfo, current_id: Option<&str>) -> Self {
        let seconds = |at: Timestamp| at.as_secs();
        Self {
            current: current_id == Some(&*device.id),
            id: device.id,
            device_name: device.device_name,
            user_agent: device.user_agent,
            created_at: seconds(device.created_at),
            last_used_at: seconds(device.last_used_at),
        }
    }
}

async fn active_sessions<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
) -> RouteResult {
    let devices = mount.accounts.pairs().list(caller.subject().id()).await;
    let devices = devices.map_err(Rejection::from)?.into_iter();
    let shown: Vec<_> = devices
        .map(|device| DeviceView::new(device, caller.session_id()))
        .collect();
    Ok(no_store(Json(shown)))
}

async fn revoke<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
    Path(id): Path<String>,
) -> RouteResult {
    let revoked = mount
        .accounts
        .pairs()
        .revoke(caller.subject().id(), &id)
        .await;
    if revoked.map_err(Rejection::from)? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(RouteError::new(StatusCode::NOT_FOUND, "no such session"))
    }
}

async fn revoke_other<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    identity: Identity,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = mount.refresh_token(&caller, form.refresh_token)?;
    mount
        .accounts
        .pairs()
        .revoke_others(&identity, token.expose())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct PasswordForm {
    current: String,
    new: String,
}

async fn password<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    identity: Identity,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<PasswordForm>,
) -> RouteResult {
    let (current, new) = (Secret::new(form.current), Secret::new(form.new));
    let origin = caller.origin(&mount)?;
    let accounts = &mount.accounts;
    accounts
        .change_password(&identity, &current, new.expose(), &origin)
        .await?;
    let response = mount.without_refresh_cookie(StatusCode::NO_CONTENT.into_response());
    // Known under the old password, the device would be unknown now. The password has been changed,
    // so a failure here fails nothing.
    match accounts.device_token_of(identity.subject().id()).await {
        Ok(Some(device_token)) => mount.with_device_cookie(response, &device_token),
        Ok(None) => Ok(response),
        Err(error) => {
            tracing::warn!(%error, "a device could not be marked as known after a password change");
            Ok(response)
        }
    }
}

fn fingerprint(value: Option<&Value>) -> Result<Option<Fingerprint>, Rejection> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Fingerprint::new(value).map(Some),
    }
}

/// Enough for four fingerprints; a password has at most four kilobytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Large enough that an oversized token is refused as a token, not as a body.
const MAX_TOKEN_BODY_BYTES: usize = 128 * 1024;
