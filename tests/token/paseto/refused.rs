//! The table against the engine alone, and through the layer.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use tower_jam::{AuthUser, Claims, CredentialSource, PasetoLayer, RejectionKind};

use super::attacks::{self, ANY};

#[tokio::test]
async fn every_attack_on_a_paseto_is_refused_for_its_reason_and_every_control_accepted() {
    let (mut wrong, mut attacks, mut controls) = (Vec::new(), 0, 0);
    for category in attacks::all().await {
        for attack in &category.attacks {
            attacks += 1;
            let is_refused = match category.paseto.verify(&attack.token).await {
                Ok(_) => false,
                Err(rejection) => {
                    *rejection.kind() == RejectionKind::Invalid
                        && rejection.status() == StatusCode::UNAUTHORIZED
                        && (attack.reason == ANY || rejection.reason() == attack.reason)
                }
            };
            if !is_refused {
                let verdict = category.paseto.verify(&attack.token).await.map(|_| ());
                wrong.push(format!("{}: {}: {verdict:?}", category.name, attack.name));
            }
        }
        for token in &category.controls {
            controls += 1;
            if let Err(rejection) = category.paseto.verify(token).await {
                wrong.push(format!("{}: {token}: {rejection}", category.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        attacks >= 1500 && controls >= 150,
        "{attacks} and {controls}"
    );
}

/// No error contains a key, a token or a claim, whatever is wrong with them.
#[tokio::test]
async fn an_error_about_a_paseto_does_not_quote_it() {
    let mut failures = 0;
    for category in attacks::all().await {
        for attack in &category.attacks {
            let rejection = category.paseto.verify(&attack.token).await.unwrap_err();
            let mut shown = format!("{rejection:?} {rejection}");
            let mut source = std::error::Error::source(&rejection);
            while let Some(cause) = source {
                shown.push_str(&format!("{cause:?} {cause}"));
                source = cause.source();
            }
            let parts = attack.token.split('.').filter(|part| part.len() >= 12);
            for part in parts.chain(["swordfish", "k4.lid", "k4.pid"]) {
                assert!(!shown.contains(part), "{}: {shown}", attack.name);
            }
            failures += 1;
        }
    }
    assert!(failures >= 1500, "{failures}");
}

#[tokio::test]
async fn the_layer_answers_every_attack_on_a_paseto_with_401_and_calls_no_service() {
    let name = HeaderName::from_static("x-token");
    let (mut refused, mut granted) = (0, 0);
    for category in attacks::all().await {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let source = CredentialSource::header(name.clone());
        let layer = PasetoLayer::new(category.paseto).read_from(source);
        let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert!(request.extensions().get::<AuthUser<Claims>>().is_some());
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        }));
        let ask = async |token: &str| {
            let mut request = Request::new(Full::default());
            let value = HeaderValue::from_bytes(token.as_bytes()).ok()?;
            request.headers_mut().insert(name.clone(), value);
            let response = service.clone().oneshot(request).await.unwrap();
            let challenge = response.headers().get(header::WWW_AUTHENTICATE).cloned();
            Some((response.status(), challenge))
        };
        for attack in &category.attacks {
            let Some((status, challenge)) = ask(&attack.token).await else {
                continue;
            };
            assert_eq!(
                status,
                StatusCode::UNAUTHORIZED,
                "{}: {}",
                category.name,
                attack.name
            );
            let challenge = challenge.unwrap();
            assert!(
                challenge.to_str().unwrap().contains("Bearer"),
                "{challenge:?}"
            );
            refused += 1;
        }
        assert_eq!(calls.load(Ordering::SeqCst), 0, "{}", category.name);
        for token in &category.controls {
            let (status, _) = ask(token).await.unwrap();
            assert_eq!(status, StatusCode::OK, "{}: {token}", category.name);
            granted += 1;
        }
        assert_eq!(calls.load(Ordering::SeqCst), category.controls.len());
    }
    assert!(refused >= 1500 && granted >= 150, "{refused} and {granted}");
}
