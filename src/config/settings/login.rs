//! The tables of what follows a login and of what precedes it: `refresh`, `session`, `passwords`, `throttle`, `otp`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::Span;

/// What access tokens are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatKind {
    #[default]
    Jwt,
    Paseto,
}

/// What gives way when a user has too many devices.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitKind {
    EvictOldest,
    EvictLru,
    Reject,
}

/// What the end of a device means for its tokens.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlacklistKind {
    /// A logout ends nothing.
    DangerousNone,
    Refresh,
    Both,
}

/// What a changed fingerprint means.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BindKind {
    Ignore,
    Event,
    Refuse,
}

/// The table `refresh`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RefreshSettings {
    /// What access tokens are, by the table of that name. Default: `jwt`.
    pub(crate) format: FormatKind,
    /// How long an access token lives, in place of the token table's `ttl`. Default: that table's, which is `15m` unless stated.
    pub(crate) access_ttl: Option<Span>,
    /// How long a device may be logged in, whatever it does. Default: `7d`.
    pub(crate) absolute: Option<Span>,
    /// How long a device may go without a refresh. Default: `3d`.
    pub(crate) idle: Option<Span>,
    /// Whether each refresh gives a new refresh token. Default: `true`.
    pub(crate) rotate: Option<bool>,
    /// How long after a rotation the same request gets the same answer, at most `60s`. Default: `10s`.
    pub(crate) grace: Option<Span>,
    /// How much time the grace window does not count in which the store did not answer, at most `1h`. Default: `5m`.
    pub(crate) outage_grace: Option<Span>,
    /// On how many devices a user may be logged in, 1 to 100. Default: 10.
    pub(crate) max_devices: Option<usize>,
    /// What gives way when there are too many. Default: `evict_lru`.
    pub(crate) on_limit: Option<LimitKind>,
    /// Which tokens a logout ends. Default: `both`.
    pub(crate) blacklist: Option<BlacklistKind>,
    /// What a changed fingerprint means. Default: `event`.
    pub(crate) bind: Option<BindKind>,
}

/// The table `session`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionSettings {
    /// How long a session may lie idle. Default: `30m`.
    pub(crate) idle: Option<Span>,
    /// How long a session may live in all. Default: `12h`.
    pub(crate) absolute: Option<Span>,
    /// How old the user of a session may be before it is read anew from the users of the accounts; `0s` reads it at every
    /// request. Default: `5m`.
    pub(crate) user_max_age: Option<Span>,
    /// The name of the cookie; `__Host-` and `__Secure-` bring their rules. Default: `__Host-sid`.
    pub(crate) cookie: Option<String>,
    /// The header that the layer reads the session from, in place of the cookie. Default: none.
    pub(crate) header: Option<String>,
    /// A file with a secret that only sessions use, so that all of them can be ended and nothing else, by another one in its
    /// place. Default: none, and their keys are derived from `secret`.
    pub(crate) secret_file: Option<String>,
    /// Stores users and values as readable JSON. Default: `false`.
    pub(crate) dangerous_plain_records: bool,
}

/// A password hash.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SchemeKind {
    Argon2id,
    Bcrypt,
    Scrypt,
    #[serde(rename = "pbkdf2_sha256")]
    Pbkdf2Sha256,
    #[serde(rename = "pbkdf2_sha512")]
    Pbkdf2Sha512,
}

/// The table `passwords`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PasswordsSettings {
    /// The first hashes new passwords, all of them verify. Default: all, Argon2id first.
    pub(crate) schemes: Option<Vec<SchemeKind>>,
    /// Replaces old hashes as their owners log in. Default: `true`.
    pub(crate) rehash: Option<bool>,
    /// Mixes a key derived from `secret` into each password. Default: `false`.
    pub(crate) pepper: bool,
    /// Lets new passwords pass that are among the most common ones. Default: `false`.
    pub(crate) dangerous_allow_common: bool,
    /// How long a new password must be, in characters, 1 to 64. Default: 8.
    pub(crate) min_length: Option<usize>,
    /// How long a new password may be, in bytes, 256 to 4096. Default: 1024.
    pub(crate) max_length: Option<usize>,
    /// How many hashes are computed at one time. Default: one for each processor.
    pub(crate) max_running: Option<usize>,
    /// How many may wait for their turn. Default: 64.
    pub(crate) max_waiting: Option<usize>,
    /// How long a device is asked for no code after one was given, an hour to a year. Default: each login asks.
    pub(crate) remember_devices: Option<Span>,
}

/// The table `throttle`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThrottleSettings {
    /// What one account takes from devices that have never logged in to it, wherever they are. Default: 100 in `15m`.
    pub(crate) account: Option<BudgetSettings>,
    /// What it takes of that from one network, an IPv4 address or an IPv6 /48. Default: 10 in `15m`.
    pub(crate) account_network: Option<BudgetSettings>,
    /// What one address takes over all accounts. Of IPv6 it is what a /64 takes; a /56 takes four, a /48 sixteen times as much. Default: 100 in `15m`.
    pub(crate) address: Option<BudgetSettings>,
    /// What one device takes that has logged in before. Default: 10 in `15m`.
    pub(crate) device: Option<BudgetSettings>,
    /// How many passwords of one account are compared in all, right ones included. Default: 1000 in `15m`.
    pub(crate) work: Option<BudgetSettings>,
    /// How long a device is remembered after a login. Default: `180d`.
    pub(crate) device_life: Option<Span>,
    /// How many proxies of your own stand before the server, each adding its client's address to `X-Forwarded-For`. Default: 0, so
    /// that the header is not looked at: behind a proxy all clients are one address then.
    pub(crate) trusted_proxies: Option<u8>,
}

/// So many attempts in so much time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetSettings {
    /// How many attempts, 1 to 1000000. Default: none, it must be set.
    pub(crate) attempts: u32,
    /// In how much time, `1s` to `7d`. Default: none, it must be set.
    pub(crate) window: Span,
}

/// What codes are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtpKind {
    #[default]
    Totp,
    Hotp,
}

/// The hash of a code.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DigestKind {
    Sha1,
    Sha256,
    Sha512,
}

/// The table `otp`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtpSettings {
    /// By the time or by a counter. Default: `totp`.
    pub(crate) r#type: OtpKind,
    /// What authenticators show beside the code. Default: the host of the issuer.
    pub(crate) service: Option<String>,
    /// How many digits, 6 to 8. Default: 6.
    pub(crate) digits: Option<u8>,
    /// The hash. Default: `sha1`, the only one that every authenticator knows.
    pub(crate) digest: Option<DigestKind>,
    /// How long a code of `totp` lasts, in seconds. Default: 30.
    pub(crate) interval: Option<u32>,
    /// How many bits a new secret has, 128 to 1024. Default: 160.
    pub(crate) secret_bits: Option<usize>,
    /// How many periods a clock may be off, 0 to 5. Default: 1.
    pub(crate) window: Option<u8>,
    /// How many codes of `hotp` may have been skipped, 0 to 20. Default: 5.
    pub(crate) look_ahead: Option<u8>,
    /// How many wrong codes in a row lock the user, 1 to 10. Default: 5.
    pub(crate) max_failures: Option<u8>,
    /// How long the lock lasts. Default: `15m`.
    pub(crate) lock: Option<Span>,
    /// How long an enrolment waits for its first code. Default: `15m`.
    pub(crate) pending: Option<Span>,
    /// How long a code that was given counts as fresh. Default: `5m`.
    pub(crate) fresh: Option<Span>,
}
