//! `jam keys`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{Failure, Output};
use crate::{
    secret::{self, Secret},
    token::{
        Algorithm, Key, PasetoKey,
        paseto::{Local, Public, V3, V4},
    },
};

/// Makes a key.
#[derive(Args, Debug)]
pub(super) struct Keys {
    /// What the key is for.
    kind: Kind,
    /// Where the secret part goes, a new file that only its owner may read. Default: standard output.
    #[arg(long, short)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A shared secret for HS256, and good as the master secret.
    Symmetric,
    /// A shared secret for HS384.
    Hs384,
    /// A shared secret for HS512.
    Hs512,
    /// A key pair for RS256 and PS256, 2048 bits.
    Rsa,
    /// A key pair for ES256, P-256.
    Ec,
    /// A key pair for ES384, P-384.
    Es384,
    /// A key pair for ES512, P-521.
    Es512,
    /// A key pair for EdDSA.
    Ed25519,
    /// A shared key for v4.local.
    Paseto,
    /// A key pair for v4.public.
    PasetoPublic,
    /// A shared key for v3.local.
    PasetoV3,
    /// A key pair for v3.public.
    PasetoV3Public,
}

/// The secret part, and what may be shown to everybody.
struct Made {
    private: Secret<String>,
    public: Option<Value>,
    id: Option<String>,
}

impl Keys {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let made = self.kind.make()?;
        let private = made.private.expose();
        let mut value = json!({ "id": made.id, "public": made.public });
        let public = made.public.as_ref().map(ToString::to_string);
        let Some(file) = &self.out else {
            value["private"] = private.as_str().into();
            if let Some(public) = public {
                output.note(&format!("public part: {public}"));
            }
            return output.say(&value, private);
        };
        write(file, private)?;
        value["file"] = file.display().to_string().into();
        let text = public.unwrap_or_else(|| format!("written to {}", file.display()));
        output.say(&value, &text)
    }
}

impl Kind {
    fn make(self) -> Result<Made, Failure> {
        match self {
            Self::Symmetric => Ok(shared(&secret::random::<32>())),
            Self::Hs384 => Ok(shared(&secret::random::<48>())),
            Self::Hs512 => Ok(shared(&secret::random::<64>())),
            Self::Rsa => pair(Algorithm::Rs256),
            Self::Ec => pair(Algorithm::Es256),
            Self::Es384 => pair(Algorithm::Es384),
            Self::Es512 => pair(Algorithm::Es512),
            Self::Ed25519 => pair(Algorithm::EdDsa),
            Self::Paseto => {
                let key = PasetoKey::<V4, Local>::generate();
                Ok(paserk(key.to_paserk(), None, key.id()))
            }
            Self::PasetoV3 => {
                let key = PasetoKey::<V3, Local>::generate();
                Ok(paserk(key.to_paserk(), None, key.id()))
            }
            Self::PasetoPublic => {
                let key = PasetoKey::<V4, Public>::generate()?;
                let private = key
                    .secret_paserk()
                    .expect("a new key pair has a secret half");
                Ok(paserk(private, Some(key.public_paserk()), key.public_id()))
            }
            Self::PasetoV3Public => {
                let key = PasetoKey::<V3, Public>::generate()?;
                let private = key
                    .secret_paserk()
                    .expect("a new key pair has a secret half");
                Ok(paserk(private, Some(key.public_paserk()), key.public_id()))
            }
        }
    }
}

fn shared(bytes: &[u8]) -> Made {
    let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Made {
        private: Secret::new(text),
        public: None,
        id: None,
    }
}

fn pair(algorithm: Algorithm) -> Result<Made, Failure> {
    let key = Key::generate(algorithm)?;
    Ok(Made {
        private: key
            .to_pkcs8_pem()
            .expect("a new key pair has a private half"),
        public: key.public_jwk(),
        id: Some(key.kid().to_owned()),
    })
}

fn paserk(private: Secret<String>, public: Option<String>, id: &str) -> Made {
    Made {
        private,
        public: public.map(Value::String),
        id: Some(id.to_owned()),
    }
}

/// Never replaces a file: a key that was in it would be lost.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::Wrong(format!("{}: {error}", path.display())))
}

/// Puts a new shared secret in the place of the one in this file, which must be there. At no moment is there none.
pub(super) fn replace(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Wrong(format!("{}: {error}", path.display()));
    fs::metadata(path).map_err(failed)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let made = shared(&secret::random::<32>());
    write(&beside, made.private.expose())?;
    fs::rename(&beside, path).map_err(failed)
}
