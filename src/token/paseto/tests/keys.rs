//! The 79 vectors of PASERK, and invalid keys.

use super::*;
use crate::{
    ConfigError,
    key::ring::RingKey as _,
    token::paseto::version::sealed::{Cipher, KeyPair, SharedKey},
};

/// Runs a file of keys: each valid one must be read as its `paserk` says, and every other must be
/// rejected.
#[track_caller]
fn run(
    vectors: &[Value],
    good: usize,
    refused: usize,
    check: impl Fn(&Value) -> Result<(), String>,
) {
    let (mut ran, mut failed) = (0, 0);
    for vector in vectors {
        match (fails(vector), check(vector)) {
            (false, Ok(())) => ran += 1,
            (true, Err(_)) => failed += 1,
            (_, outcome) => panic!("{vector}: {outcome:?}"),
        }
    }
    assert_eq!((ran, failed), (good, refused));
}

fn is(left: impl AsRef<str>, right: &str) -> Result<(), String> {
    match left.as_ref() == right {
        true => Ok(()),
        false => Err(format!("{} is not {right}", left.as_ref())),
    }
}

fn refused(error: &ConfigError) -> String {
    assert_eq!(error.setting(), "key");
    error.to_string()
}

fn shared<V: 'static>(version: u8, vector: &Value) -> Result<PasetoKey<V, Local>, String>
where
    Local: SharedKey<V>,
{
    let key = base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes(vector, "key"));
    // Some of the vectors are weak keys.
    PasetoKey::<V, Local>::read(&format!("k{version}.local.{key}"))
        .ok_or_else(|| "is not a key".to_owned())
}

fn pair<V: 'static>(vector: &Value) -> Result<PasetoKey<V, Public>, String>
where
    Public: KeyPair<V>,
{
    PasetoKey::from_secret_bytes(bytes(vector, "key")).map_err(|error| refused(&error))
}

fn public<V: 'static>(vector: &Value) -> Result<PasetoKey<V, Public>, String>
where
    Public: KeyPair<V>,
{
    PasetoKey::from_public_bytes(bytes(vector, "key")).map_err(|error| refused(&error))
}

/// The `local` file: the failing vectors have only a text, the others also the key.
fn local_text<V: 'static>(version: u8, vector: &Value) -> Result<(), String>
where
    Local: SharedKey<V>,
{
    let paserk = text(vector, "paserk");
    let read = PasetoKey::<V, Local>::read(paserk).ok_or("is not a key")?;
    is(shared::<V>(version, vector)?.id(), read.id())?;
    is(read.to_paserk().expose(), paserk)
}

fn pair_text<V: 'static>(vector: &Value) -> Result<(), String>
where
    Public: KeyPair<V>,
{
    let (pair, paserk) = (pair::<V>(vector)?, text(vector, "paserk"));
    is(pair.secret_paserk().unwrap().expose(), paserk)?;
    let read = PasetoKey::<V, Public>::from_paserk(paserk).map_err(|error| refused(&error))?;
    is(read.secret_paserk().unwrap().expose(), paserk)?;
    is(read.public_id(), pair.public_id())
}

/// The PASERK vectors accept 32 zeros as an Ed25519 public key. That is a point of order 4, with
/// which anybody can sign, and this crate rejects it: the only deliberate deviation from the
/// vectors.
fn is_of_low_order<V: 'static>(vector: &Value) -> bool
where
    Public: KeyPair<V>,
{
    let is_ed25519 = <Public as Cipher<V>>::VERSION != 3;
    let is_zero = !fails(vector) && bytes(vector, "key").iter().all(|byte| *byte == 0);
    if is_ed25519 && is_zero {
        public::<V>(vector).unwrap_err();
    }
    is_ed25519 && is_zero
}

fn without_low_order<V: 'static>(vectors: &[Value]) -> Vec<Value>
where
    Public: KeyPair<V>,
{
    let usable = vectors.iter().filter(|it| !is_of_low_order::<V>(it));
    usable.cloned().collect()
}

fn public_text<V: 'static>(vector: &Value) -> Result<(), String>
where
    Public: KeyPair<V>,
{
    let (public, paserk) = (public::<V>(vector)?, text(vector, "paserk"));
    is(public.public_paserk(), paserk)?;
    let read = PasetoKey::<V, Public>::from_paserk(paserk).map_err(|error| refused(&error))?;
    is(read.public_paserk(), paserk)
}

macro_rules! version {
    ($test:ident, $V:ty, $number:literal, $k:literal, $counts:expr) => {
        #[test]
        fn $test() {
            let [lid, pid, public_count] = $counts;
            let id = |vector: &Value| text(vector, "paserk").to_owned();
            run(&vectors!("paserk/", $k, ".local.json"), 3, 2, |vector| {
                local_text::<$V>($number, vector)
            });
            run(&vectors!("paserk/", $k, ".lid.json"), lid, 1, |vector| {
                is(shared::<$V>($number, vector)?.id(), &id(vector))
            });
            run(
                &vectors!("paserk/", $k, ".secret.json"),
                3,
                2,
                pair_text::<$V>,
            );
            run(&vectors!("paserk/", $k, ".sid.json"), 3, 1, |vector| {
                is(pair::<$V>(vector)?.secret_id().unwrap(), &id(vector))
            });
            run(
                &without_low_order::<$V>(&vectors!("paserk/", $k, ".public.json")),
                public_count,
                1,
                public_text::<$V>,
            );
            let pids = without_low_order::<$V>(&vectors!("paserk/", $k, ".pid.json"));
            run(&pids, pid, 2, |vector| {
                is(public::<$V>(vector)?.public_id(), &id(vector))
            });
        }
    };
}

version!(
    the_27_paserk_vectors_of_version_2_pass,
    V2,
    2,
    "k2",
    [3, 2, 2]
);
version!(
    the_25_paserk_vectors_of_version_3_pass,
    V3,
    3,
    "k3",
    [3, 2, 2]
);
version!(
    the_27_paserk_vectors_of_version_4_pass,
    V4,
    4,
    "k4",
    [3, 2, 2]
);

#[test]
fn a_seed_of_zeroes_is_read_and_signs_nothing() {
    let text = "k4.secret.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7aie8zrakLWKjqNAqbw1zZTIVdx3iQ6Y6wEihi1naKQ";
    let key = PasetoKey::<V4, Public>::from_paserk(text).unwrap();
    assert!(!key.can_sign());
    let other = text.replace("KQ", "Kg");
    assert!(PasetoKey::<V4, Public>::from_paserk(&other).is_err());
}

/// With such a point the neutral element is a signature of every message, or of every fourth.
/// `Key::from_jwk` rejects them too.
#[test]
fn a_public_key_of_low_order_is_refused() {
    fn refuses<V: 'static>(version: u8, point: [u8; 32])
    where
        Public: KeyPair<V>,
    {
        refused(&PasetoKey::<V, Public>::from_public_bytes(point).unwrap_err());
        let text = base64_simd::URL_SAFE_NO_PAD.encode_to_string(point);
        let text = format!("k{version}.public.{text}");
        refused(&PasetoKey::<V, Public>::from_paserk(&text).unwrap_err());
        let pair = [[7; 32], point].concat();
        refused(&PasetoKey::<V, Public>::from_secret_bytes(pair).unwrap_err());
        let zero = [[0; 32], point].concat();
        refused(&PasetoKey::<V, Public>::from_secret_bytes(zero).unwrap_err());
    }
    for (y, rest, last) in [
        (0, 0, 0),
        (0, 0, 0x80),
        (1, 0, 0),
        (1, 0, 0x80),
        (0xec, 0xff, 0x7f),
        (0xed, 0xff, 0x7f),
        (0xee, 0xff, 0x7f),
        (0xee, 0xff, 0xff),
    ] {
        let mut point = [rest; 32];
        (point[0], point[31]) = (y, last);
        refuses::<V4>(4, point);
        refuses::<V2>(2, point);
    }
}

#[test]
fn a_text_that_is_no_paserk_of_this_version_and_type_is_refused_without_being_quoted() {
    let key = PasetoKey::<V4, Local>::generate();
    let text = key.to_paserk().expose().clone();
    for wrong in [
        text.replace("k4", "k3"),
        text.replace("k4", "k2"),
        text.replace("k4", "k1"),
        text.replace("k4", "K4"),
        text.replace("k4", "k04"),
        text.replace("local", "Local"),
        text.replace("local", "secret"),
        text.replace("local", "lid"),
        format!("{text}="),
        format!("{text}A"),
        format!("{text}."),
        format!("{text}.AAAA"),
        format!(" {text}"),
        format!("{text}\n"),
        text[..text.len() - 1].to_owned(),
        text["k4.local.".len()..].to_owned(),
        key.id().to_owned(),
        String::new(),
        "k4.local.".to_owned(),
        "k4.local".to_owned(),
    ] {
        let error = PasetoKey::<V4, Local>::from_paserk(&wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "setting `key`: is not a PASERK `k4.local`",
            "{wrong}"
        );
        assert!(PasetoKey::<V4, Public>::from_paserk(&wrong).is_err());
    }
    // This key is public: it is in the PASERK vectors.
    let known = format!("k4.local.{}", "A".repeat(43));
    let error = PasetoKey::<V4, Local>::from_paserk(&known).unwrap_err();
    assert_eq!(error.to_string(), "setting `key`: the same byte all over");
}

fn secret_bytes(pair: &PasetoKey<V4, Public>) -> Vec<u8> {
    let paserk = pair.secret_paserk().unwrap();
    let body = paserk.expose().rsplit('.').next().unwrap();
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(body).unwrap()
}

/// Complements the examples of [`Paseto`] that do not compile: the text of a key does not work
/// either.
#[test]
fn a_key_of_one_version_or_purpose_is_given_to_no_other() {
    type Takes = Box<dyn Fn(&str) -> bool>;
    fn of<V: 'static>() -> [(Vec<String>, Takes); 2]
    where
        Local: SharedKey<V>,
        Public: KeyPair<V>,
    {
        let shared = PasetoKey::<V, Local>::generate();
        let pair = PasetoKey::<V, Public>::generate().unwrap();
        let texts = vec![
            pair.public_paserk(),
            pair.secret_paserk().unwrap().expose().clone(),
        ];
        [
            (
                vec![shared.to_paserk().expose().clone()],
                Box::new(|text| PasetoKey::<V, Local>::from_paserk(text).is_ok()),
            ),
            (
                texts,
                Box::new(|text| PasetoKey::<V, Public>::from_paserk(text).is_ok()),
            ),
        ]
    }
    let all: Vec<_> = of::<V2>()
        .into_iter()
        .chain(of::<V3>())
        .chain(of::<V4>())
        .collect();
    let mut refused = 0;
    for (at, (texts, _)) in all.iter().enumerate() {
        for (other, (_, takes)) in all.iter().enumerate() {
            for text in texts {
                assert_eq!(takes(text), at == other, "{at} to {other}");
                refused += usize::from(at != other);
            }
        }
    }
    assert_eq!(refused, 45);
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    for wrong in [
        vec![],
        vec![0; 32],
        vec![0xff; 32],
        vec![1; 31],
        (0..33).collect(),
        (0..31).collect(),
    ] {
        assert!(
            PasetoKey::<V4, Local>::from_bytes(&wrong).is_err(),
            "{wrong:?}"
        );
    }
    let pair = PasetoKey::<V4, Public>::generate().unwrap();
    let secret = secret_bytes(&pair);
    let mut mixed = secret.clone();
    mixed[..32].copy_from_slice(&secret_bytes(&PasetoKey::<V4, Public>::generate().unwrap())[..32]);
    assert!(PasetoKey::<V4, Public>::from_secret_bytes(&secret).is_ok());
    assert!(
        PasetoKey::<V4, Public>::from_secret_bytes(&mixed).is_err(),
        "halves that do not fit"
    );
    assert!(PasetoKey::<V4, Public>::from_secret_bytes(&secret[..32]).is_err());
    for scalar in [[0; 48], [0xff; 48]] {
        assert!(
            PasetoKey::<V3, Public>::from_secret_bytes(scalar).is_err(),
            "out of range"
        );
    }
}

/// Of 64 points with consecutive coordinates, about half are not on the curve.
#[test]
fn a_point_of_version_3_is_on_the_curve_and_compressed() {
    let read = |prefix: u8, last: u8| {
        let mut point = [0; 49];
        (point[0], point[48]) = (prefix, last);
        PasetoKey::<V3, Public>::from_public_bytes(point)
    };
    let on_curve = (0..64).filter(|last| read(2, *last).is_ok()).count();
    assert!((16..=48).contains(&on_curve), "{on_curve}");
    for prefix in [0, 1, 4, 5, 6, 0x82] {
        assert!(read(prefix, 0).is_err(), "{prefix}");
    }
    assert!(read(2, 0).is_ok() && read(3, 0).is_ok());
}

#[test]
fn the_halves_of_a_key_are_one_key_under_one_id() {
    let pair = PasetoKey::<V4, Public>::generate().unwrap();
    let public = pair.public_only();
    assert!(pair.is_same(&public) && !public.can_sign());
    assert_eq!(
        (public.secret_paserk().is_some(), public.secret_id()),
        (false, None)
    );
    assert!(!pair.is_same(&pair.clone().with_kid("other").unwrap()));
    assert!(!pair.is_same(&PasetoKey::<V4, Public>::generate().unwrap()));
    for kid in ["", "a b", "\u{e9}", &"x".repeat(129)] {
        assert_eq!(pair.clone().with_kid(kid).unwrap_err().setting(), "kid");
    }
}

#[test]
fn debug_shows_no_key() {
    let shared = PasetoKey::<V4, Local>::generate().with_kid("2026").unwrap();
    let paserk = shared.to_paserk();
    let body = paserk.expose().rsplit('.').next().unwrap().to_owned();
    let ring = KeyRing::new(shared);
    let paseto = Paseto::<Claims>::v4_local(ring.clone())
        .issuer("i")
        .audience("a")
        .build()
        .unwrap();
    for shown in [
        format!("{ring:?}"),
        format!("{paseto:?}"),
        format!("{paserk:?}"),
    ] {
        assert!(!shown.contains(&body[..8]), "{shown}");
    }
    assert!(format!("{ring:?}").contains("2026"));
}
