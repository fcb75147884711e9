//! The life of a token: issued, cached, rotated, revoked, refreshed.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Claims, Clock, Env, Factor, Grant, IssueError, KeyRing, MasterSecret, Paseto, PasetoKey,
    TokenList, TokenPairs,
    store::MemoryStore,
    testing::ManualClock,
    token::paseto::{Local, Public, V3, V4},
};

use super::world::{AUDIENCE, ISSUER, Subject, built, claims, clock, decode, v4_local, v4_public};

#[tokio::test]
async fn every_version_reads_what_it_issues_and_a_signed_payload_is_readable() {
    for subject in Subject::all() {
        let grant = Grant::new("alice", Claims::new().with("name", "Alice").unwrap())
            .factor(Factor::Password)
            .roles(["editor"])
            .scopes(["articles:read"]);
        let issue = subject.paseto.issue(grant).not_before(Duration::ZERO);
        let token = issue.ttl(Duration::from_secs(60)).await.unwrap();
        let token = token.expose();
        assert!(token.starts_with(&format!("{}.", subject.name)), "{token}");
        for _ in 0..2 {
            let verified = subject.paseto.verify(token).await.unwrap();
            let (identity, user) = (verified.identity().unwrap(), verified.user().unwrap());
            assert!(identity.has_role("editor") && identity.has_scope("articles:read"));
            assert_eq!(user.get::<String>("name").unwrap().unwrap(), "Alice");
            assert_eq!(user.claim("exp").unwrap(), "2026-01-01T00:01:00+00:00");
            assert_eq!(user.claim("nbf").unwrap(), "2026-01-01T00:00:00+00:00");
            assert_eq!(user.claim("iat").unwrap(), "2026-01-01T00:00:00+00:00");
            assert_eq!(user.claim("auth_time").unwrap(), 1_767_225_600);
            assert_eq!(user.issued_at().unwrap().as_secs(), 1_767_225_600);
        }
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(decode(parts[3]), subject.footer().as_bytes());
        let is_readable = decode(parts[2]).windows(5).any(|text| text == b"Alice");
        assert_eq!(is_readable, subject.name.ends_with("public"));
    }
}

#[tokio::test]
async fn a_cached_paseto_expires() {
    let clock = Arc::new(ManualClock::default());
    let ring = KeyRing::new(PasetoKey::<V4, Local>::generate());
    let builder = Paseto::<Claims>::v4_local(ring)
        .issuer(ISSUER)
        .audience(AUDIENCE);
    let paseto = builder.clock(clock.clone()).build().unwrap();
    let token = paseto
        .issue(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    for (seconds, is_good) in [(0, true), (900 + 29, true), (1, false), (1, false)] {
        clock.advance(Duration::from_secs(seconds));
        let verdict = paseto.verify(token.expose()).await;
        assert_eq!(verdict.is_ok(), is_good, "{:?}", clock.now());
    }
}

#[tokio::test]
async fn keys_of_a_paseto_rotate_while_it_serves() {
    let (old, new) = (
        PasetoKey::<V4, Local>::generate(),
        PasetoKey::<V4, Local>::generate(),
    );
    let ring = KeyRing::new(old.clone());
    let paseto = built(Paseto::v4_local(ring.clone()));
    let mint = async || {
        paseto
            .issue(Grant::new("alice", Claims::new()))
            .await
            .unwrap()
    };
    let first = mint().await;
    assert!(paseto.verify(first.expose()).await.is_ok());
    ring.rotate(new.clone()).unwrap();
    let second = mint().await;
    for token in [&first, &second] {
        assert!(paseto.verify(token.expose()).await.is_ok());
    }
    assert_eq!(
        paseto
            .footer(second.expose())
            .unwrap()
            .member("kid")
            .unwrap(),
        new.kid()
    );
    // A cached token is not valid beyond its key.
    assert!(ring.retire(old.kid()));
    let rejection = paseto.verify(first.expose()).await.unwrap_err();
    assert_eq!(rejection.reason(), "no key of the ring has this kid");
    assert!(paseto.verify(second.expose()).await.is_ok());
    assert_eq!(ring.accept(new).unwrap_err().setting(), "kid");
}

#[tokio::test]
async fn with_several_keys_a_token_names_the_one_that_made_it() {
    let (a, b) = (v4_local(), v4_local());
    let seals = [a.seal.unwrap(), b.seal.unwrap()];
    let kids = [a.kid, b.kid];
    let key = |_: &str| PasetoKey::<V4, Local>::generate();
    let ring = KeyRing::new(key("own").with_kid(kids[0].as_str()).unwrap());
    ring.accept(key("other")).unwrap();
    let paseto = built(Paseto::v4_local(ring));
    for (footer, reason) in [
        (String::new(), "no key of the ring has this kid"),
        ("text".to_owned(), "no key of the ring has this kid"),
        (
            r#"{"tenant":1}"#.to_owned(),
            "no key of the ring has this kid",
        ),
        (
            format!(r#"{{"kid":"{}"}}"#, kids[1]),
            "no key of the ring has this kid",
        ),
        (
            format!(r#"{{"kid":"{}"}}"#, kids[0]),
            "the token is not by its key",
        ),
    ] {
        for seal in &seals {
            let token = seal(&claims(&[]), &footer, "");
            let rejection = paseto.verify(&token).await.unwrap_err();
            assert_eq!(rejection.reason(), reason, "{footer}");
        }
    }
}

#[tokio::test]
async fn a_public_half_verifies_and_does_not_issue() {
    let pair = PasetoKey::<V3, Public>::generate().unwrap();
    let signing = built(Paseto::v3_public(KeyRing::new(pair.clone())));
    let verifying = built(Paseto::v3_public(KeyRing::new(pair.public_only())));
    let grant = || Grant::new("alice", Claims::new());
    let token = signing.issue(grant()).await.unwrap();
    assert!(verifying.verify(token.expose()).await.is_ok());
    let error = verifying.issue(grant()).await.unwrap_err();
    assert!(matches!(error, IssueError::NoSigningKey), "{error:?}");
}

#[tokio::test]
async fn a_token_belongs_to_its_implicit_assertion_and_shows_nothing_of_it() {
    let ring = KeyRing::new(PasetoKey::<V4, Public>::generate().unwrap());
    let of = |tenant: &str| built(Paseto::v4_public(ring.clone()).implicit_assertion(tenant));
    let (one, two, none) = (
        of("tenant-1"),
        of("tenant-2"),
        built(Paseto::v4_public(ring.clone())),
    );
    let token = one.issue(Grant::new("alice", Claims::new())).await.unwrap();
    assert!(one.verify(token.expose()).await.is_ok());
    assert!(of("tenant-1").verify(token.expose()).await.is_ok());
    for other in [two, none] {
        let rejection = other.verify(token.expose()).await.unwrap_err();
        assert_eq!(rejection.reason(), "the token is not by its key");
    }
    let parts: Vec<_> = token.expose().split('.').collect();
    let shown = [decode(parts[2]), decode(parts[3])].concat();
    assert!(!shown.windows(6).any(|text| text == b"tenant"));
}

#[tokio::test]
async fn a_footer_carries_configured_members_beside_the_kid() {
    let key = PasetoKey::<V4, Local>::generate();
    let builder = || Paseto::<Claims>::v4_local(KeyRing::new(key.clone()));
    let paseto = built(builder().footer("tenant", "acme").footer("level", 3));
    let token = paseto
        .issue(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    let footer = paseto.footer(token.expose()).unwrap();
    assert_eq!(footer.member("tenant").unwrap(), "acme");
    assert_eq!(footer.member("level").unwrap(), 3);
    assert_eq!(footer.member("kid").unwrap(), key.kid());
    assert!(footer.as_str().starts_with('{'));
    assert!(!format!("{footer:?}").contains("acme"));
    assert!(paseto.footer(&token.expose().replace("v4", "v3")).is_err());
    for bad in [
        builder().footer("kid", "mine"),
        builder().footer("wpk", "key"),
        builder().footer("long", "x".repeat(600)),
        (0..70).fold(builder(), |builder, name| {
            builder.footer(name.to_string(), 0)
        }),
    ] {
        let error = bad.issuer(ISSUER).audience(AUDIENCE).build().unwrap_err();
        assert_eq!(error.setting(), "footer");
    }
}

#[tokio::test]
async fn a_paseto_is_revoked_by_its_list() {
    for mode in [TokenList::deny, TokenList::allow] {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
        let env = Env::new(ISSUER, store, &MasterSecret::generate()).with_clock(clock.clone());
        let list = mode(&env).build().unwrap();
        let ring = KeyRing::new(PasetoKey::<V4, Local>::generate());
        let builder = Paseto::<Claims>::v4_local(ring)
            .issuer(ISSUER)
            .audience(AUDIENCE);
        let paseto = builder
            .clock(clock.clone())
            .list(list.clone())
            .build()
            .unwrap();
        let mint = async || {
            paseto
                .issue(Grant::new("alice", Claims::new()))
                .await
                .unwrap()
        };
        let (phone, laptop) = (mint().await, mint().await);
        assert!(paseto.verify(phone.expose()).await.is_ok());
        paseto.revoke_token(phone.expose()).await.unwrap();
        assert_eq!(
            paseto.verify(phone.expose()).await.unwrap_err().status(),
            401
        );
        assert!(paseto.verify(laptop.expose()).await.is_ok());
        assert!(
            list.check(&paseto.token_id(laptop.expose()).unwrap())
                .await
                .unwrap()
        );
        list.revoke_all("alice").await.unwrap();
        assert!(paseto.verify(laptop.expose()).await.is_err());
        let last = mint().await;
        assert!(paseto.verify(last.expose()).await.is_ok());
        paseto.revoke_tokens([last.expose()]).await.unwrap();
        assert!(paseto.verify(last.expose()).await.is_err());
    }
}

#[tokio::test]
async fn pairs_have_pasetos_for_access_tokens() {
    for subject in Subject::all() {
        let store = Arc::new(MemoryStore::new().with_clock(clock()));
        let users = |subject: String| async move {
            let claims = Claims::new().with("name", "Alice").unwrap();
            Ok(Some(Grant::new(subject, claims).roles(["editor"])))
        };
        let access = subject.paseto.clone();
        let pairs = TokenPairs::builder(
            &Env::new(ISSUER, store, &MasterSecret::generate()),
            access,
            users,
        );
        let pairs = pairs.build().unwrap();
        let alice = Grant::new("alice", Claims::new()).factor(Factor::Password);
        let first = pairs.issue(alice).await.unwrap();
        assert!(first.access_token.expose().starts_with(subject.name));
        assert!(pairs.verify(first.access_token.expose()).await.is_ok());

        let second = pairs
            .refresh(first.refresh_token.expose(), None)
            .await
            .unwrap();
        let verified = pairs.verify(second.access_token.expose()).await.unwrap();
        let identity = verified.identity().unwrap();
        assert_eq!(identity.session_id(), Some(&*second.session_id));
        assert!(identity.has_role("editor"));
        assert_eq!(
            verified.user().unwrap().get::<String>("name").unwrap(),
            Some("Alice".to_owned())
        );

        assert!(pairs.logout(second.refresh_token.expose()).await.unwrap());
        for token in [&first.access_token, &second.access_token] {
            let rejection = pairs.verify(token.expose()).await.unwrap_err();
            assert_eq!(
                rejection.reason(),
                "the device has expired or was revoked",
                "{}",
                subject.name
            );
            // Another service that verifies with the key alone accepts the token until it expires.
            assert!(subject.paseto.verify(token.expose()).await.is_ok());
        }
        assert!(
            pairs
                .refresh(second.refresh_token.expose(), None)
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_paseto_that_is_too_long_for_verifiers_is_not_issued() {
    for subject in [v4_local(), v4_public()] {
        let claims = Claims::new().with("fill", "a".repeat(8000)).unwrap();
        let error = subject
            .paseto
            .issue(Grant::new("alice", claims))
            .await
            .unwrap_err();
        assert!(
            matches!(error, IssueError::TooLarge { limit: 8192, .. }),
            "{error:?}"
        );
    }
}

#[test]
fn an_engine_for_pasetos_requires_valid_settings() {
    let builder = || Paseto::<Claims>::v4_local(KeyRing::new(PasetoKey::<V4, Local>::generate()));
    let whole = || builder().issuer(ISSUER).audience(AUDIENCE);
    for (bad, setting) in [
        (builder().audience(AUDIENCE), "issuer"),
        (whole().issuer(""), "issuer"),
        (builder().issuer(ISSUER), "audience"),
        (whole().audience(""), "audience"),
        (whole().leeway(Duration::from_secs(61)), "leeway"),
        (whole().ttl(Duration::from_millis(999)), "ttl"),
    ] {
        assert_eq!(bad.build().unwrap_err().setting(), setting);
    }
    assert!(whole().build().is_ok());
}
