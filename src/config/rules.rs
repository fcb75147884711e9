//! The decisions on what weakens an instance: one table.

use super::{
    settings::{FormatKind, ListKind, Settings, StoreKind},
    weak::{Rule, Why},
};

use Rule::{AtLeast, AtMost, Cookie, Dangerous, Is, Safe, When};

fn is_in_memory(settings: &Settings) -> bool {
    let store = settings.store.as_ref();
    store.is_none_or(|store| store.r#type == StoreKind::Memory)
}

/// Whether the store is on another machine, and the way there is open.
fn is_store_open(settings: &Settings) -> bool {
    let url = settings.store.as_ref().and_then(|store| store.url.as_ref());
    let Some((scheme, rest)) = url.and_then(|url| url.expose().split_once("://")) else {
        return false;
    };
    let (path, rest) = (rest, rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let is_here = ["localhost", "127.", "[::1]", "/", "%2F"]
        .iter()
        .any(|host| rest.starts_with(host));
    let is_tls = scheme.starts_with("rediss")
        || ["sslmode=require", "sslmode=verify"]
            .iter()
            .any(|mode| path.contains(mode));
    !is_here && !is_tls
}

fn is_jwt_final(settings: &Settings) -> bool {
    let refreshed = settings.refresh.as_ref().map(|refresh| refresh.format);
    let jwt = settings.jwt.as_ref();
    refreshed != Some(FormatKind::Jwt) && jwt.is_some_and(|jwt| jwt.list == ListKind::None)
}

fn is_paseto_final(settings: &Settings) -> bool {
    let refreshed = settings.refresh.as_ref().map(|refresh| refresh.format);
    let paseto = settings.paseto.as_ref();
    refreshed != Some(FormatKind::Paseto)
        && paseto.is_some_and(|paseto| paseto.list == ListKind::None)
}

/// Every setting of the schema, once. A test holds this and the schema together, so that no setting comes without a decision.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("audience", Safe(Why::Name)),
    ("issuer", Safe(Why::Name)),
    ("secret", Safe(Why::Key)),
    ("secret_file", Safe(Why::Key)),
    (
        "store.type",
        When(
            is_in_memory,
            "what it keeps ends with the process, and no other node sees it",
        ),
    ),
    ("store.capacity", Safe(Why::Work)),
    ("store.path", Safe(Why::Name)),
    (
        "store.url",
        When(
            is_store_open,
            "what the store holds goes over the network unencrypted",
        ),
    ),
    ("store.prefix", Safe(Why::Name)),
    ("store.schema", Safe(Why::Name)),
    ("store.connections", Safe(Why::Work)),
    ("store.connect_timeout", Safe(Why::Bounded)),
    ("store.command_timeout", Safe(Why::Bounded)),
    ("store.ca_file", Safe(Why::Key)),
    (
        "store.dangerous_allow_eviction",
        Dangerous("what has been ended may come back"),
    ),
    ("store.near_cache.capacity", Safe(Why::Work)),
    ("store.near_cache.max_age", Safe(Why::Bounded)),
    ("jwt.alg", Safe(Why::Choice)),
    ("jwt.secret_key", Safe(Why::Key)),
    ("jwt.secret_key_file", Safe(Why::Key)),
    ("jwt.private_key", Safe(Why::Key)),
    ("jwt.private_key_file", Safe(Why::Key)),
    ("jwt.public_key", Safe(Why::Key)),
    ("jwt.public_key_file", Safe(Why::Key)),
    ("jwt.kid", Safe(Why::Name)),
    (
        "jwt.typ",
        Is(
            "JWT",
            "an ID token by the same key may pass for an access token",
        ),
    ),
    (
        "jwt.untyped",
        Is("true", "a JWT of another kind by the same key passes"),
    ),
    ("jwt.leeway", Safe(Why::Bounded)),
    ("jwt.ttl", AtMost("1h", TTL)),
    ("jwt.list", When(is_jwt_final, FINAL)),
    ("jwt.list_longest", Safe(Why::Work)),
    ("jwt.cookie", Cookie),
    ("jwt.header", Safe(Why::Name)),
    ("jwt.accept[].alg", Safe(Why::Choice)),
    ("jwt.accept[].secret_key", Safe(Why::Key)),
    ("jwt.accept[].secret_key_file", Safe(Why::Key)),
    ("jwt.accept[].private_key", Safe(Why::Key)),
    ("jwt.accept[].private_key_file", Safe(Why::Key)),
    ("jwt.accept[].public_key", Safe(Why::Key)),
    ("jwt.accept[].public_key_file", Safe(Why::Key)),
    ("jwt.accept[].kid", Safe(Why::Name)),
    ("paseto.version", Is("v2", "is legacy")),
    ("paseto.purpose", Safe(Why::Choice)),
    ("paseto.key", Safe(Why::Key)),
    ("paseto.key_file", Safe(Why::Key)),
    ("paseto.kid", Safe(Why::Name)),
    ("paseto.leeway", Safe(Why::Bounded)),
    ("paseto.ttl", AtMost("1h", TTL)),
    ("paseto.list", When(is_paseto_final, FINAL)),
    ("paseto.list_longest", Safe(Why::Work)),
    ("paseto.cookie", Cookie),
    ("paseto.header", Safe(Why::Name)),
    ("paseto.accept[].key", Safe(Why::Key)),
    ("paseto.accept[].key_file", Safe(Why::Key)),
    ("paseto.accept[].kid", Safe(Why::Name)),
    ("refresh.format", Safe(Why::Choice)),
    ("refresh.access_ttl", AtMost("1h", TTL)),
    (
        "refresh.absolute",
        AtMost("30d", "a stolen device stays logged in for so long"),
    ),
    (
        "refresh.idle",
        AtMost("14d", "a device that was lost stays logged in for so long"),
    ),
    (
        "refresh.rotate",
        Is("false", "a stolen refresh token is not noticed"),
    ),
    (
        "refresh.grace",
        AtMost(
            "30s",
            "a stolen refresh token that was used is not noticed for so long",
        ),
    ),
    (
        "refresh.outage_grace",
        AtMost(
            "15m",
            "after an outage, a stolen refresh token that was used is not noticed for so long",
        ),
    ),
    (
        "refresh.max_devices",
        AtMost(
            "20",
            "nobody looks through so many devices for one that is a thief's",
        ),
    ),
    ("refresh.on_limit", Safe(Why::Choice)),
    (
        "refresh.blacklist",
        Is("dangerous_none", "a logout ends nothing"),
    ),
    (
        "refresh.bind",
        Is(
            "ignore",
            "a refresh from another device than at the login is not told of",
        ),
    ),
    (
        "session.idle",
        AtMost(
            "24h",
            "a browser that was left alone stays logged in for so long",
        ),
    ),
    (
        "session.absolute",
        AtMost("30d", "a stolen session stays logged in for so long"),
    ),
    (
        "session.user_max_age",
        AtMost(
            "15m",
            "a user who is disabled or loses a role in the table keeps both for so long",
        ),
    ),
    ("session.cookie", Cookie),
    ("session.header", Safe(Why::Name)),
    ("session.secret_file", Safe(Why::Key)),
    (
        "session.dangerous_plain_records",
        Dangerous("a party that reads the store reads what sessions hold"),
    ),
    ("passwords.schemes", Safe(Why::Choice)),
    (
        "passwords.rehash",
        Is("false", "hashes of old schemes and costs never die out"),
    ),
    ("passwords.pepper", Safe(Why::Choice)),
    (
        "passwords.min_length",
        AtLeast("8", "short passwords are guessed (ASVS 6.2.1)"),
    ),
    ("passwords.max_length", Safe(Why::Bounded)),
    ("passwords.max_running", Safe(Why::Work)),
    (
        "passwords.max_waiting",
        AtMost(
            "1024",
            "a flood of logins makes everybody wait for so many hashes",
        ),
    ),
    (
        "passwords.dangerous_allow_common",
        Dangerous("passwords that are tried first are taken (ASVS 6.2.4)"),
    ),
    (
        "passwords.remember_devices",
        AtMost("90d", "a device that was lost gives no code for so long"),
    ),
    ("throttle.account.attempts", AtMost("200", GUESSES)),
    ("throttle.account.window", AtLeast("5m", GUESSES)),
    ("throttle.account_network.attempts", AtMost("20", GUESSES)),
    ("throttle.account_network.window", AtLeast("5m", GUESSES)),
    ("throttle.work.attempts", Safe(Why::Work)),
    ("throttle.work.window", Safe(Why::Work)),
    ("throttle.address.attempts", AtMost("1000", GUESSES)),
    ("throttle.address.window", AtLeast("5m", GUESSES)),
    ("throttle.device.attempts", AtMost("20", GUESSES)),
    ("throttle.device.window", AtLeast("5m", GUESSES)),
    (
        "throttle.device_life",
        AtMost(
            "365d",
            "a stolen token of a device gives a budget of its own for so long",
        ),
    ),
    (
        "throttle.trusted_proxies",
        AtMost(
            "4",
            "of one proxy too many, clients choose the address that they are counted by",
        ),
    ),
    ("otp.type", Safe(Why::Choice)),
    ("otp.service", Safe(Why::Name)),
    ("otp.digits", Safe(Why::Bounded)),
    ("otp.digest", Safe(Why::Choice)),
    (
        "otp.interval",
        AtMost("60", "a code that was seen is good for so many seconds"),
    ),
    (
        "otp.secret_bits",
        AtLeast("160", "RFC 4226 section 4 recommends longer secrets"),
    ),
    (
        "otp.window",
        AtMost("2", "each period more is one more code that is right"),
    ),
    (
        "otp.look_ahead",
        AtMost("10", "each code more is one more that is right"),
    ),
    ("otp.max_failures", Safe(Why::Bounded)),
    (
        "otp.lock",
        AtLeast("5m", "a short lock lets somebody guess on"),
    ),
    (
        "otp.pending",
        AtMost("1h", "an enrolment that was left alone is open for so long"),
    ),
    (
        "otp.fresh",
        AtMost(
            "15m",
            "what only the owner may do is open for so long after a code",
        ),
    ),
    ("oauth2.providers.NAME.client_id", Safe(Why::Name)),
    ("oauth2.providers.NAME.client_secret", Safe(Why::Key)),
    ("oauth2.providers.NAME.secret_in_body", Safe(Why::Choice)),
    ("oauth2.providers.NAME.redirect_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.default_page", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.scopes", Safe(Why::Name)),
    ("oauth2.providers.NAME.parameters", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.issuer", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.authorize_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.token_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.userinfo_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.device_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.revoke_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.jwks_url", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.require_issuer", Safe(Why::Choice)),
    ("oauth2.providers.NAME.timeout", Safe(Why::Bounded)),
    ("oauth2.providers.NAME.tenant", Safe(Why::Name)),
    ("oauth2.providers.NAME.team_id", Safe(Why::Name)),
    ("oauth2.providers.NAME.private_key", Safe(Why::Key)),
    ("oauth2.providers.NAME.private_key_file", Safe(Why::Key)),
    ("oauth2.providers.NAME.alg", Safe(Why::Choice)),
    ("oauth2.providers.NAME.kid", Safe(Why::Name)),
    (
        "oauth2.providers.NAME.dangerous_assertion_audience",
        Dangerous("a proof for this audience may be got by one party to be used at another"),
    ),
    (
        "oauth2.providers.NAME.insecure_http_on_loopback",
        Is(
            "true",
            "what is said to this provider is not encrypted: for trying only",
        ),
    ),
];

const FINAL: &str = "a token is good until it expires: nothing revokes it";
const TTL: &str = "a token that was stolen, or whose user was disabled, is good for so long";
const GUESSES: &str = "passwords can be guessed faster";
