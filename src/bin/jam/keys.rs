//! `jam keys`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Key, PasetoKey, Secret,
    token::paseto::{Local, Public, V3, V4},
};
use zeroize::Zeroizing;

use super::output::{CommandError, Printer};

/// Generates a key.
#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    /// What the key is for.
    kind: KeyKind,
    /// A new file for the secret part, which only its owner can read. Default: standard printer.
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// The form of the secret part. Default: PEM for a key pair, hexadecimal for a shared secret,
    /// PASERK for a PASETO key.
    #[arg(long)]
    format: Option<KeyFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum KeyFormat {
    /// PKCS#8 in PEM, for key pairs.
    Pem,
    /// A JSON Web Key with its algorithm and id, for key pairs and shared secrets.
    Jwk,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyKind {
    /// A shared secret for HS256, or the master secret.
    Symmetric,
    /// A shared secret for HS384.
    Hs384,
    /// A shared secret for HS512.
    Hs512,
    /// A key pair of 2048 bits for RS256 and PS256; a JWK is for RS256 only.
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

/// A generated key: the secret part, and what may be public.
struct NewKey {
    private: Secret<String>,
    public: Option<Value>,
    id: Option<String>,
}

impl KeysArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<(), CommandError> {
        let key = self.kind.generate(self.format)?;
        let private = key.private.expose();
        let mut value = json!({ "id": key.id, "public": key.public });
        let public = key.public.as_ref().map(ToString::to_string);
        let Some(file) = &self.out else {
            value["private"] = private.as_str().into();
            if let Some(public) = public {
                printer.remark(&format!("public part: {public}"));
            }
            return printer.print(&value, private);
        };
        write(file, private)?;
        value["file"] = file.display().to_string().into();
        let text = public.unwrap_or_else(|| format!("written to {}", file.display()));
        printer.print(&value, &text)
    }
}

impl KeyKind {
    fn generate(self, format: Option<KeyFormat>) -> Result<NewKey, CommandError> {
        match self.algorithm() {
            Some(algorithm) if format == Some(KeyFormat::Jwk) => {
                signing(algorithm, Key::to_private_jwk)
            }
            Some(algorithm) if !algorithm.is_symmetric() => signing(algorithm, Key::to_pkcs8_pem),
            _ if format.is_some() => Err(CommandError::Failed(NO_SUCH_FORMAT.to_owned())),
            _ => self.generate_text(),
        }
    }

    /// Returns the JWT algorithm of the key, or `None` for a PASETO key.
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

    /// Generates a shared secret in hexadecimal, or a PASETO key as PASERK.
    fn generate_text(self) -> Result<NewKey, CommandError> {
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

/// Generates `N` random bytes in hexadecimal.
fn shared<const N: usize>() -> NewKey {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(&mut *bytes).expect("the operating system has a random generator");
    // Allocated once, since a string that grows leaves copies of the secret in memory.
    let mut text = String::with_capacity(2 * N);
    for byte in bytes.iter() {
        let digits = [byte >> 4, byte & 0xf];
        text.extend(digits.map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    NewKey {
        private: Secret::new(text),
        public: None,
        id: None,
    }
}

/// Generates a JWT key in a form that has its private half.
fn signing(
    algorithm: Algorithm,
    form: fn(&Key) -> Option<Secret<String>>,
) -> Result<NewKey, CommandError> {
    let key = Key::generate(algorithm)?;
    Ok(NewKey {
        private: form(&key).expect("a new key can sign"),
        public: key.public_jwk(),
        id: Some(key.kid().to_owned()),
    })
}

fn paserk(private: Secret<String>, public: Option<String>, id: &str) -> NewKey {
    NewKey {
        private,
        public: public.map(Value::String),
        id: Some(id.to_owned()),
    }
}

/// Writes a new file. It never replaces one, since that could lose a key.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    create(path, |file| {
        file.write_all(text.trim_end().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    })
}

/// Creates a file, or none: half a key could be mistaken for a whole one, and it would make the
/// next attempt fail.
fn create(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> Result<(), CommandError> {
    let failed = |error: io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
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
    sync_folder(path);
    Ok(())
}

/// Makes the new name of a file survive a power failure, if the file system supports that.
fn sync_folder(path: &Path) {
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

/// Replaces the shared secret in an existing file atomically. Owner and permissions stay. If `path`
/// is a link, the file behind it is replaced and not the link.
pub(crate) fn replace_secret(path: &Path) -> Result<(), CommandError> {
    let failed = |error: io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
    let path = fs::canonicalize(path).map_err(failed)?;
    let mut temporary = path.clone().into_os_string();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let secret = shared::<32>();
    write(&temporary, secret.private.expose())?;
    let replaced = copy_permissions(&path, &temporary);
    replaced
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|error| {
            // The new secret is not in use yet, and its file would make the next attempt fail.
            fs::remove_file(&temporary).ok();
            failed(error)
        })?;
    sync_folder(&path);
    Ok(())
}

/// Copies owner and permissions: the operator who runs this command is seldom the server's own
/// user.
fn copy_permissions(old: &Path, new: &Path) -> io::Result<()> {
    let metadata = fs::metadata(old)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};

        chown(new, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    fs::set_permissions(new, metadata.permissions())
}

const NO_SUCH_FORMAT: &str = "`--format pem` is for key pairs, `--format jwk` for key pairs and shared secrets; a PASETO key is a PASERK";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_file_is_removed() {
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
        let key = shared::<48>();
        let text = key.private.expose();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(text.len() == 96 && text.bytes().all(is_digit));
        assert_ne!(text, shared::<48>().private.expose());
    }
}
