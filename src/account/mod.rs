//! Accounts: users, passwords, throttling, second factors, and the HTTP routes for all of them.
//!
//! [`Accounts`] combines the engines: [`Users`] finds the user, [`Throttle`] counts the attempts,
//! [`Passwords`] verifies the password, and [`TokenPairs`](crate::TokenPairs) or
//! [`Sessions`](crate::Sessions) hold the login that results. Its methods work with any server;
//! [`routes()`] mounts them in axum.
//!
//! # Rules
//!
//! * **Every login path ends in [`finish_login`](Accounts::finish_login) or
//!   [`finish_session`](Accounts::finish_session).** Only these two decide whether a second factor
//!   is required.
//! * **Responses do not reveal who has an account.** An unknown name, a disabled user and a wrong
//!   password get the same response after the same time: a hash is computed in every case.
//! * **Attempts are counted before the password is compared**, and refunded if it was right. They
//!   count by account and network, by account, and by address; on a device that has logged in
//!   before, by device alone. A hundred concurrent guesses get no more than the budget. Nobody can
//!   lock a user out of a device on which the user has logged in, or has changed the password,
//!   since the last password change.
//! * **"Log out everywhere" also stops logins under way.** A login reads the revocation epoch of
//!   each engine before the password is compared, and fails if a revocation has happened since.
//! * **A new password revokes everything** of its user: token pairs, sessions, remembered devices,
//!   logins under way. The change requires the current password and a login at most five minutes
//!   old.
//! * **[`disable`](Accounts::disable) and [`remove`](Accounts::remove) revoke everything** of the
//!   user, on every node. Sessions read their user again after five minutes, or as soon as
//!   [`refresh_user`](Accounts::refresh_user) is called, so no session retains a role that was
//!   removed from the table.
//! * **Users with a second factor log in in two steps.** A [field of the
//!   user](User::has_second_factor) says who has one. The right password then yields a
//!   [`Challenge`], valid for five minutes and one login, that only
//!   [`prove_second`](Accounts::prove_second) accepts. There, a one-time code or a recovery code
//!   completes the login. If the enrolment is lost, the login is refused; if its record cannot be
//!   read, the response is 403.
//! * **A device can be remembered**, so that it skips the code for a while, if
//!   [`remember_devices`](AccountsBuilder::remember_devices) allows it and the user asks for it. A
//!   new password or authenticator, [`revoke_all`](Accounts::revoke_all) and
//!   [`revoke_remembered_device`](SecondFactor::revoke_remembered_device) revoke that.
//! * **Changes to a second factor require a fresh proof**: for the first authenticator a login at
//!   most five minutes old, for every later change a code.
//! * **Old hashes are replaced** at the next login if their scheme, cost or pepper is not the
//!   current one.
//!
//! # Rules for passwords
//!
//! * **Passwords are used exactly as given.** Nothing is trimmed, normalised or truncated. A new
//!   password has 8 characters to 1024 bytes ([`check_new`](Passwords::check_new)). A password of
//!   more than 4096 bytes is wrong without being hashed, for known and unknown users alike.
//! * **Guessable passwords are refused**: the 8,479 most common ones of eight characters or more,
//!   and those made of words of the service ([`context`](PasswordsBuilder::context)) or of its user
//!   ([`check_new_for`](Passwords::check_new_for)). Such words do not count toward the length.
//! * **A hundred consecutive failures disable a password** (NIST SP 800-63B-4 section 3.2.2),
//!   however much time lies between them. From then on the right password is refused like a wrong
//!   one, and an event is sent. Devices on which the user has logged in before have a counter of
//!   their own, so strangers cannot disable the password there. Both counters are reset by a right
//!   password on such a device, a login with a provider, a new password, and
//!   [`accept_password_again`](Accounts::accept_password_again), for an application that has
//!   verified the user in another way. Responses reveal nothing of this.
//! * **One scheme hashes, all listed schemes verify.** New hashes use Argon2id with 19 MiB and two
//!   passes. Accepted formats: `$argon2id$`, `$argon2i$`, `$argon2d$`; `$2a$`, `$2b$`, `$2y$`;
//!   `$bcrypt-sha256$` of passlib; `$scrypt$`; `$pbkdf2-sha256$` and `$pbkdf2-sha512$` of PHC and
//!   of passlib; `pbkdf2_sha256$` of Django. `$2x$` is not accepted, since it maps different
//!   passwords to one hash.
//! * **bcrypt reads 72 bytes.** A new hash under [`Scheme::Bcrypt`] is therefore computed over
//!   HMAC-SHA-256 of the password (`$bcrypt-sha256$v=2`, which passlib verifies too). A `$2b$` hash
//!   from another system is verified as it was made, by the first 72 bytes, and is then replaced.
//! * **scrypt and PBKDF2 ignore trailing zero bytes** of a password: HMAC pads its key with zeros
//!   (RFC 2104 section 2). Argon2id, and bcrypt as written here, do not; with a pepper no scheme
//!   does.
//! * **Outdated hashes are replaced.** If the password is right and the hash has another scheme,
//!   cost or pepper than new ones, [`Outcome::Verified`] contains a new hash for the caller to
//!   store.
//! * **A pepper can be rotated.** A peppered hash begins with `$pepper$` and the id of its key. The
//!   rest has the usual format, over HMAC-SHA-256 of the password.
//! * **Hashing is bounded.** At most one hash per processor runs at a time and 64 wait; the next
//!   caller is throttled at once (429), before anything is counted or read. One account holds at
//!   most 24 of these slots and 8 from one network, one device 4, one network (an IPv4 address or
//!   an IPv6 /48) three quarters. Networks take turns, so a flood delays only its own network. A
//!   caller that disconnects while waiting frees its slot; one that disconnects later frees it when
//!   the hash is done. A stored hash whose cost is over 1 GiB or some seconds of work is refused
//!   before it is computed.
//! * **An unknown user** ([`verify`](Passwords::verify) with `None`) takes as long as a wrong
//!   password under the current scheme, cost and pepper. A user whose hash has another scheme
//!   differs from that until the next login.
//! * **A damaged hash is 503**, not a wrong password, and is logged as an error; otherwise its
//!   owner would retry forever. The response reveals that such an account exists. A hash of a
//!   scheme that is no longer listed is a wrong password, since unlisting it was a decision.
//!
//! # Rules for the throttle
//!
//! * **Only failures count.** An attempt is taken from each budget atomically before the password
//!   is compared, and [refunded](Attempt::give_back) if it succeeds. Of a hundred concurrent
//!   attempts, only as many as the budget allows are compared. An attempt is not refunded if its
//!   caller disconnects.
//! * **Windows are fixed.** A window begins with the first attempt. An attempt over the budget is
//!   refused after a read; it counts nothing and extends nothing. `Retry-After` is the remaining
//!   time of the window.
//! * **Work is counted too.** Right passwords spend a budget that only a flood of logins uses up.
//! * **Others cannot lock out a known device.** A device that has logged in to the account, or has
//!   changed its password, has a signed token and a budget of its own instead of the shared ones.
//!   The token is for one account and one password, so after a password change the user's other
//!   devices are unknown until they log in. It grants no access.
//! * **Unknown devices share budgets.** Each network has ten attempts at an account, and all
//!   networks together have a hundred. Strangers on ten networks can therefore keep a user from
//!   logging in on a *new* device for a quarter of an hour at a time. The user's known devices,
//!   sessions and refresh tokens are not affected.
//! * **Attempts at unknown names are counted**, in the spelling of [`Users::canonical`].
//! * **IPv6 counts per /64, /56 and /48**, with budgets of one, four and sixteen times the size. An
//!   IPv4 address in IPv6 form, mapped or behind a NAT64, counts as IPv4. Behind proxies,
//!   [`TrustedProxies`] separates the client's address from forged ones.
//! * **A store that fails is 503**, so that no attempt goes uncounted.
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
//! The session routes exist if the accounts have [sessions](AccountsBuilder::sessions), those of
//! one-time codes if they have [one-time codes](AccountsBuilder::otp), and the service routes if
//! there is a service. A fresh code is sent in the header `X-OTP`, or was given less than five
//! minutes ago.
//!
//! With the feature `oauth2`, `routes::providers` mounts logins with providers:
//!
//! * GET `/oauth/{provider}/login?return_to=` sends a browser to the provider. `max_age=` asks for
//!   a login at most that many seconds old, as step-up does.
//! * GET or, from a form, POST `/oauth/{provider}/callback` completes the login in a session or,
//!   with `ProviderRoutes::refresh_cookie`, in a refresh token in a cookie.
//! * Both answer 303. An invalid request is 400, an unknown provider 404, a user without an account
//!   403, and an unavailable provider or store 503, each as a problem or as a page of yours.
//! * The login is a proof (`fed`) of the time in the ID token (`auth_time`). Without a stated time
//!   its age is unknown, and it never counts as fresh.
//! * `LinkUser` maps a provider's user to one of yours. [`Users::read`] must know that user, who is
//!   read after the revocation epochs.
//!
//! With [`refresh_cookie`](AccountRoutes::refresh_cookie), the refresh token is in the cookie
//! `__Host-refresh` instead of the body. Scripts cannot read this cookie, and sibling domains
//! cannot set it. Its path is `/`, so browsers send it with every request from this site's own
//! pages to this host; only these routes read it.
//!
//! # Fingerprints
//!
//! A browser can describe itself. A refresh with another description is then reported or refused
//! ([`Bind`](crate::refresh::Bind)). Send the description with `/login` and `/refresh`:
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
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::account::{self, Accounts, Passwords, StoreUsers, Throttle, Users};
//! use tower_jam::{Algorithm, Claims, Env, Jwt, Key, KeyRing, MasterSecret, TokenPairs};
//! use tower_jam::store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
//! let env = Env::new("https://auth.acme.dev", store, &secret);
//! let passwords = Passwords::builder().build()?;
//! let users = StoreUsers::new(&env);
//! let hash = passwords.hash(&passwords.check_new("correct horse").await?).await?;
//! users.add("alice", hash.expose(), ["editor"], Claims::new()).await?;
//!
//! let users: Arc<dyn Users<Claims>> = Arc::new(users);
//! let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?))
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .build()?;
//! let reader = account::user_reader(users.clone());
//! let pairs = TokenPairs::builder(&env, jwt, reader).build()?;
//! let throttle = Throttle::builder(&env).build();
//! let accounts = Accounts::builder(&env, users, passwords, throttle, pairs).build()?;
//!
//! let app: axum::Router = axum::Router::new().nest("/auth", routes::accounts(accounts));
//! # Ok(())
//! # }
//! ```

mod accounts;
mod admission;
mod attempt;
mod builder;
mod challenge;
mod external;
mod failures;
mod finish;
mod fresh;
mod inner;
#[cfg(feature = "oauth2")]
mod link_user;
mod login;
mod password_change;
mod password_check;
mod pending;
mod proved;
mod remembered;
mod revocation;
mod second_factor;
mod second_step;
mod throttle_key;
mod user_status;
mod users;

#[cfg(feature = "oauth2")]
pub(crate) use self::challenge::CHALLENGE_LIFE;
#[cfg(feature = "oauth2")]
pub use self::link_user::LinkUser;
#[cfg(feature = "store-postgres")]
pub use self::users::{PostgresUsers, PostgresUsersBuilder};
pub use self::{
    accounts::Accounts,
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    challenge::Challenge,
    proved::Proved,
    remembered::RememberedDevice,
    second_factor::SecondFactor,
    users::{StoreUsers, User, Users, user_reader},
};
pub(crate) use self::{attempt::truncate, fresh::FRESH};
