//! The table against the engine alone.

use tower_jam::{Rejection, RejectionKind};

use super::{
    attacks::{self, Attack},
    forge::{Forge, SECRET, builder, claims, shared},
};

#[tokio::test]
async fn every_attack_is_refused_for_its_reason_and_every_control_accepted() {
    let (mut wrong, mut attacks, mut controls) = (Vec::new(), 0, 0);
    for category in attacks::all() {
        for attack in &category.attacks {
            attacks += 1;
            let verdict = category.jwt.verify(&attack.token).await.map(|_| ());
            if !is_refused(attack, &verdict) {
                wrong.push(format!("{}: {}: {verdict:?}", category.name, attack.name));
            }
        }
        for token in &category.controls {
            controls += 1;
            if let Err(rejection) = category.jwt.verify(token).await {
                wrong.push(format!("{}: {token}: {rejection}", category.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        attacks >= 1000 && controls >= 95,
        "{attacks} and {controls}"
    );
}

/// A string that no one reads could contain bytes that are not UTF-8: the JSON library skips over
/// them.
#[tokio::test]
async fn claims_that_the_user_type_does_not_read_are_json_all_the_same() {
    #[derive(serde::Deserialize)]
    struct Narrow {
        marker: String,
    }

    let forge = Forge::hs256(SECRET);
    let nothing = builder::<()>(shared()).build().unwrap();
    let narrow = builder::<Narrow>(shared()).build().unwrap();
    let mut count = 0;
    for (name, text) in attacks::json::broken(&claims(&[])) {
        let token = forge.with_payload(text);
        for verdict in [
            nothing.verify(&token).await.map(|_| ()),
            narrow.verify(&token).await.map(|_| ()),
        ] {
            let rejection = verdict.expect_err(&name);
            assert_eq!(
                rejection.reason(),
                "the claims are not an acceptable JSON object",
                "{name}"
            );
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
    let verified = narrow.verify(&forge.good()).await.unwrap();
    assert_eq!(verified.user().unwrap().marker, "swordfish");
    assert!(nothing.verify(&forge.good()).await.is_ok());
}

fn is_refused(attack: &Attack, verdict: &Result<(), Rejection>) -> bool {
    verdict.as_ref().is_err_and(|rejection| {
        *rejection.kind() == RejectionKind::Invalid
            && rejection.status() == 401
            && rejection.reason() == attack.reason
    })
}
