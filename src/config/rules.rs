//! The rules for settings that weaken an instance, in one table.

use super::{
    rule::{Rule, SafeReason},
    settings::{FormatKind, InstanceSettings, ListKind, StoreKind},
};

use Rule::{AtLeast, AtMost, Cookie, Dangerous, Is, Safe, When};

fn is_in_memory(settings: &InstanceSettings) -> bool {
    let store = settings.store.as_ref();
    store.is_none_or(|store| store.r#type == StoreKind::Memory)
}

/// Whether the store is on another machine and the connection is unencrypted.
fn is_store_unencrypted(settings: &InstanceSettings) -> bool {
    let url = settings.store.as_ref().and_then(|store| store.url.as_ref());
    let Some((scheme, rest)) = url.and_then(|url| url.expose().split_once("://")) else {
        return false;
    };
    let (path, rest) = (rest, rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let is_socket = rest.starts_with('/') || rest.starts_with("%2F");
    let is_local = is_socket || rest.starts_with("[::1]") || {
        let host = rest.split([':', '/', '?', ',']).next().unwrap_or_default();
        let address = host.parse::<std::net::Ipv4Addr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let is_tls = scheme.starts_with("rediss")
        || ["sslmode=require", "sslmode=verify"]
            .iter()
            .any(|mode| path.contains(mode));
    !is_local && !is_tls
}

fn is_jwt_irrevocable(settings: &InstanceSettings) -> bool {
    let refreshed = settings.refresh.as_ref().map(|refresh| refresh.format);
    let jwt = settings.jwt.as_ref();
    refreshed != Some(FormatKind::Jwt) && jwt.is_some_and(|jwt| jwt.list == ListKind::None)
}

fn is_paseto_irrevocable(settings: &InstanceSettings) -> bool {
    let refreshed = settings.refresh.as_ref().map(|refresh| refresh.format);
    let paseto = settings.paseto.as_ref();
    refreshed != Some(FormatKind::Paseto)
        && paseto.is_some_and(|paseto| paseto.list == ListKind::None)
}

/// Every setting of the schema, once. A test compares this table with the schema, so that no
/// setting is added without a rule.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("audience", Safe(SafeReason::Name)),
    ("issuer", Safe(SafeReason::Name)),
    ("secret", Safe(SafeReason::Key)),
    ("secret_file", Safe(SafeReason::Key)),
    (
        "store.type",
        When(
            is_in_memory,
            "the stored data is lost when the process ends, and no other node sees it",
        ),
    ),
    ("store.capacity", Safe(SafeReason::Work)),
    ("store.path", Safe(SafeReason::Name)),
    (
        "store.url",
        When(
            is_store_unencrypted,
            "the data of the store crosses the network unencrypted",
        ),
    ),
    ("store.prefix", Safe(SafeReason::Name)),
    ("store.schema", Safe(SafeReason::Name)),
    ("store.connections", Safe(SafeReason::Work)),
    ("store.connect_timeout", Safe(SafeReason::Bounded)),
    ("store.command_timeout", Safe(SafeReason::Bounded)),
    ("store.ca_file", Safe(SafeReason::Key)),
    (
        "store.dangerous_allow_eviction",
        Dangerous("revoked sessions and tokens may become valid again"),
    ),
    ("store.near_cache.capacity", Safe(SafeReason::Work)),
    ("store.near_cache.max_age", Safe(SafeReason::Bounded)),
    ("jwt.alg", Safe(SafeReason::Choice)),
    ("jwt.secret_key", Safe(SafeReason::Key)),
    ("jwt.secret_key_file", Safe(SafeReason::Key)),
    ("jwt.private_key", Safe(SafeReason::Key)),
    ("jwt.private_key_file", Safe(SafeReason::Key)),
    ("jwt.public_key", Safe(SafeReason::Key)),
    ("jwt.public_key_file", Safe(SafeReason::Key)),
    ("jwt.kid", Safe(SafeReason::Name)),
    (
        "jwt.typ",
        Is(
            "JWT",
            "an ID token with the same key may be accepted as an access token",
        ),
    ),
    (
        "jwt.untyped",
        Is("true", "a JWT of another kind by the same key is accepted"),
    ),
    ("jwt.leeway", Safe(SafeReason::Bounded)),
    ("jwt.ttl", AtMost("1h", TTL)),
    ("jwt.list", When(is_jwt_irrevocable, IRREVOCABLE)),
    ("jwt.list_longest", Safe(SafeReason::Work)),
    ("jwt.cookie", Cookie),
    ("jwt.header", Safe(SafeReason::Name)),
    ("jwt.accept[].alg", Safe(SafeReason::Choice)),
    ("jwt.accept[].secret_key", Safe(SafeReason::Key)),
    ("jwt.accept[].secret_key_file", Safe(SafeReason::Key)),
    ("jwt.accept[].private_key", Safe(SafeReason::Key)),
    ("jwt.accept[].private_key_file", Safe(SafeReason::Key)),
    ("jwt.accept[].public_key", Safe(SafeReason::Key)),
    ("jwt.accept[].public_key_file", Safe(SafeReason::Key)),
    ("jwt.accept[].kid", Safe(SafeReason::Name)),
    ("paseto.version", Is("v2", "is legacy")),
    ("paseto.purpose", Safe(SafeReason::Choice)),
    ("paseto.key", Safe(SafeReason::Key)),
    ("paseto.key_file", Safe(SafeReason::Key)),
    ("paseto.kid", Safe(SafeReason::Name)),
    ("paseto.leeway", Safe(SafeReason::Bounded)),
    ("paseto.ttl", AtMost("1h", TTL)),
    ("paseto.list", When(is_paseto_irrevocable, IRREVOCABLE)),
    ("paseto.list_longest", Safe(SafeReason::Work)),
    ("paseto.cookie", Cookie),
    ("paseto.header", Safe(SafeReason::Name)),
    ("paseto.accept[].key", Safe(SafeReason::Key)),
    ("paseto.accept[].key_file", Safe(SafeReason::Key)),
    ("paseto.accept[].kid", Safe(SafeReason::Name)),
    ("refresh.format", Safe(SafeReason::Choice)),
    ("refresh.access_ttl", AtMost("1h", TTL)),
    (
        "refresh.absolute",
        AtMost("30d", "a stolen device stays logged in for that long"),
    ),
    (
        "refresh.idle",
        AtMost("14d", "a lost device stays logged in for that long"),
    ),
    (
        "refresh.rotate",
        Is("false", "the theft of a refresh token is not detected"),
    ),
    (
        "refresh.grace",
        AtMost(
            "30s",
            "the reuse of a stolen refresh token is not detected for that long",
        ),
    ),
    (
        "refresh.outage_grace",
        AtMost(
            "15m",
            "after an outage, the reuse of a stolen refresh token is not detected for that long",
        ),
    ),
    (
        "refresh.max_devices",
        AtMost("20", "users overlook an attacker among so many devices"),
    ),
    ("refresh.on_limit", Safe(SafeReason::Choice)),
    (
        "refresh.blacklist",
        Is("dangerous_none", "a logout revokes nothing"),
    ),
    (
        "refresh.bind",
        Is(
            "ignore",
            "a refresh from another device than the login is not reported",
        ),
    ),
    (
        "session.idle",
        AtMost("24h", "an unattended browser stays logged in for that long"),
    ),
    (
        "session.absolute",
        AtMost("30d", "a stolen session stays valid for that long"),
    ),
    (
        "session.user_max_age",
        AtMost(
            "15m",
            "a user who is disabled or loses a role in the table keeps access for that long",
        ),
    ),
    ("session.cookie", Cookie),
    ("session.header", Safe(SafeReason::Name)),
    ("session.secret_file", Safe(SafeReason::Key)),
    (
        "session.dangerous_plain_records",
        Dangerous("anyone who can read the store can read session data"),
    ),
    ("passwords.schemes", Safe(SafeReason::Choice)),
    (
        "passwords.rehash",
        Is("false", "hashes of old schemes and costs are not replaced"),
    ),
    ("passwords.pepper", Safe(SafeReason::Choice)),
    (
        "passwords.min_length",
        AtLeast("8", "short passwords can be guessed (ASVS 6.2.1)"),
    ),
    ("passwords.max_length", Safe(SafeReason::Bounded)),
    ("passwords.max_running", Safe(SafeReason::Work)),
    (
        "passwords.max_waiting",
        AtMost(
            "1024",
            "a flood of logins makes every user wait for so many hashes",
        ),
    ),
    (
        "passwords.dangerous_allow_common",
        Dangerous("passwords that attackers try first are accepted (ASVS 6.2.4)"),
    ),
    (
        "passwords.remember_devices",
        AtMost("90d", "a lost device needs no code for that long"),
    ),
    ("throttle.account.attempts", AtMost("200", GUESSES)),
    ("throttle.account.window", AtLeast("5m", GUESSES)),
    ("throttle.account_network.attempts", AtMost("20", GUESSES)),
    ("throttle.account_network.window", AtLeast("5m", GUESSES)),
    ("throttle.work.attempts", Safe(SafeReason::Work)),
    ("throttle.work.window", Safe(SafeReason::Work)),
    ("throttle.address.attempts", AtMost("1000", GUESSES)),
    ("throttle.address.window", AtLeast("5m", GUESSES)),
    ("throttle.device.attempts", AtMost("20", GUESSES)),
    ("throttle.device.window", AtLeast("5m", GUESSES)),
    (
        "throttle.device_life",
        AtMost(
            "365d",
            "a stolen device token grants a budget of its own for that long",
        ),
    ),
    (
        "throttle.trusted_proxies",
        AtMost(
            "4",
            "if the number is too high, clients choose the address by which they are counted",
        ),
    ),
    ("otp.type", Safe(SafeReason::Choice)),
    ("otp.service", Safe(SafeReason::Name)),
    ("otp.digits", Safe(SafeReason::Bounded)),
    ("otp.digest", Safe(SafeReason::Choice)),
    (
        "otp.interval",
        AtMost("60", "an observed code stays valid for so many seconds"),
    ),
    (
        "otp.secret_bits",
        AtLeast("160", "RFC 4226 section 4 recommends longer secrets"),
    ),
    (
        "otp.window",
        AtMost("2", "each further period makes one more code valid"),
    ),
    (
        "otp.look_ahead",
        AtMost("10", "each further code is one more that is valid"),
    ),
    ("otp.max_failures", Safe(SafeReason::Bounded)),
    (
        "otp.lock",
        AtLeast("5m", "after a short lock, guessing continues"),
    ),
    (
        "otp.pending",
        AtMost("1h", "an abandoned enrolment stays open for that long"),
    ),
    (
        "otp.fresh",
        AtMost(
            "15m",
            "sensitive operations are allowed for that long after a code",
        ),
    ),
    ("oauth2.providers.NAME.client_id", Safe(SafeReason::Name)),
    ("oauth2.providers.NAME.client_secret", Safe(SafeReason::Key)),
    (
        "oauth2.providers.NAME.secret_in_body",
        Safe(SafeReason::Choice),
    ),
    (
        "oauth2.providers.NAME.redirect_url",
        Safe(SafeReason::Bounded),
    ),
    (
        "oauth2.providers.NAME.default_page",
        Safe(SafeReason::Bounded),
    ),
    ("oauth2.providers.NAME.scopes", Safe(SafeReason::Name)),
    (
        "oauth2.providers.NAME.parameters",
        Safe(SafeReason::Bounded),
    ),
    ("oauth2.providers.NAME.issuer", Safe(SafeReason::Bounded)),
    (
        "oauth2.providers.NAME.authorize_url",
        Safe(SafeReason::Bounded),
    ),
    ("oauth2.providers.NAME.token_url", Safe(SafeReason::Bounded)),
    (
        "oauth2.providers.NAME.userinfo_url",
        Safe(SafeReason::Bounded),
    ),
    (
        "oauth2.providers.NAME.device_url",
        Safe(SafeReason::Bounded),
    ),
    (
        "oauth2.providers.NAME.revoke_url",
        Safe(SafeReason::Bounded),
    ),
    ("oauth2.providers.NAME.jwks_url", Safe(SafeReason::Bounded)),
    (
        "oauth2.providers.NAME.require_issuer",
        Safe(SafeReason::Choice),
    ),
    ("oauth2.providers.NAME.timeout", Safe(SafeReason::Bounded)),
    ("oauth2.providers.NAME.tenant", Safe(SafeReason::Name)),
    ("oauth2.providers.NAME.team_id", Safe(SafeReason::Name)),
    ("oauth2.providers.NAME.private_key", Safe(SafeReason::Key)),
    (
        "oauth2.providers.NAME.private_key_file",
        Safe(SafeReason::Key),
    ),
    ("oauth2.providers.NAME.alg", Safe(SafeReason::Choice)),
    ("oauth2.providers.NAME.kid", Safe(SafeReason::Name)),
    (
        "oauth2.providers.NAME.dangerous_assertion_audience",
        Dangerous(
            "an assertion with this audience may be obtained by one party and used at another",
        ),
    ),
    (
        "oauth2.providers.NAME.dangerous_http_on_loopback",
        Dangerous("the traffic with this provider is unencrypted: for development only"),
    ),
];

const IRREVOCABLE: &str = "a token is valid until it expires: it cannot be revoked";
const TTL: &str = "a token that was stolen, or whose user was disabled, stays valid for that long";
const GUESSES: &str = "passwords can be guessed faster";
