//! What the store holds, and what it does not.

use std::sync::Arc;

use tower_jam::{
    refresh::Fingerprint,
    store::{Entry, MemoryStore, Store, StoreKey, When, Write},
};

use super::{
    support::{ProbeStore, shared},
    world::{App, refresh},
};

fn key(subject: &str) -> StoreKey {
    StoreKey::new("account", &[b"https://auth.acme.dev", subject.as_bytes()])
}

/// The stored account, as it would be in a backup.
pub async fn snapshot(store: &Arc<dyn Store>, subject: &str) -> Entry {
    store.get(&key(subject)).await.unwrap().unwrap()
}

pub async fn restore(store: &Arc<dyn Store>, subject: &str, entry: Entry) {
    let write = Write::new(entry.value, entry.expires_at);
    assert!(store.put(&key(subject), write, When::Always).await.unwrap());
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[tokio::test]
async fn nothing_that_is_stored_can_be_presented() {
    let app = App::new();
    let (probe, store) = shared(ProbeStore::new(
        MemoryStore::new().with_clock(app.clock.clone()),
    ));
    let pairs = app.node(&store, |pairs| pairs);
    let fingerprint = Fingerprint::new(&"a very rare browser".into()).unwrap();
    let pair = pairs
        .issue(app.alice())
        .fingerprint(fingerprint)
        .await
        .unwrap();
    let next = refresh(&pairs, pair.refresh_token.expose()).await.unwrap();
    let mut needles = vec![b"a very rare browser".to_vec()];
    for token in [
        pair.refresh_token.expose(),
        &next,
        pair.access_token.expose(),
    ] {
        needles.push(token.clone().into_bytes());
        let decode = |part: &str| {
            base64_simd::URL_SAFE_NO_PAD
                .decode_to_vec(part)
                .unwrap_or_default()
        };
        let bytes = decode(token);
        if bytes.len() == 73 {
            // The family's id, raw, in hexadecimal and in base64.
            let family = &bytes[37..53];
            needles.push(family.to_vec());
            needles.push(
                family
                    .iter()
                    .flat_map(|byte| format!("{byte:02x}").into_bytes())
                    .collect(),
            );
            needles.push(
                base64_simd::URL_SAFE_NO_PAD
                    .encode_to_string(family)
                    .into_bytes(),
            );
            needles.push(bytes[57..].to_vec());
        }
    }
    assert!(needles.len() > 8);
    let written = probe.written();
    assert!(!written.is_empty());
    for value in &written {
        for needle in &needles {
            assert!(
                !contains(value, needle),
                "{}",
                String::from_utf8_lossy(needle)
            );
        }
    }
    for shown in [
        format!("{pair:?}"),
        format!("{pairs:?}"),
        format!("{:?}", app.events.lock().unwrap()),
    ] {
        for secret in [pair.refresh_token.expose(), pair.access_token.expose()] {
            assert!(!shown.contains(secret.as_str()));
        }
        assert!(!shown.contains("alice"), "{shown}");
    }
    let answer = serde_json::to_value(&pair).unwrap();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(
        answer["refresh_token"],
        pair.refresh_token.expose().as_str()
    );
    assert_eq!(answer.as_object().unwrap().len(), 4);
}
