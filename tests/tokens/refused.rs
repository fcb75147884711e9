//! The table against the engine alone.

use tower_jam::{Rejection, RejectionKind};

use super::attacks::{self, Attack};

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
    assert_eq!((attacks, controls), (0, 0));
}

fn is_refused(attack: &Attack, verdict: &Result<(), Rejection>) -> bool {
    verdict.as_ref().is_err_and(|rejection| {
        *rejection.kind() == RejectionKind::Invalid
            && rejection.status() == 401
            && rejection.reason() == attack.reason
    })
}
