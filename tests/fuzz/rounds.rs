//! Runs each target on its seeds and on random mutations of them: `FUZZ_ROUNDS` per target, 2,000
//! by default.

use std::{env, fs, path::Path};

use rand::{RngExt, SeedableRng, rngs::StdRng};

#[test]
fn jwt() {
    let seeds = [
        "eyJhbGciOiJIUzI1NiJ9.e30.AA",
        r#"{"iss":"fuzz","aud":["fuzz"],"sub":"42","iat":1700000000,"nbf":1.5,"exp":1e300}"#,
        r#"{"alg":"HS256","kid":"fuzz","crit":["b64"],"b64":false,"a":{"a":[null,"\u0000\ud800"]}}"#,
    ];
    rounds(tower_jam_fuzz::jwt, texts(&seeds));
}

#[test]
fn keys() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keys");
    let mut seeds = texts(&[
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a","alg":"ES256"}]}"#,
    ]);
    for entry in fs::read_dir(folder).expect("the folder of test keys exists") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|kind| kind == "pem") {
            let pem = fs::read_to_string(path).expect("a readable file");
            let lines = pem.lines().filter(|line| !line.starts_with("-----"));
            let base64: String = lines.collect();
            seeds.extend(base64_simd::STANDARD.decode_to_vec(base64));
            seeds.push(pem.into_bytes());
        }
    }
    assert!(seeds.len() > 20, "{}", seeds.len());
    rounds(tower_jam_fuzz::keys, seeds);
}

#[test]
fn dates() {
    let seeds = [
        "2039-01-01T00:00:00+00:00",
        "9999-12-31T23:59:60.999999999-23:59",
        "0000-02-29t24:00:00z",
    ];
    rounds(tower_jam_fuzz::dates, texts(&seeds));
}

#[test]
fn credentials() {
    let seeds = [
        "Bearer a.b.c",
        "bearer  ==,",
        "__Host-sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; __Host-sid=\"\"; a=b",
    ];
    rounds(tower_jam_fuzz::credentials, texts(&seeds));
}

#[test]
fn config() {
    let seeds = [
        "[jam]\nissuer = 'https://a.b'\nsecret = ['$JAM_SECRET', '${X:-y}']\n[jam.jwt]\nttl = '15m'\n",
        "jam:\n  issuer: &a https://a.b\n  session: {cookie: *a}\n  store: !!str memory\n",
        r#"{"jam":{"jwt":{"alg":"EdDSA","accept":[{}]},"oauth2":{"providers":{"x":{}}}}}"#,
    ];
    rounds(tower_jam_fuzz::config, texts(&seeds));
}

fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

/// Runs `target` on every seed, then on mutations. A failure prints the input in hexadecimal.
fn rounds(target: fn(&[u8]), seeds: Vec<Vec<u8>>) {
    let rounds = env::var("FUZZ_ROUNDS").map_or(2_000, |rounds| rounds.parse().expect("a number"));
    let seed = rand::random();
    println!("random seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for seed in &seeds {
        target(seed);
    }
    for _ in 0..rounds {
        let mut data = seeds[random.random_range(0..seeds.len())].clone();
        for _ in 0..random.random_range(1..8) {
            mutate(&mut data, &mut random);
        }
        let _shown = ShownOnPanic(&data);
        target(&data);
    }
}

fn mutate(data: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..=data.len());
    match random.random_range(0..5) {
        0 => data.insert(at, random.random()),
        1 => data.truncate(at),
        2 => {
            let part = data[at..].to_vec();
            data.extend(part);
        }
        3 if at < data.len() => drop(data.remove(at)),
        _ if at < data.len() => data[at] ^= 1 << random.random_range(0..8),
        _ => data.push(b'"'),
    }
    data.truncate(64 * 1024);
}

struct ShownOnPanic<'a>(&'a [u8]);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let digits: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("input {}", digits.concat());
        }
    }
}
