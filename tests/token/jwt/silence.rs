//! Checks that no part of a token, a claim or a key is in a log, in a response or in an error.

use std::error::Error;

use tower_jam::{JwtLayer, Rejection};
use tracing::Level;

use super::{
    attacks::{self, Attack, Category},
    forge::{ED25519, Forge, P256, RSA, SECRET, encode},
    service::{ask, bearer},
};
use crate::support::log::Log;

#[test]
fn no_token_claim_or_key_is_in_a_log_a_response_or_an_error() {
    let log = Log::default();
    let listening = log.listen(Level::TRACE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (mut secrets, mut shown) = (keys(), String::new());
    runtime.block_on(async {
        for category in attacks::all() {
            attempt(&category, &mut secrets, &mut shown).await;
        }
    });
    drop(listening);

    let log = log.text();
    // Every request left a line, and the reasons are in it, so this is the right log.
    assert!(log.lines().count() >= 1000);
    for reason in [
        "the signature is wrong",
        "the token has expired",
        "no key of the ring has this kid",
    ] {
        assert!(
            log.contains(&format!("request refused: {reason}")),
            "{reason}"
        );
    }
    assert!(log.contains("status=401") && log.contains("status=400"));
    assert!(shown.contains("invalid_token") && shown.contains("at line 1, column "));
    assert!(secrets.len() >= 3000, "{}", secrets.len());
    for secret in &secrets {
        assert!(!log.contains(secret), "the log contains {secret:?}");
        assert!(
            !shown.contains(secret),
            "a response or error contains {secret:?}"
        );
    }
}

/// Runs a category and adds what must not be shown, and what was.
async fn attempt(category: &Category, secrets: &mut Vec<String>, shown: &mut String) {
    let refused = category.attacks.iter();
    let refused = refused.map(
        |Attack {
             name,
             token,
             reason,
         }| (format!("{name}: {reason}"), token),
    );
    let accepted = category
        .controls
        .iter()
        .map(|token| ("accepted".to_owned(), token));
    for (name, token) in refused.chain(accepted) {
        let parts = token.split('.').chain([token.as_str()]);
        // Shorter ones are found in any text.
        secrets.extend(parts.filter(|part| part.len() >= 12).map(str::to_owned));
        if let Some(field) = bearer(token) {
            let answer = ask(JwtLayer::new(category.jwt.clone()), [field]).await;
            assert_eq!(
                answer.calls,
                usize::from(answer.status == 200),
                "{}: {name}",
                category.name
            );
            assert_eq!(answer.challenge.is_some(), answer.status != 200);
            shown.push_str(&format!("{} {}\n", answer.head, answer.body));
        }
        match category.jwt.verify(token).await {
            Ok(verified) => shown.push_str(&format!("{verified:?} {:#?}\n", verified.identity())),
            Err(rejection) => shown.push_str(&everything(&rejection)),
        }
    }
    shown.push_str(&format!("{:#?} {:#?}\n", category.jwt, category.jwt.keys()));
}

fn everything(rejection: &Rejection) -> String {
    let mut text = format!("{rejection} {rejection:?} {rejection:#?}\n");
    let mut source = rejection.source();
    while let Some(error) = source {
        text.push_str(&format!("{error} {error:?}\n"));
        source = error.source();
    }
    text
}

/// The texts of keys, and the word that is in every claim and in the shared secret.
fn keys() -> Vec<String> {
    let mut secrets = vec!["swordfish".to_owned(), encode(SECRET), encode("swordfish")];
    for pem in [P256, ED25519, RSA] {
        secrets.extend(
            pem.lines()
                .filter(|line| !line.starts_with('-'))
                .map(str::to_owned),
        );
    }
    secrets.push(Forge::hs256(SECRET).header);
    secrets
}
