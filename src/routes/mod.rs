//! Routes for axum: [`accounts`], logins with providers, and the endpoints that other services use.
//!
//! # Routes
//!
//! Requests are JSON or a form, responses are JSON, and errors are `application/problem+json` (RFC
//! 9457). Every response with a token is `no-store`. Cross-site requests are refused.
//!
//! Each route with its credential, if it requires one, and its responses:
//!
//! * POST `/login` `{username, password, device_name?, fingerprint?}`: 200 with a pair · 401 · 429;
//!   with a second factor 401 with `error: "otp_required"` and `challenge`.
//! * POST `/login/otp` `{challenge, code, mode?: "tokens" or "session", remember?}`: 200 with a
//!   pair, or 204 with the session cookie · 401 `wrong_code`, `challenge_over` · 403 the record of
//!   codes cannot be read · 429.
//! * POST `/refresh` `{refresh_token, fingerprint?}`: 200 with a pair · 400 empty · 401.
//! * POST `/logout` `{refresh_token}`: 204, also for a revoked device · 400 empty · 401 not issued
//!   here.
//! * POST `/logout_all` (Bearer): 204.
//! * GET `/active_sessions` (Bearer): 200
//!   `[{id, device_name, user_agent, created_at, last_used_at, current}]`.
//! * POST `/revoke_other_session` `{refresh_token}` (Bearer): 204 · 401 not the caller's own.
//! * DELETE `/active_sessions/{id}` (Bearer): 204 · 404, also for another user's.
//! * POST `/password` `{current, new}` (Bearer, logged in within 5 minutes): 204 with the device
//!   cookie · 401 · 422 · 429.
//! * POST `/session/login` `{username, password}`: 204 with the session cookie · 401 as for
//!   `/login` · 429.
//! * POST `/session/logout` (session cookie): 204.
//! * POST `/otp/enroll` `{account?}` (Bearer, logged in within 5 minutes; with an authenticator
//!   already, a fresh code): 200 `{secret, uri, qr_svg}`.
//! * POST `/otp/confirm` `{code}` (Bearer, logged in within 5 minutes; with an authenticator
//!   already, a fresh code): 200 `{recovery_codes}` · 401.
//! * DELETE `/otp` (Bearer and a fresh code): 204.
//! * POST `/otp/recovery_codes` (Bearer and a fresh code): 200 `{recovery_codes}`.
//! * GET `/remembered_devices` (Bearer): 200 `[{id, name, created_at, expires_at}]`.
//! * DELETE `/remembered_devices/{id}` (Bearer): 204 · 404, also for another user's.
//! * POST `/introspect` `token` (a form) (Basic, of a [service](AccountRoutes::service)): 200
//!   `{active, sub, aud, exp, …}` (RFC 7662), for refresh tokens only with
//!   `token_type_hint=refresh_token` · 401.
//! * POST `/revoke` `token` (a form) (Basic, of a [service](AccountRoutes::service)): 200, also for
//!   an invalid token (RFC 7009) · 401.
//!
//! The session routes exist if the accounts have
//! [sessions](crate::account::AccountsBuilder::sessions), those of one-time codes if they have
//! [one-time codes](crate::account::AccountsBuilder::otp), and the service routes if there is a
//! service. A fresh code is sent in the header `X-OTP`, or was given less than five minutes ago.
//!
//! With the feature `oauth2`, `providers` mounts logins with providers:
//!
//! * GET `/oauth/{provider}/login?return_to=` sends a browser to the provider. `max_age=` asks for
//!   a login at most that many seconds old, as step-up does.
//! * GET or, from a form, POST `/oauth/{provider}/callback` completes the login in a session or,
//!   with `ProviderRoutes::refresh_cookie`, in a refresh token in a cookie.
//! * Both answer 303. An invalid request is 400, an unknown provider 404, a user without an account
//!   403, and an unavailable provider or store 503, each as a problem or as a page of yours.
//! * The login is a proof (`fed`) of the time in the ID token (`auth_time`). Without a stated time
//!   its age is unknown, and it never counts as fresh.
//! * `LinkUser` maps a provider's user to one of yours.
//!   [`Users::read`](crate::account::Users::read) must know that user, who is read after the
//!   revocation epochs.
//!
//! With [`refresh_cookie`](AccountRoutes::refresh_cookie), the refresh token is in the cookie
//! `__Host-refresh` instead of the body. Scripts cannot read this cookie, and sibling domains
//! cannot set it. Its path is `/`, so browsers send it with every request from this site's own
//! pages to this host; only these routes read it.
//!
//! # Fingerprints
//!
//! A browser can describe itself. A refresh with another description is then reported or refused
//! ([`FingerprintPolicy`](crate::refresh::FingerprintPolicy)). Send the description with `/login`
//! and `/refresh`:
//!
//! ```js
//! const fingerprint = {
//!   languages: navigator.languages,
//!   timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
//!   platform: navigator.platform,
//!   cores: navigator.hardwareConcurrency,
//! };
//! ```
//!
//! This is personal data: state in your privacy notice that you collect it to detect stolen logins,
//! and collect no more than you need. The server stores a keyed hash of it for as long as the login
//! lives.

mod answer;
mod body;
mod builder;
mod caller;
mod cookies;
mod finish;
mod login;
mod pairs;
mod password;
#[cfg(feature = "oauth2")]
mod providers;
mod router;
mod second_factor;
mod second_step;
mod service_credential;
mod services;
mod sessions;
mod state;

pub use self::builder::{AccountRoutes, accounts};
#[cfg(feature = "oauth2")]
pub use self::providers::{ProviderRoutes, providers};
