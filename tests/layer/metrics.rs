//! Metrics: each request is counted once, by engine and reason, and no label contains anything that
//! a caller sent.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Authenticate, Claims, Env, Grant, JwtLayer, Sessions,
    guard::role,
    layer::{AuthLayer, GuardLayer},
    metrics::{CHECK_SECONDS, EVENTS, REQUESTS, STORE_CALLS, STORE_SECONDS, describe},
    store::{MemoryStore, Metered},
    testing::{Failure, TestJam, bearer},
};

/// The metrics: the value of a counter, or the number of samples of a histogram.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

#[derive(Clone, Default)]
struct Book {
    counts: Counts,
    described: Counts,
}

struct Line(Counts, String);

impl Line {
    fn add(&self, value: u64) {
        *self.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, _: u64) {
        unreachable!("no counter is set");
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{value} seconds");
        self.add(1);
    }
}

impl Book {
    fn line(&self, key: &Key) -> Line {
        let labels = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()));
        let labels: Vec<_> = labels.collect();
        Line(
            self.counts.clone(),
            format!("{} {}", key.name(), labels.join(" ")),
        )
    }

    fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.counts.lock().unwrap())
            .into_iter()
            .collect()
    }
}

impl Recorder for Book {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        Line(self.described.clone(), name.as_str().to_owned()).add(1);
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("there is none");
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        assert_eq!(unit, Some(Unit::Seconds));
        Line(self.described.clone(), name.as_str().to_owned()).add(1);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.line(key)))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        unreachable!("there is none")
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.line(key)))
    }
}

fn run(work: impl AsyncFnOnce(&Book)) {
    let book = Book::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    with_local_recorder(&book, || runtime.block_on(work(&book)));
}

fn alice() -> Grant<Claims> {
    Grant::new("swordfish", Claims::new())
}

async fn ok(_: Request<()>) -> Result<Response<Vec<u8>>, Infallible> {
    Ok(Response::default())
}

fn row(name: &str, labels: &str) -> (String, u64) {
    (format!("{name} {labels}"), 1)
}

#[test]
fn each_request_is_counted_once_by_engine_outcome_and_reason() {
    run(async |book| {
        let jam = TestJam::<Claims>::new();
        let either = jam.jwt().clone().or(jam.sessions().clone());
        let layer = AuthLayer::new(either);
        let service = ServiceBuilder::new().layer(layer).service(service_fn(ok));
        let (token, session) = (jam.bearer(alice()).await, jam.in_session(alice()).await);
        let expired = bearer(jam.expired_token(alice()).await.expose());
        book.take();
        let cases = [
            (token, "jwt", "authenticated", "none"),
            (session, "sessions", "authenticated", "none"),
            (expired, "jwt", "refused", "invalid"),
            (Request::builder(), "any", "refused", "missing"),
            (bearer("a b c"), "none", "refused", "malformed"),
        ];
        for (request, engine, outcome, reason) in cases {
            let request = request.body(()).unwrap();
            service.clone().oneshot(request).await.unwrap();
            let check = format!("engine={engine} outcome={outcome}");
            let request = format!("{check} reason={reason}");
            let counted = book.take();
            let expected = [row(CHECK_SECONDS, &check), row(REQUESTS, &request)];
            assert_eq!(counted, expected);
            assert!(!format!("{counted:?}").contains("swordfish"));
        }
    });
}

#[test]
fn a_guard_that_refuses_is_counted_beside_the_check() {
    run(async |book| {
        let jam = TestJam::<Claims>::new();
        let service = ServiceBuilder::new()
            .layer(JwtLayer::new(jam.jwt().clone()))
            .layer(GuardLayer::new(role("admin")))
            .service(service_fn(ok));
        let request = jam.bearer(alice()).await.body(()).unwrap();
        assert_eq!(service.oneshot(request).await.unwrap().status(), 403);
        let expected = [
            row(CHECK_SECONDS, "engine=jwt outcome=authenticated"),
            row(REQUESTS, "engine=guard outcome=refused reason=insufficient"),
            row(REQUESTS, "engine=jwt outcome=authenticated reason=none"),
        ];
        assert_eq!(book.take(), expected);
    });
}

#[test]
fn a_metered_store_counts_calls_by_verb_and_outcome() {
    run(async |book| {
        let jam = TestJam::<Claims>::new();
        let store = Arc::new(Metered::new(jam.store().clone()));
        let env = Env::new("self", store, jam.secret()).with_clock(jam.clock().clone());
        let sessions = Sessions::<Claims>::builder(&env).build().unwrap();
        let session = sessions.create(alice()).await.unwrap();
        let expected = [
            row(EVENTS, "code=session_started"),
            (format!("{STORE_SECONDS} verb=get"), 2),
            row(STORE_SECONDS, "verb=put"),
            (format!("{STORE_CALLS} verb=get outcome=ok"), 2),
            row(STORE_CALLS, "verb=put outcome=ok"),
        ];
        assert_eq!(book.take(), expected);
        for (failure, outcome) in [
            (Failure::Away, "unavailable"),
            (Failure::AnswerLost, "unknown"),
        ] {
            jam.store().fail(failure);
            assert!(sessions.get(session.token.expose()).await.is_err());
            let expected = [
                row(STORE_SECONDS, "verb=get"),
                row(STORE_CALLS, &format!("verb=get outcome={outcome}")),
            ];
            assert_eq!(book.take(), expected);
        }
    });
}

#[test]
fn a_metered_store_passes_the_contract() {
    let clock = Arc::new(tower_jam::testing::ManualClock::default());
    let memory = MemoryStore::new().with_clock(clock.clone());
    let store = Arc::new(Metered::new(Arc::new(memory)));
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(tower_jam::testing::contract::run(store, &clock));
}

#[test]
fn every_name_is_described() {
    let book = Book::default();
    with_local_recorder(&book, describe);
    let described: Vec<_> = book.described.lock().unwrap().keys().cloned().collect();
    let mut names = [REQUESTS, CHECK_SECONDS, STORE_CALLS, STORE_SECONDS, EVENTS];
    names.sort_unstable();
    assert_eq!(described, names);
}

#[test]
fn each_verb_of_a_store_is_counted_under_its_name() {
    use tower_jam::{
        Timestamp,
        store::{Store, StoreKey, When, Write},
    };

    run(async |book| {
        let store = Metered::new(Arc::new(MemoryStore::new()));
        let (key, group) = (StoreKey::new("a", &[b"1"]), StoreKey::new("g", &[b"1"]));
        let write = || Write::new(b"x".to_vec(), Timestamp::NEVER).in_group(group.clone());
        let counter = StoreKey::new("n", &[b"1"]);
        let verbs = async {
            store.put(&key, write(), When::Absent).await?;
            store.get(&key).await?;
            store.read_cached(&key).await?;
            store.list(&group).await?;
            store.add(&counter, 1, Timestamp::NEVER).await?;
            store.take(&key).await?;
            store.remove_group(&group).await
        };
        verbs.await.unwrap();
        let names = [
            "add",
            "get",
            "read_cached",
            "list",
            "put",
            "remove_group",
            "take",
        ];
        let mut expected = Vec::new();
        for name in names {
            expected.push(row(STORE_CALLS, &format!("verb={name} outcome=ok")));
            expected.push(row(STORE_SECONDS, &format!("verb={name}")));
        }
        expected.sort();
        assert_eq!(book.take(), expected);
    });
}

/// The store of a configuration is metered automatically.
#[cfg(feature = "config")]
#[test]
fn the_store_of_a_configuration_is_counted() {
    use tower_jam::{Jam, config::Config};

    run(async |book| {
        let settings = serde_json::json!({ "session": {} });
        let config = Config::value(&settings).load().unwrap();
        let jam: Jam = Jam::builder(config).build().await.unwrap();
        book.take();
        let none = jam.session_get("no session").await.unwrap();
        assert!(none.is_none());
        jam.ready().await.unwrap();
        let counted = book.take();
        assert!(
            counted
                .iter()
                .any(|(name, _)| name.starts_with(STORE_CALLS)),
            "{counted:?}"
        );
    });
}
