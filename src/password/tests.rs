//! Official vectors for every scheme, and malformed hashes.

use super::{
    cost::{Cost, PasswordScheme},
    derive::derive,
    hasher::PasswordHasher,
    pepper::Peppers,
    stored::{HashForm, HashParams, StoredHash},
};
use crate::secret::MasterSecret;

const CHEAP: Cost = Cost::Argon2id {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn hasher(schemes: &[PasswordScheme], cost: Cost, peppers: Peppers) -> PasswordHasher {
    PasswordHasher::new(schemes.to_vec(), cost, true, peppers).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `password` matches the stored hash.
fn matches_stored(password: &str, stored: &str) -> bool {
    let all = hasher(&PasswordScheme::ALL, CHEAP, Peppers::default());
    let outcome = all.verify(password.as_bytes(), Some(stored)).unwrap();
    outcome.is_verified()
}

/// The reference implementation's `test.c`, versions 1.0 and 1.3; Argon2d by argon2-cffi 25.
#[test]
fn argon2_by_its_reference_implementation() {
    for stored in [
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$JcTui6RIBUtJ78gE5Hi52CO+H5vS6Z9R1uxAB6OhUB8",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ] {
        assert!(matches_stored("password", stored), "{stored}");
        assert!(!matches_stored("passwore", stored), "{stored}");
    }
}

/// Openwall's `crypt_blowfish`, `wrapper.c`; the last by jBCrypt.
#[test]
fn bcrypt_by_openwall() {
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (password, stored) in [
        (
            "U*U",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        ),
        (
            "U*U*",
            "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
        ),
        (
            "U*U*U",
            "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
        ),
        (
            long,
            "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        ),
        (
            "",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        ),
    ] {
        assert!(matches_stored(password, stored), "{stored}");
        assert!(!matches_stored("U*V", stored), "{stored}");
    }
    // The system that made this hash never read beyond the 72nd byte.
    let stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    assert!(matches_stored(
        &format!("{long}chars after 72 are ignored"),
        stored
    ));
    assert!(!matches_stored(&long[..71], stored));
    // The last character of a salt has four unused bits.
    let careless = stored.replace("rstuu5", "rstuv5");
    assert!(matches_stored(long, &careless));

    // A password that is not text: the sign extension bug of `$2x$` changes it.
    let stored =
        StoredHash::parse("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e").unwrap();
    let mut digest = [0; 23];
    derive(stored.params, b"\xff\xff\xa3", &stored.salt, &mut digest).unwrap();
    assert_eq!(digest, stored.digest[..]);
}

/// passlib 1.7.4, its tests and its manual.
#[test]
fn the_forms_of_passlib() {
    for stored in [
        "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    ] {
        assert!(matches_stored("password", stored), "{stored}");
        assert!(!matches_stored("Password", stored), "{stored}");
    }
}

/// By Django 5.2, with the password and salt of its tests.
#[test]
fn the_form_of_django() {
    let stored = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=";
    assert!(matches_stored("lètmein", stored));
    assert!(!matches_stored("lètmeout", stored));
}

/// RFC 7914, sections 11 and 12.
#[test]
fn scrypt_and_pbkdf2_by_their_rfc() {
    let mut digest = [0; 64];
    let cost = Cost::Scrypt {
        log_n: 10,
        block_size: 8,
        parallelism: 16,
    };
    derive(HashParams::of(cost), b"password", b"NaCl", &mut digest).unwrap();
    assert_eq!(
        hex(&digest),
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
         2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
    );
    let cost = Cost::Pbkdf2Sha256 { iterations: 1 };
    derive(HashParams::of(cost), b"passwd", b"salt", &mut digest).unwrap();
    assert_eq!(
        hex(&digest),
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
         49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
    );
}

#[test]
fn written_hashes_are_read_back() {
    let costs = [
        CHEAP,
        Cost::Bcrypt { log_rounds: 4 },
        Cost::Scrypt {
            log_n: 4,
            block_size: 8,
            parallelism: 1,
        },
        Cost::Pbkdf2Sha256 { iterations: 1 },
        Cost::Pbkdf2Sha512 { iterations: 1 },
    ];
    for cost in costs {
        for peppers in [Peppers::default(), Peppers::new(&MasterSecret::generate())] {
            let hasher = hasher(&[cost.scheme()], cost, peppers);
            let hash = hasher.hash("pass\0wörd".as_bytes()).unwrap();
            let stored = StoredHash::parse(hash.expose()).unwrap();
            assert_eq!(stored.format(), *hash.expose());
            assert!(stored.params == HashParams::of(cost) && stored.params.form == HashForm::Own);
            for (password, is_right) in
                [("pass\0wörd", true), ("pass\0wörD", false), ("pass", false)]
            {
                let outcome = hasher
                    .verify(password.as_bytes(), Some(hash.expose()))
                    .unwrap();
                assert_eq!(outcome.is_verified(), is_right, "{cost:?} {password}");
            }
            assert_ne!(
                hash,
                hasher.hash("pass\0wörd".as_bytes()).unwrap(),
                "a salt of its own"
            );
        }
    }
}

/// Each is refused by its text, before anything is computed. Otherwise the test would not end.
#[test]
fn absurd_costs_are_refused_before_they_are_computed() {
    let b64 = "c29tZXNhbHRzb21lc2FsdA";
    for stored in [
        format!("$argon2id$v=19$m=4194304,t=1,p=1${b64}${b64}"),
        format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1${b64}${b64}"),
        format!("$argon2id$v=19$m=19456,t=4000000000,p=1${b64}${b64}"),
        format!("$argon2id$v=19$m=1048576,t=5,p=1${b64}${b64}"),
        format!("$argon2id$v=19$m=8,t=0,p=1${b64}${b64}"),
        format!("$argon2id$v=19$m=8,t=1,p=2${b64}${b64}"),
        "$2b$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
        "$2b$99$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
        "$2b$03$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
        format!("$scrypt$ln=30,r=8,p=1${b64}${b64}"),
        format!("$scrypt$ln=200,r=8,p=1${b64}${b64}"),
        format!("$scrypt$ln=10,r=4294967295,p=4294967295${b64}${b64}"),
        format!("$scrypt$ln=17,r=8,p=1000${b64}${b64}"),
        format!("$scrypt$ln=1,r=0,p=1${b64}${b64}"),
        format!("$pbkdf2-sha256$1000000000${b64}${b64}"),
        format!("$pbkdf2-sha512$i=1000000000${b64}${b64}"),
        format!("$pbkdf2-sha256$0${b64}${b64}"),
        format!("pbkdf2_sha256$1000000000$salt${b64}=="),
    ] {
        assert!(StoredHash::parse(&stored).is_err(), "{stored}");
    }
}

#[test]
fn a_malformed_hash_is_an_error_and_never_a_wrong_password() {
    let good =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let all = hasher(&PasswordScheme::ALL, CHEAP, Peppers::default());
    let long = "A".repeat(400);
    for stored in [
        "",
        "$",
        "password",
        "$argon2id$",
        "$1$abcdefgh$0123456789012345678901",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeé",
        "$2b$05$ééééééééééééééééééééééééééé",
        &good.replace("v=19", "v=20"),
        &good.replace("m=256", "m=+256"),
        &good.replace("m=256,t=2", "t=2,m=256"),
        &good.replace("p=1", "p=1,keyid=AAAA"),
        &good.replace("Gi/4", "Gi/4="),
        // Salts under eight bytes, and a digest short enough to guess.
        &good.replace("c29tZXNhbHQ", "c29t"),
        &good[..good.len() - 40],
        &format!("{}${long}", &good[..good.len() - 44]),
        &format!("$pepper$00000000{good}"),
        &format!("$pepper$0000000g{good}"),
        &format!("$pepper$00000000$pepper$00000000{good}"),
        "$pbkdf2-sha256$i=1,l=31$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ] {
        assert!(all.verify(b"password", Some(stored)).is_err(), "{stored}");
    }
    assert!(all.verify(b"password", Some(good)).unwrap().is_verified());
}
