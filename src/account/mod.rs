//! Accounts: who may log in, by which password, how often it may be guessed, and the routes for all that.
//!
//! [`Accounts`] puts the engines together: [`Users`] finds whoever logs in, [`Throttle`] counts the attempts,
//! [`Passwords`] compares, [`TokenPairs`](crate::TokenPairs) or [`Sessions`](crate::Sessions) keep what follows. Its methods
//! are for any server; [`routes`] mounts them in axum.
//!
//! # Rules
//!
//! * **Every way of logging in ends in [`finish_login`](Accounts::finish_login)** or
//!   [`finish_session`](Accounts::finish_session), which alone know whether a second factor is due.
//! * **Nobody learns who has an account.** An unknown name, a disabled user and a wrong password are one answer, after
//!   the same time: the hash is computed for all of them.
//! * **Attempts are counted before the password is looked at**, by account and network, by account and by address, or by
//!   device alone where the device has logged in before, and given back when it was right. So a hundred guesses at once are
//!   no more than the budget, and nobody can lock out a user on a device on which the user has logged in, or has changed
//!   the password, since the last change of the password.
//! * **A login that "log out everywhere" overtook comes to nothing**: each engine notes before the password is looked at
//!   which of those it has seen.
//! * **A new password ends everything** of its user: pairs, sessions, remembered devices, logins under way. It takes the
//!   present password and a login not older than five minutes.
//! * **Disabling** ([`disable`](Accounts::disable), [`remove`](Accounts::remove)) revokes everything of its user, on every node.
//!   Sessions read their user anew, five minutes after they did or when [`refresh_user`](Accounts::refresh_user) says so, so
//!   a user who loses a role in the table does not keep it.
//! * **Two steps for who has a second factor**, which is a [field of the user](User::has_second_factor). The right password
//!   then gives a [`Challenge`], good for five minutes and one login, that opens nothing but
//!   [`prove_second`](Accounts::prove_second); there a one-time code or a recovery code makes the login. An enrolment that
//!   was lost lets nobody in, and one whose record cannot be read is 403. A device may give no code for a while, if
//!   [that is allowed](AccountsBuilder::remember_devices) and its user wishes so. A new password or authenticator,
//!   [`logout_all`](Accounts::logout_all) and [`revoke_remembered`](Accounts::revoke_remembered) end that.
//! * **What protects an account is changed by who has just proved to own it**: the first authenticator takes a login not
//!   older than five minutes, every change of it a code.
//! * **Old hashes are replaced** at the next login when scheme, cost or pepper are not those of now.
//!
//! # Rules for passwords
//!
//! * **Taken as given.** Nothing is trimmed, normalised or cut off. A new password has 8 characters to 1024 bytes
//!   ([`check_new`](Passwords::check_new)); more than 4096 bytes are wrong unread, for known and unknown users alike.
//! * **What is tried first is no new password**: none of the 8,479 most common ones of eight characters or more, and none that is
//!   made of words of the service ([`context`](PasswordsBuilder::context)) or of its user
//!   ([`check_new_for`](Passwords::check_new_for)), which count nothing toward its length.
//! * **A hundred wrong ones in a row end a password** (NIST SP 800-63B-4 section 3.2.2), whatever time lies between: from then on the
//!   right one is wrong too, and there is an event. Devices on which the user has logged in before have a row of their own, so
//!   strangers take no password from somebody who is where they always are. A right password on such a device ends it, a login
//!   with a provider, a new password, and [`accept_password_again`](Accounts::accept_password_again), for an application that has
//!   made sure in another way who it is. Nothing of this is to be seen from the answers.
//! * **One scheme hashes, all that are listed verify.** Argon2id hashes, at 19 MiB and two passes. Understood are:
//!   `$argon2id$`, `$argon2i$`, `$argon2d$`; `$2a$`, `$2b$`, `$2y$`; `$bcrypt-sha256$` of passlib; `$scrypt$`;
//!   `$pbkdf2-sha256$` and `$pbkdf2-sha512$` of PHC and of passlib; `pbkdf2_sha256$` of Django. Not `$2x$`, under which
//!   different passwords are one.
//! * **bcrypt reads 72 bytes.** So a new hash under [`Scheme::Bcrypt`] is one over HMAC-SHA-256 of the password,
//!   `$bcrypt-sha256$v=2`, which passlib verifies too. A `$2b$` hash from elsewhere is verified as it was made, by the
//!   first 72 bytes, and is then replaced.
//! * **scrypt and PBKDF2 do not see zero bytes behind a password**: to HMAC a key and the same with zeros behind it are
//!   one (RFC 2104 section 2). Argon2id and bcrypt as written here do, and with a pepper all do.
//! * **Old hashes die out.** A right password whose hash is of another scheme, cost or pepper than new ones have gets a
//!   new hash, in [`Outcome::Verified`], for the caller to store.
//! * **A pepper can be rotated.** A peppered hash begins with `$pepper$` and the id of its key; the rest is as without,
//!   over HMAC-SHA-256 of the password.
//! * **Nobody can buy much with a request.** At most as many hashes run as there are processors, 64 wait, and the next
//!   caller is throttled at once (429), before anything is counted or read. One account has at most 24 of these places and 8 from one network, one device
//!   4, one network (an IPv4 address, or an IPv6 /48) three quarters, and networks take turns: who floods the queue waits for
//!   itself. A caller who vanishes while waiting leaves its place; one who vanishes
//!   later leaves it when its hash is done. A stored hash with an absurd cost is refused unread: over 1 GiB, or some
//!   seconds of work.
//! * **An unknown user** ([`verify`](Passwords::verify) with `None`) costs what a wrong password does under the present
//!   scheme, cost and pepper. A user whose hash is of another scheme differs from that until the next login.
//! * **A damaged hash is 503**, not a wrong password, and an error in the log: its owner would else be told for ever
//!   to remember better. That such an account exists can be seen from the answer. A hash of a scheme that is not
//!   listed any more is a wrong password: somebody has decided so.
//!
//! # Rules for the throttle
//!
//! * **Only failures count.** An attempt is taken from each budget before the password is looked at, atomically, and
//!   [given back](Attempt::give_back) when it succeeded. So of a hundred attempts at once no more are looked at than
//!   the budget has. One whose caller vanishes stays taken.
//! * **Fixed windows.** A window begins with the first attempt and ends when it ends; an attempt over the budget is
//!   refused with a read, takes nothing and prolongs nothing. `Retry-After` is what is left of the window.
//! * **Work is counted too.** Right passwords spend a budget that only a flood of logins uses up.
//! * **A known device cannot be locked out by others.** A device that has logged in to the account, or has changed its password,
//!   carries a signed token, and has a budget of its own instead of the others. The token is of one account and one password, so
//!   a change of the password makes the user's other devices unknown until they log in. It opens nothing.
//! * **Of the others, each network has ten attempts** at an account, and all together have a hundred. So strangers who guess
//!   from ten networks can keep a user from logging in on a *new* device for a quarter of an hour at a time; the user's known
//!   devices, sessions and refresh tokens are not touched.
//! * **Names that are nobody's are counted** as [`Users::canonical`] spells them.
//! * **IPv6 counts per /64, /56 and /48**, with budgets of one, four and sixteen times as much, and an IPv4 address in IPv6 form,
//!   mapped or behind a NAT64, as IPv4. Behind proxies, [`TrustedProxies`] tells the
//!   client's address from those that it made up.
//! * **A store that fails is 503**: nobody guesses for free.
//!
//! # Routes
//!
//! JSON or a form in, JSON out, `application/problem+json` (RFC 9457) where something is refused. Every answer that carries a
//! token is `no-store`. A request that another site caused is refused.
//!
//! | method and path | credential | answer |
//! |---|---|---|
//! | POST `/login` `{username, password, device_name?, fingerprint?}` | – | 200 with a pair · 401 · 429; with a second factor 401 with `error: "otp_required"` and `challenge` |
//! | POST `/login/otp` `{challenge, code, mode?: "tokens" or "session", remember?}` | – | 200 with a pair, or 204 with the session's cookie · 401 `wrong_code`, `challenge_over` · 403 the record of codes cannot be read · 429 |
//! | POST `/refresh` `{refresh_token, fingerprint?}` | – | 200 with a pair · 400 empty · 401 |
//! | POST `/logout` `{refresh_token}` | – | 204, also for a device that has ended · 400 empty · 401 not ours |
//! | POST `/logout_all` | Bearer | 204 |
//! | GET `/active_sessions` | Bearer | 200 `[{id, device_name, user_agent, created_at, last_used_at, current}]` |
//! | POST `/revoke_other_session` `{refresh_token}` | Bearer | 204 · 401 not the caller's own |
//! | DELETE `/active_sessions/{id}` | Bearer | 204 · 404, also for another user's |
//! | POST `/password` `{current, new}` | Bearer, logged in within 5 minutes | 204 with the device's cookie · 401 · 422 · 429 |
//! | POST `/session/login` `{username, password}` | – | 204 with the session's cookie · 401 as for `/login` · 429 |
//! | POST `/session/logout` | the session's cookie | 204 |
//! | POST `/otp/enroll` `{account?}` | Bearer, logged in within 5 minutes; with an authenticator already, a fresh code | 200 `{secret, uri, qr_svg}` |
//! | POST `/otp/confirm` `{code}` | the same | 200 `{recovery_codes}` · 401 |
//! | DELETE `/otp` | Bearer and a fresh code | 204 |
//! | POST `/otp/recovery_codes` | Bearer and a fresh code | 200 `{recovery_codes}` |
//! | GET `/remembered_devices` | Bearer | 200 `[{id, name, created_at, expires_at}]` |
//! | DELETE `/remembered_devices/{id}` | Bearer | 204 · 404, also for another user's |
//! | POST `/introspect` `token` (a form) | the Basic credentials of a [service](AccountRoutes::service) | 200 `{active, sub, aud, exp, …}` (RFC 7662), for refresh tokens with `token_type_hint=refresh_token` alone · 401 |
//! | POST `/revoke` `token` (a form) | the same | 200, also for a token that is worth nothing (RFC 7009) · 401 |
//!
//! Those of sessions and of one-time codes are there if the accounts have [sessions](AccountsBuilder::sessions) and
//! [one-time codes](AccountsBuilder::otp), those for services if there are any. A fresh code comes in the header `X-OTP`, or came less than five minutes ago.
//!
//! With the feature `oauth2`, `providers` mounts logins with providers: GET `/oauth/{provider}/login?return_to=` sends a browser
//! to the provider, with `max_age=` seconds for a login that is not older, as step-up asks for. Such a login is a proof (`fed`) of
//! the time that the ID token states (`auth_time`), and where none is stated, of an unknown time, which is fresh for nothing.
//! GET or, from a form, POST `/oauth/{provider}/callback` ends it in a session or, with `ProviderRoutes::refresh_cookie`, in a refresh
//! token in a cookie. Both answer 303; what is not good is 400, an unknown provider 404, a user without an account 403, and a provider
//! or store that is away 503, each as a problem or as a page of yours. `LinkUser` says which user somebody is; that user must
//! be one whom [`Users::read`] knows, and is read after the epochs are.
//!
//! With [`refresh_cookie`](AccountRoutes::refresh_cookie) the refresh token is in the cookie `__Host-refresh` instead of the
//! body. No script can read it and no sibling domain can set it. Its path is `/`, so browsers send it with every request
//! of this site's own pages to this host, and only these routes read it.
//!
//! # Fingerprints
//!
//! A browser can say what it looks like, and a refresh that looks otherwise is told of or refused
//! ([`Bind`](crate::refresh::Bind)). Send it with `/login` and `/refresh`:
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
//! This is personal data: say in your privacy notice that you take it and that it serves to notice stolen logins, and take no
//! more than you need. The server keeps a keyed hash of it, as long as the login lives.
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{Algorithm, Claims, Jwt, Key, KeyRing, MasterSecret, TokenPairs, account, store::MemoryStore};
//! use tower_jam::account::{Accounts, Passwords, StoreUsers, Throttle, Users};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
//! let passwords = Passwords::builder().build()?;
//! let users = StoreUsers::new(store.clone(), &secret, "https://auth.acme.dev");
//! let hash = passwords.hash(&passwords.check_new("correct horse").await?).await?;
//! users.add("alice", hash.expose(), ["editor"], Claims::new()).await?;
//!
//! let users: Arc<dyn Users<Claims>> = Arc::new(users);
//! let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?)).issuer("https://auth.acme.dev").audience("api").build()?;
//! let pairs = TokenPairs::builder(jwt, store.clone(), &secret, account::reread(users.clone())).build()?;
//! let throttle = Throttle::builder(store, &secret).build();
//! let accounts = Accounts::builder(users, passwords, throttle, pairs).build()?;
//!
//! let app: axum::Router = axum::Router::new().nest("/auth", routes::accounts(accounts));
//! # Ok(())
//! # }
//! ```

pub(crate) mod attempt;
mod builder;
pub(crate) mod challenge;
mod change;
mod compare;
#[cfg(feature = "oauth2")]
pub(crate) mod external;
mod failures;
pub(crate) mod login;
mod proof;
mod remembered;
mod reset;
pub(crate) mod second_factor;
mod standing;
mod users;

#[cfg(feature = "oauth2")]
pub use self::external::LinkUser;
#[cfg(feature = "store-postgres")]
pub use self::users::{PostgresUsers, PostgresUsersBuilder};
pub use self::{
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    challenge::Challenge,
    login::{Accounts, reread},
    proof::Proved,
    remembered::RememberedDevice,
    users::{StoreUsers, User, Users},
};
