//! The tables of logins and their credentials: `refresh`, `session`, `passwords`, `throttle`,
//! `otp`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::Span;

/// The format of access tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatKind {
    #[default]
    Jwt,
    Paseto,
}

/// What happens when a user reaches the device limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitKind {
    EvictOldest,
    EvictLru,
    Reject,
}

/// Which tokens the logout of a device revokes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlacklistKind {
    /// A logout revokes nothing.
    DangerousNone,
    Refresh,
    Both,
}

/// What happens when the fingerprint of a device changes.
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
    /// The format of access tokens: the table that issues them. Default: `jwt`.
    pub(crate) format: FormatKind,
    /// The lifetime of an access token, in place of the token table's `ttl`. Default: that of the
    /// token table, which is `15m` unless set.
    pub(crate) access_ttl: Option<Span>,
    /// The time after its login at which a device is logged out, regardless of activity. Default:
    /// `7d`.
    pub(crate) absolute: Option<Span>,
    /// The time without a refresh after which a device is logged out. Default: `3d`.
    pub(crate) idle: Option<Span>,
    /// Whether each refresh issues a new refresh token. Default: `true`.
    pub(crate) rotate: Option<bool>,
    /// The time after a rotation in which the same request gets the same response, at most `60s`.
    /// Default: `10s`.
    pub(crate) grace: Option<Span>,
    /// The maximum time without an answer from the store that the grace window does not count, at
    /// most `1h`. Default: `5m`.
    pub(crate) outage_grace: Option<Span>,
    /// The number of devices on which a user can be logged in, 1 to 100. Default: 10.
    pub(crate) max_devices: Option<usize>,
    /// What happens at a login beyond `max_devices`: evict a device or reject the login. Default:
    /// `evict_lru`.
    pub(crate) on_limit: Option<LimitKind>,
    /// The tokens that a logout revokes. Default: `both`.
    pub(crate) blacklist: Option<BlacklistKind>,
    /// What happens when the fingerprint of a device changes. Default: `event`.
    pub(crate) bind: Option<BindKind>,
}

/// The table `session`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionSettings {
    /// The time without a request after which a session expires. Default: `30m`.
    pub(crate) idle: Option<Span>,
    /// The time after its creation at which a session expires. Default: `12h`.
    pub(crate) absolute: Option<Span>,
    /// The maximum age of a session's user before it is read again from the users of the accounts;
    /// `0s` reads it on every request. Default: `5m`.
    pub(crate) user_max_age: Option<Span>,
    /// The name of the cookie; the prefixes `__Host-` and `__Secure-` impose their rules. Default:
    /// `__Host-sid`.
    pub(crate) cookie: Option<String>,
    /// The header from which the layer reads the session, in place of the cookie. Default: none.
    pub(crate) header: Option<String>,
    /// A file with a secret that only sessions use, so that replacing it revokes all sessions and
    /// nothing else. Default: none, and the keys of sessions are derived from `secret`.
    pub(crate) secret_file: Option<String>,
    /// Stores users and session data as readable JSON. Default: `false`.
    pub(crate) dangerous_plain_records: bool,
}

/// A password hashing scheme.
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
    /// The accepted schemes. The first hashes new passwords, and all verify existing ones. Default:
    /// all, Argon2id first.
    pub(crate) schemes: Option<Vec<SchemeKind>>,
    /// Replaces outdated hashes when their users log in. Default: `true`.
    pub(crate) rehash: Option<bool>,
    /// Mixes a key derived from `secret` into each password. Default: `false`.
    pub(crate) pepper: bool,
    /// Accepts new passwords that are among the most common ones. Default: `false`.
    pub(crate) dangerous_allow_common: bool,
    /// The minimum length of a new password, in characters, 1 to 64. Default: 8.
    pub(crate) min_length: Option<usize>,
    /// The maximum length of a new password, in bytes, 256 to 4096. Default: 1024.
    pub(crate) max_length: Option<usize>,
    /// The number of hashes that are computed at the same time. Default: one for each processor.
    pub(crate) max_running: Option<usize>,
    /// The number of hashes that can be queued. Default: 64.
    pub(crate) max_waiting: Option<usize>,
    /// The time for which a device needs no further code after one was entered, an hour to a year.
    /// Default: each login requires a code.
    pub(crate) remember_devices: Option<Span>,
}

/// The table `throttle`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThrottleSettings {
    /// The limit on attempts at one account by devices that have never logged in to it, from all
    /// networks. Default: 100 in `15m`.
    pub(crate) account: Option<BudgetSettings>,
    /// The limit on those attempts from one network, an IPv4 address or an IPv6 /48. Default: 10 in
    /// `15m`.
    pub(crate) account_network: Option<BudgetSettings>,
    /// The limit on attempts from one address at all accounts. For IPv6, it applies to a /64; the
    /// limit of a /56 is four times, that of a /48 sixteen times as high. Default: 100 in `15m`.
    pub(crate) address: Option<BudgetSettings>,
    /// The limit on attempts by one device that has logged in before. Default: 10 in `15m`.
    pub(crate) device: Option<BudgetSettings>,
    /// The limit on passwords compared for one account in total, correct ones included. Default:
    /// 1000 in `15m`.
    pub(crate) work: Option<BudgetSettings>,
    /// The time for which a device is recognized after a login. Default: `180d`.
    pub(crate) device_life: Option<Span>,
    /// The number of the operator's own proxies in front of the server, each of which appends its
    /// client's address to `X-Forwarded-For`. Default: 0, so the header is ignored, and behind a
    /// proxy all clients share one address.
    pub(crate) trusted_proxies: Option<u8>,
}

/// A number of attempts in a period of time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetSettings {
    /// The number of attempts, 1 to 1000000. Default: none, required.
    pub(crate) attempts: u32,
    /// The period of time, `1s` to `7d`. Default: none, required.
    pub(crate) window: Span,
}

/// What codes are derived from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtpKind {
    #[default]
    Totp,
    Hotp,
}

/// The hash function of codes.
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
    /// What codes are derived from: the time or a counter. Default: `totp`.
    pub(crate) r#type: OtpKind,
    /// The name that authenticator apps show beside the code. Default: the host of the issuer.
    pub(crate) service: Option<String>,
    /// The number of digits of a code, 6 to 8. Default: 6.
    pub(crate) digits: Option<u8>,
    /// The hash function. Default: `sha1`, the only one that every authenticator app supports.
    pub(crate) digest: Option<DigestKind>,
    /// The period of a `totp` code, in seconds. Default: 30.
    pub(crate) interval: Option<u32>,
    /// The size of a new secret, in bits, 128 to 1024. Default: 160.
    pub(crate) secret_bits: Option<usize>,
    /// The number of periods by which a clock may differ, 0 to 5. Default: 1.
    pub(crate) window: Option<u8>,
    /// The number of `hotp` codes that may be skipped, 0 to 20. Default: 5.
    pub(crate) look_ahead: Option<u8>,
    /// The number of consecutive wrong codes that lock the user, 1 to 10. Default: 5.
    pub(crate) max_failures: Option<u8>,
    /// The duration of the lock. Default: `15m`.
    pub(crate) lock: Option<Span>,
    /// The time in which an enrolment must be confirmed by its first code. Default: `15m`.
    pub(crate) pending: Option<Span>,
    /// The time for which a code counts as fresh after it was entered. Default: `5m`.
    pub(crate) fresh: Option<Span>,
}
