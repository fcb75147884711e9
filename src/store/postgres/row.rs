//! Conversions between columns and keys, versions and times.

use bytes::Bytes;
use sqlx::{Row, postgres::PgRow};

use super::told::SqlError;
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, StoreKey, Version},
};

/// Converts a time to a column in milliseconds. A time beyond the range of `bigint`, the year 292
/// million, becomes [`Timestamp::NEVER`].
pub(super) fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(NEVER)
}

/// Returns all 64 bits of a version as a signed number.
pub(super) const fn bits(version: Version) -> i64 {
    version.as_u64().cast_signed()
}

/// Returns the hour of a time. An earlier hour is over, whatever the minute.
pub(super) fn hour(moment: Timestamp) -> i64 {
    millis(moment) / MILLIS_PER_HOUR
}

/// Decodes the entry in the columns `value`, `version` and `expires_at`.
pub(super) fn entry(row: &PgRow) -> Result<Entry, StoreError> {
    let expires_at = match column(row, "expires_at")? {
        NEVER => Timestamp::NEVER,
        millis => Timestamp::from_millis(u64::try_from(millis).map_err(|_| corrupt("its expiry"))?),
    };
    let version = Version::from_stored(column::<i64>(row, "version")?.cast_unsigned());
    Ok(Entry::new(value(row)?, version, expires_at))
}

/// Decodes the key in the columns `namespace` and `digest`.
pub(super) fn key(row: &PgRow) -> Result<StoreKey, StoreError> {
    let digest: &[u8] = column(row, "digest")?;
    let digest = digest.try_into().map_err(|_| corrupt("its digest"))?;
    Ok(StoreKey::from_stored(column(row, "namespace")?, digest))
}

pub(super) fn value(row: &PgRow) -> Result<Bytes, StoreError> {
    Ok(column::<Vec<u8>>(row, "value")?.into())
}

fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name)
        .map_err(|error| StoreError::Corrupt(SqlError::from(error).into()))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a row was not written by this crate: {what} is invalid").into())
}

const NEVER: i64 = i64::MAX;

pub(super) const MILLIS_PER_HOUR: i64 = 3_600_000;
