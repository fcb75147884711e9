//! Opens the file: from a path to an open database, or to an error that states the problem.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use redb::{Builder, Database, ReadableDatabase, TableHandle, backends::FileBackend};

use super::{
    fault::{guarded, is_damage, is_full},
    overlay::Overlay,
    tables,
};
use crate::{clock::Timestamp, error::ConfigError};

/// Opens the file at `path`, and creates it if there is none.
pub(super) fn open_or_create(path: &Path, now: Timestamp) -> Result<Database, ConfigError> {
    let found = path.try_exists();
    if !found.map_err(|error| config_error(path, error.into()))? {
        create(path)?;
    }
    // Opening a file for writing may change it, so its format is checked first.
    let format = read_format(path).map_err(|error| config_error(path, error))?;
    match format {
        Some(tables::FORMAT) => {
            let database = reopen(path).map_err(|error| config_error(path, error))?;
            let purged = guarded(|| tables::purge(&database, now, PURGED));
            purged.map_err(|error| config_error(path, error))?;
            Ok(database)
        }
        Some(later) => {
            let reason = format!(
                "{} has format {later}, but this version reads format {}",
                path.display(),
                tables::FORMAT
            );
            Err(ConfigError::new(SETTING, reason))
        }
        None => {
            let reason = format!("{} is a database of another program", path.display());
            Err(ConfigError::new(SETTING, reason))
        }
    }
}

/// Returns the format of a file without changing it.
fn read_format(path: &Path) -> Result<Option<u64>, redb::Error> {
    let read_only = guarded(|| {
        let database = Builder::new().open_read_only(path)?;
        format_of(&database)
    });
    match read_only {
        // The file was not closed cleanly. The repair works on a copy of its pages in memory.
        Err(redb::Error::RepairAborted) => guarded(|| {
            let pages = Overlay::new(OpenOptions::new().read(true).open(path)?)?;
            format_of(&Builder::new().create_with_backend(pages)?)
        }),
        answer => answer,
    }
}

/// Opens an existing file, and verifies every checksum in it.
pub(super) fn reopen(path: &Path) -> Result<Database, redb::Error> {
    guarded(|| Ok::<_, redb::Error>(settings().open(path)?))
}

/// Creates the file under another name first. So a crash in between leaves no file, rather than one
/// that looks damaged.
fn create(path: &Path) -> Result<(), ConfigError> {
    let unfinished = with_suffix(path, ".new");
    let created = initialise(&unfinished).or_else(|error| {
        // A crash during an earlier creation left it behind.
        if is_damage(&error) {
            fs::remove_file(&unfinished)
                .map_err(redb::Error::from)
                .and_then(|()| initialise(&unfinished))
        } else {
            Err(error)
        }
    });
    created
        .and_then(|()| Ok(publish(&unfinished, path)?))
        .map_err(|error| config_error(path, error))
}

fn initialise(path: &Path) -> Result<(), redb::Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    guarded(|| {
        let database = settings().create_with_backend(FileBackend::new(file)?)?;
        tables::create(&database)?;
        Ok(database.close()?)
    })
}

/// Renames the finished file, unless another process was faster: its file is already in use and
/// must not be replaced. On a file system without hard links this falls back to a plain rename.
fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            fs::rename(unfinished, path)?;
        }
        _ => fs::remove_file(unfinished)?,
    }
    sync_folder(path)
}

/// Flushes the file's name to the disk; its content is there already.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn settings() -> Builder {
    let mut builder = Database::builder();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

/// Returns the format that the file declares, and `None` for a file of another program.
fn format_of(database: &impl ReadableDatabase) -> Result<Option<u64>, redb::Error> {
    guarded(|| {
        let read = database.begin_read()?;
        let is_ours = read
            .list_tables()?
            .any(|table| table.name() == tables::META.name());
        if !is_ours {
            return Ok(None);
        }
        let format = read.open_table(tables::META)?.get(tables::FORMAT_NAME)?;
        Ok(format.map(|format| format.value()))
    })
}

fn config_error(path: &Path, error: redb::Error) -> ConfigError {
    let reason = match &error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            "is in use by another process, or by another store of this one"
        }
        redb::Error::UpgradeRequired(_) => "has a file format that this version does not read",
        redb::Error::Io(error) if is_full(error) => "does not fit on its disk",
        error if is_damage(error) => "is damaged or not a store; restore it from a backup",
        _ => "cannot be opened for reading and writing",
    };
    ConfigError::new(SETTING, format!("{} {reason}", path.display())).with_source(error)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

const SETTING: &str = "path";

/// Holds the working set of some hundred thousand sessions. redb's default is a gigabyte, which a
/// small server does not have.
const CACHE_BYTES: usize = 64 << 20;

/// Takes about a second. Later commits remove the rest.
const PURGED: usize = 10_000;
