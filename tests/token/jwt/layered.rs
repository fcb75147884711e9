//! The table through the layer: the response to the caller, and that the service is never called.

use http::{HeaderName, HeaderValue, StatusCode, header};

use tower_jam::{Algorithm, Claims, CredentialSource, Grant, Jwt, JwtLayer, Key, KeyRing};

use super::{
    attacks::{self, Category},
    forge::{Forge, SECRET, engine, shared},
    service::{ask, bearer},
};

/// RFC 9110 section 11.2.
fn is_token68(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c))
}

const INVALID: &str = r#"Bearer realm="api", error="invalid_token""#;
const MALFORMED: &str = r#"Bearer realm="api", error="invalid_request""#;
const MISSING: &str = r#"Bearer realm="api""#;

#[tokio::test]
async fn every_attack_gets_a_challenge_and_no_service_is_called() {
    let (mut unauthorized, mut malformed, mut impossible) = (0, 0, 0);
    for Category {
        name,
        jwt,
        controls,
        attacks,
    } in attacks::all()
    {
        for attack in &attacks {
            let Some(field) = bearer(&attack.token) else {
                impossible += 1;
                continue;
            };
            let answer = ask(JwtLayer::new(jwt.clone()), [field]).await;
            // Any number of spaces may separate the scheme and the token.
            let expected = if is_token68(attack.token.trim_start_matches(' ')) {
                (StatusCode::UNAUTHORIZED, INVALID)
            } else {
                (StatusCode::BAD_REQUEST, MALFORMED)
            };
            let outcome = (
                answer.status,
                answer.challenge.as_deref().unwrap_or_default(),
            );
            assert_eq!(outcome, expected, "{name}: {}", attack.name);
            assert_eq!(answer.calls, 0, "{name}: {}", attack.name);
            for field in ["application/problem+json", "no-store"] {
                assert!(answer.head.contains(field), "{}", answer.head);
            }
            unauthorized += usize::from(expected.1 == INVALID);
            malformed += usize::from(expected.1 == MALFORMED);
        }
        for token in &controls {
            let answer = ask(JwtLayer::new(jwt.clone()), bearer(token)).await;
            assert_eq!(
                (answer.status, &*answer.body, answer.calls),
                (StatusCode::OK, "true", 1),
                "{name}"
            );
        }
    }
    assert!(
        unauthorized >= 900 && malformed >= 50,
        "{unauthorized}, {malformed}, {impossible}"
    );
}

/// In a header of its own a token is the whole value, so nothing is malformed except for bytes that
/// are no text. An invalid token is rejected on optional routes too.
#[tokio::test]
async fn every_attack_in_another_header_is_unauthorized_also_where_a_token_is_optional() {
    let name = HeaderName::from_static("x-token");
    for Category {
        jwt,
        controls,
        attacks,
        ..
    } in attacks::all()
    {
        let layer = JwtLayer::new(jwt)
            .read_from(CredentialSource::header(name.clone()))
            .optional();
        let field = |token: &str| {
            let value = HeaderValue::from_bytes(token.as_bytes()).ok()?;
            Some((name.clone(), value))
        };
        for attack in &attacks {
            let Some(field) = field(&attack.token) else {
                continue;
            };
            let answer = ask(layer.clone(), [field]).await;
            assert_eq!(
                (answer.status, answer.calls),
                (StatusCode::UNAUTHORIZED, 0),
                "{}",
                attack.name
            );
            assert_eq!(answer.challenge.as_deref(), Some(INVALID));
        }
        for token in &controls {
            let answer = ask(layer.clone(), field(token)).await;
            assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "true"));
        }
        let answer = ask(layer, []).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "false"));
    }
}

#[tokio::test]
async fn a_bearer_header_has_one_form() {
    let jwt: Jwt<Claims> = engine(shared());
    let good = Forge::hs256(SECRET).good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let ok = (StatusCode::OK, None);
    let missing = (StatusCode::UNAUTHORIZED, Some(MISSING));
    let invalid = (StatusCode::UNAUTHORIZED, Some(INVALID));
    let malformed = (StatusCode::BAD_REQUEST, Some(MALFORMED));

    let table: Vec<(Vec<Vec<u8>>, _)> = [
        (format!("Bearer {good}"), ok),
        (format!("bearer {good}"), ok),
        (format!("BEARER {good}"), ok),
        (format!("bEARER {good}"), ok),
        (format!("Bearer  {good}"), ok),
        (format!("Bearer       {good}"), ok),
        ("Basic c3dvcmRmaXNoOng=".to_owned(), missing),
        ("Basic".to_owned(), missing),
        ("Digest username=\"swordfish\"".to_owned(), missing),
        ("Negotiate YII".to_owned(), missing),
        (format!("DPoP {good}"), missing),
        (format!("JWT {good}"), missing),
        (format!("Token {good}"), missing),
        (format!("BearerX {good}"), missing),
        (format!("Bear {good}"), missing),
        (good.clone(), missing),
        (String::new(), malformed),
        (" ".to_owned(), malformed),
        ("Bearer".to_owned(), malformed),
        ("Bearer ".to_owned(), malformed),
        ("bearer  ".to_owned(), malformed),
        (format!("Bearer\t{good}"), malformed),
        (format!("Bearer \t{good}"), malformed),
        (format!(" Bearer {good}"), malformed),
        (format!("\tBearer {good}"), malformed),
        (format!("Bearer {good} "), malformed),
        (format!("Bearer {good}\t"), malformed),
        (format!("Bearer {good} {good}"), malformed),
        (format!("Bearer Bearer {good}"), malformed),
        (format!("Bearer {good},"), malformed),
        (format!("Bearer ,{good}"), malformed),
        (format!("Bearer {good}, Bearer {good}"), malformed),
        (format!("Bearer {good}, Basic YTpi"), malformed),
        (format!("Basic YTpi, Bearer {good}"), missing),
        (format!("Bearer, {good}"), malformed),
        (format!("Bearer:{good}"), malformed),
        (format!("Bearer={good}"), malformed),
        (format!("Bearer token={good}"), malformed),
        (format!("Bearer token=\"{good}\""), malformed),
        (format!("Bearer \"{good}\""), malformed),
        (format!("Bearer '{good}'"), malformed),
        (format!("Bearer <{good}>"), malformed),
        (format!("Bearer {good};q=1"), malformed),
        (format!("Bearer {good}#"), malformed),
        (format!("Bearer {good}%3D"), malformed),
        (format!("Bearer {message}=.{signature}"), malformed),
        ("Bearer =".to_owned(), malformed),
        ("Bearer ==".to_owned(), malformed),
        ("Bearer null".to_owned(), invalid),
        ("Bearer undefined".to_owned(), invalid),
        ("Bearer ~".to_owned(), invalid),
        (format!("Bearer {good}="), invalid),
        (format!("Bearer {good}=="), invalid),
        (format!("Bearer {good}~"), invalid),
        (format!("Bearer {good}+"), invalid),
        (format!("Bearer {good}/"), invalid),
        (format!("Bearer {good}ä"), malformed),
        (format!("Beärer {good}"), missing),
        (format!("Bearer\u{a0}{good}"), malformed),
        (format!("Ｂearer {good}"), malformed),
    ]
    .into_iter()
    .map(|(value, expected)| (vec![value.into_bytes()], expected))
    .chain([
        (
            vec![[b"Bearer ", good.as_bytes(), b"\xff"].concat()],
            malformed,
        ),
        (vec![b"\xff".to_vec()], malformed),
        (vec![format!("Bearer {good}").into_bytes(); 2], malformed),
        (
            vec![
                format!("Bearer {good}").into_bytes(),
                b"Basic YTpi".to_vec(),
            ],
            malformed,
        ),
        (
            vec![
                b"Basic YTpi".to_vec(),
                format!("Bearer {good}").into_bytes(),
            ],
            malformed,
        ),
        (
            vec![b"Basic YTpi".to_vec(), b"Digest x".to_vec()],
            malformed,
        ),
        (
            vec![format!("Bearer {good}").into_bytes(), Vec::new()],
            malformed,
        ),
        (vec![], missing),
    ])
    .collect();

    assert!(table.len() >= 60);
    for (values, (status, challenge)) in table {
        let shown: Vec<_> = values
            .iter()
            .map(|value| String::from_utf8_lossy(value))
            .collect();
        let fields = values.iter().map(|value| {
            (
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value).unwrap(),
            )
        });
        let answer = ask(JwtLayer::new(jwt.clone()), fields).await;
        assert_eq!(
            (answer.status, answer.challenge.as_deref()),
            (status, challenge),
            "{shown:?}"
        );
        assert_eq!(
            answer.calls,
            usize::from(status == StatusCode::OK),
            "{shown:?}"
        );
    }
}

/// The longest signatures have 4627 bytes, and the rest of such a token is still 1.4 KiB.
#[tokio::test]
async fn a_token_of_every_algorithm_passes_the_layer_and_again_from_the_cache() {
    for algorithm in Algorithm::ALL {
        let builder = Jwt::builder(KeyRing::new(Key::generate(*algorithm).unwrap()));
        let builder = builder.issuer("https://auth.acme.dev").audience("api");
        let jwt: Jwt<Claims> = builder.build().unwrap();
        let claims = Claims::new().with("text", "x".repeat(1_000)).unwrap();
        let token = jwt.issue(Grant::new("alice", claims)).await.unwrap();
        for _ in 0..2 {
            let layer = JwtLayer::new(jwt.clone());
            let answer = ask(layer, bearer(token.expose())).await;
            assert_eq!(
                (answer.status, answer.calls),
                (StatusCode::OK, 1),
                "{algorithm}"
            );
        }
    }
}
