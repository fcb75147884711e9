//! The guide: one page for each task.
//!
//! Each page is short and has an example that runs as a test. The exact rules of an engine are in
//! the manual of its module, to which the pages link.
//!
//! | page | about |
//! |---|---|
//! | [`getting_started`] | the first protected route |
//! | [`sessions`] | login, logout, values and cookies |
//! | [`tokens`] | JWT and PASETO, keys and their rotation, deny and allow lists |
//! | [`accounts`] | users, passwords, limits on guessing, and the routes for all of them |
//! | [`devices`] | access tokens with refresh tokens, and the devices of a user |
//! | [`second_factor`] | one-time codes, recovery codes and step-up |
//! | [`providers`] | logins with GitHub, Google and others |
//! | [`resource_servers`] | access tokens of an identity provider, and DPoP |
//! | [`stores_and_outages`] | memory, file, Redis, PostgreSQL, and what happens when they fail |
//! | [`configuration`] | all engines from one file, and the command `jam` |
//! | [`testing`] | how an application tests its protected routes |
//! | [`behind_proxies`] | client addresses, cookies, CORS and the order of the layers |
//! | [`hyper_and_tonic`] | the layers outside of axum |
//! | [`defaults`] | the defaults and their reasons |
//! | [`from_axum_login`] | migrating from axum-login and tower-sessions |
//! | [`from_jam`] | coming from the Python library Jam |
//! | [`from_fastapi_simple_jwt`] | coming from fastapi-simple-jwt |

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("sessions.md")]
#[doc(alias("cookie", "login", "logout", "remember me"))]
pub mod sessions {}

#[doc = include_str!("tokens.md")]
#[doc(alias("jwt", "bearer", "jwks"))]
pub mod tokens {}

#[doc = include_str!("accounts.md")]
#[doc(alias("password", "lockout", "login"))]
pub mod accounts {}

#[doc = include_str!("devices.md")]
#[doc(alias("refresh token", "logout"))]
pub mod devices {}

#[doc = include_str!("second_factor.md")]
#[doc(alias("mfa", "2fa", "step-up", "totp"))]
pub mod second_factor {}

#[doc = include_str!("providers.md")]
#[doc(alias("oidc", "sso", "social login"))]
pub mod providers {}

#[doc = include_str!("resource_servers.md")]
#[doc(alias("oidc", "keycloak"))]
pub mod resource_servers {}

#[doc = include_str!("stores_and_outages.md")]
#[doc(alias("redis", "postgresql"))]
pub mod stores_and_outages {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("behind_proxies.md")]
#[doc(alias("cors", "csrf", "x-forwarded-for"))]
pub mod behind_proxies {}

#[doc = include_str!("hyper_and_tonic.md")]
#[doc(alias = "grpc")]
pub mod hyper_and_tonic {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[doc = include_str!("from_axum_login.md")]
#[doc(alias("tower-sessions", "migration"))]
pub mod from_axum_login {}

#[doc = include_str!("from_jam.md")]
pub mod from_jam {}

#[doc = include_str!("from_fastapi_simple_jwt.md")]
pub mod from_fastapi_simple_jwt {}
