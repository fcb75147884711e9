//! `jam keys`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::output::{Failure, Output};
use crate::{
    key::{Algorithm, Key},
    secret,
    secret::Secret,
    token::{
        PasetoKey,
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
    /// How the secret part is written. Default: a key pair in PEM, a shared secret in hexadecimal, a PASETO key as PASERK.
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// PKCS#8 in PEM, for key pairs.
    Pem,
    /// A JSON Web Key with its algorithm and id, for key pairs and shared secrets.
    Jwk,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A shared secret for HS256, and good as the master secret.
    Symmetric,
    /// A shared secret for HS384.
    Hs384,
    /// A shared secret for HS512.
    Hs512,
    /// A key pair of 2048 bits for RS256 and PS256; as a JWK for RS256 alone.
    Rsa,
    /// A key pair for ES256, P-256.
    Ec,
    /// A key pair for ES384, P-384.
    Es384,
    /// A key pair for ES512, P-521.
    Es512,
    /// A key pair for ES256K, secp256k1.
    Es256k,
    /// A key pair for EdDSA.
    Ed25519,
    /// A key pair for ML-DSA-44.
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    /// A key pair for ML-DSA-65.
    #[value(name = "ml-dsa-65", alias = "ml-dsa")]
    MlDsa65,
    /// A key pair for ML-DSA-87.
    #[value(name = "ml-dsa-87")]
    MlDsa87,
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
        let made = self.kind.make(self.format)?;
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
    fn make(self, format: Option<Format>) -> Result<Made, Failure> {
        match self.algorithm() {
            Some(algorithm) if format == Some(Format::Jwk) => {
                signing(algorithm, Key::to_private_jwk)
            }
            Some(algorithm) if !algorithm.is_symmetric() => signing(algorithm, Key::to_pkcs8_pem),
            _ if format.is_some() => Err(Failure::Wrong(NO_SUCH_FORM.to_owned())),
            _ => self.make_text(),
        }
    }

    /// What signs tokens with it; `None` for PASETO.
    const fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Symmetric => Some(Algorithm::Hs256),
            Self::Hs384 => Some(Algorithm::Hs384),
            Self::Hs512 => Some(Algorithm::Hs512),
            Self::Rsa => Some(Algorithm::Rs256),
            Self::Ec => Some(Algorithm::Es256),
            Self::Es384 => Some(Algorithm::Es384),
            Self::Es512 => Some(Algorithm::Es512),
            Self::Es256k => Some(Algorithm::Es256k),
            Self::Ed25519 => Some(Algorithm::EdDsa),
            Self::MlDsa44 => Some(Algorithm::MlDsa44),
            Self::MlDsa65 => Some(Algorithm::MlDsa65),
            Self::MlDsa87 => Some(Algorithm::MlDsa87),
            Self::Paseto | Self::PasetoPublic | Self::PasetoV3 | Self::PasetoV3Public => None,
        }
    }

    /// A shared secret in hexadecimal, a PASETO key as PASERK.
    fn make_text(self) -> Result<Made, Failure> {
        match self {
            Self::Hs384 => Ok(shared::<48>()),
            Self::Hs512 => Ok(shared::<64>()),
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
            _ => Ok(shared::<32>()),
        }
    }
}

/// That many random bytes in hexadecimal.
fn shared<const N: usize>() -> Made {
    let bytes = Zeroizing::new(secret::random::<N>());
    // In one piece, since a text that grows leaves copies behind.
    let mut text = String::with_capacity(2 * N);
    for byte in bytes.iter() {
        let digits = [byte >> 4, byte & 0xf];
        text.extend(digits.map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    Made {
        private: Secret::new(text),
        public: None,
        id: None,
    }
}

/// A key for tokens, in one of the forms that have its private half.
fn signing(
    algorithm: Algorithm,
    form: fn(&Key) -> Option<Secret<String>>,
) -> Result<Made, Failure> {
    let key = Key::generate(algorithm)?;
    Ok(Made {
        private: form(&key).expect("a new key has what signing takes"),
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
    create(path, |file| {
        file.write_all(text.trim_end().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    })
}

/// A new file, or none: half a key would be taken for one, and be in the way of the next attempt.
fn create(path: &Path, fill: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Wrong(format!("{}: {error}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let filled = fill(&mut file);
    drop(file);
    filled.map_err(|error| {
        fs::remove_file(path).ok();
        failed(error)
    })?;
    keep_names(path);
    Ok(())
}

/// Has the names in the folder of this file outlive a loss of power, where the file system can do that.
fn keep_names(path: &Path) {
    #[cfg(unix)]
    {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::File::open(folder.unwrap_or(Path::new(".")));
        folder.and_then(|folder| folder.sync_all()).ok();
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Puts a new shared secret in the place of the one in this file, which must be there, for the same readers. At no moment is
/// there none. Behind a link it is the file that is replaced, and not the link.
pub(super) fn replace(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Wrong(format!("{}: {error}", path.display()));
    let path = fs::canonicalize(path).map_err(failed)?;
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let made = shared::<32>();
    write(&beside, made.private.expose())?;
    let replaced = same_readers(&path, &beside).and_then(|()| fs::rename(&beside, &path));
    replaced.map_err(|error| {
        // Nobody has used it, and the next attempt would find it in its way.
        fs::remove_file(&beside).ok();
        failed(error)
    })?;
    keep_names(&path);
    Ok(())
}

/// Whoever restarts a server is seldom who the server runs as.
fn same_readers(old: &Path, new: &Path) -> io::Result<()> {
    let known = fs::metadata(old)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};

        chown(new, Some(known.uid()), Some(known.gid()))?;
    }
    fs::set_permissions(new, known.permissions())
}

const NO_SUCH_FORM: &str = "`--format pem` is for key pairs, `--format jwk` for them and shared secrets, and PASETO keys are written as PASERK";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_written_is_not_left_behind() {
        let name = format!("tower-jam-half-a-key-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let full = create(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(full.is_err() && !path.exists());
        write(&path, "key").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "key\n");
        assert!(write(&path, "other").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "key\n");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_shared_secret_is_in_hexadecimal() {
        let made = shared::<48>();
        let text = made.private.expose();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(text.len() == 96 && text.bytes().all(is_digit));
        assert_ne!(text, shared::<48>().private.expose());
    }
}
