//! The SQL statements on entries. Each one that changes entries has a variant that sends
//! invalidations.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::Query};

use super::names::TableNames;

/// A statement with bound values.
pub(super) type BoundQuery = Query<'static, Postgres, PgArguments>;

/// The text of a statement. Connections cache its prepared form.
#[derive(Clone, Debug)]
pub(super) struct SqlText(Arc<str>);

impl SqlText {
    /// `text` contains no values, and no names except those of [`TableNames`].
    fn new(text: String) -> Self {
        Self(text.into())
    }

    pub(super) fn query(&self) -> BoundQuery {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.0)))
    }
}

/// A statement that changes entries. It returns a row for each changed entry.
#[derive(Debug)]
pub(super) struct ChangeStatement {
    quiet: SqlText,
    notifying: SqlText,
}

impl ChangeStatement {
    /// `pg_notify` is part of the statement, so a committed change always sends its invalidation,
    /// and one that is rolled back never does.
    fn new(names: &TableNames, change: &str, columns: &[&str]) -> Self {
        let inner = columns.iter().map(|column| format!("entry.{column}"));
        let inner = inner.collect::<Vec<_>>().join(", ");
        let outer = columns.join(", ");
        let channel = names.channel();
        let notifying = format!(
            "WITH changed AS ({change} RETURNING {inner}, entry.namespace AS place, entry.digest AS name) \
             SELECT {outer}, pg_notify('{channel}', place || ' ' || encode(name, 'hex')) FROM changed"
        );
        Self {
            quiet: SqlText::new(format!("{change} RETURNING {inner}")),
            notifying: SqlText::new(notifying),
        }
    }

    pub(super) fn query(&self, notifies: bool) -> BoundQuery {
        if notifies {
            self.notifying.query()
        } else {
            self.quiet.query()
        }
    }
}

#[derive(Debug)]
pub(super) struct Statements {
    /// namespace, digest, now → value, version, expires_at
    pub(super) get: SqlText,
    /// group_namespace, group_digest, now → namespace, digest, value, version, expires_at
    pub(super) list: SqlText,
    /// namespace, digest, version, value, expires_at, group_namespace, group_digest
    pub(super) put_always: ChangeStatement,
    /// The same, and now
    pub(super) put_absent: ChangeStatement,
    /// The same, and the expected version
    pub(super) put_unchanged: ChangeStatement,
    /// namespace, digest
    pub(super) remove_always: ChangeStatement,
    /// namespace, digest, now, the expected version
    pub(super) remove_unchanged: ChangeStatement,
    /// namespace, digest, now → value, version, expires_at
    pub(super) take: ChangeStatement,
    /// namespace, digest, version, delta, expires_at, now → value
    pub(super) add: ChangeStatement,
    /// group_namespace, group_digest, now
    pub(super) remove_group: ChangeStatement,
    /// the hour of now, the limit, now
    pub(super) purge: SqlText,
}

impl Statements {
    pub(super) fn new(names: &TableNames) -> Self {
        let entries = names.entries();
        let change = |change: &str, columns: &[&str]| ChangeStatement::new(names, change, columns);
        let upsert = format!(
            "INSERT INTO {entries} AS entry \
             (namespace, digest, version, value, expires_at, group_namespace, group_digest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (namespace, digest) DO UPDATE SET \
             version = excluded.version, value = excluded.value, expires_at = excluded.expires_at, \
             group_namespace = excluded.group_namespace, group_digest = excluded.group_digest"
        );
        Self {
            get: SqlText::new(format!(
                "SELECT value, version, expires_at FROM {entries} \
                 WHERE namespace = $1 AND digest = $2 AND expires_at > $3"
            )),
            list: SqlText::new(format!(
                "SELECT namespace, digest, value, version, expires_at FROM {entries} \
                 WHERE group_namespace = $1 AND group_digest = $2 AND expires_at > $3"
            )),
            put_always: change(&upsert, &["version"]),
            put_absent: change(
                &format!("{upsert} WHERE entry.expires_at <= $8"),
                &["version"],
            ),
            put_unchanged: change(
                &format!(
                    "UPDATE {entries} AS entry SET version = $3, value = $4, expires_at = $5, \
                     group_namespace = $6, group_digest = $7 \
                     WHERE namespace = $1 AND digest = $2 AND version = $9 AND expires_at > $8"
                ),
                &["version"],
            ),
            remove_always: change(
                &format!("DELETE FROM {entries} AS entry WHERE namespace = $1 AND digest = $2"),
                &["version"],
            ),
            remove_unchanged: change(
                &format!(
                    "DELETE FROM {entries} AS entry \
                     WHERE namespace = $1 AND digest = $2 AND expires_at > $3 AND version = $4"
                ),
                &["version"],
            ),
            take: change(
                &format!(
                    "DELETE FROM {entries} AS entry \
                     WHERE namespace = $1 AND digest = $2 AND expires_at > $3"
                ),
                &["value", "version", "expires_at"],
            ),
            add: change(&add(&entries), &["value"]),
            // Rows are locked in the order of their keys, so that two calls for one group cannot
            // deadlock.
            remove_group: change(
                &format!(
                    "DELETE FROM {entries} AS entry USING (\
                     SELECT namespace, digest FROM {entries} \
                     WHERE group_namespace = $1 AND group_digest = $2 AND expires_at > $3 \
                     ORDER BY namespace, digest FOR UPDATE) AS doomed \
                     WHERE entry.namespace = doomed.namespace AND entry.digest = doomed.digest"
                ),
                &["version"],
            ),
            // Skips rows that another node purges or an operation replaces. Without MATERIALIZED
            // the planner may select a new batch for each row.
            purge: SqlText::new(format!(
                "WITH old AS MATERIALIZED (SELECT namespace, digest FROM {entries} \
                 WHERE expiry_hour < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) \
                 DELETE FROM {entries} AS entry USING old \
                 WHERE entry.namespace = old.namespace AND entry.digest = old.digest \
                 AND entry.expires_at <= $3 RETURNING true"
            )),
        }
    }
}

/// A value that is not a number returns no row, since the condition of the update fails. The value
/// is read with `encode`, which accepts any bytes and leaves digits unchanged. The sum is a
/// `numeric`, which cannot overflow. A sum of zero expires immediately, so the same statement makes
/// it absent; the purge removes the row.
fn add(entries: &str) -> String {
    let (min, max) = (i64::MIN, i64::MAX);
    let text = "encode(entry.value, 'escape')";
    format!(
        "INSERT INTO {entries} AS entry (namespace, digest, version, value, expires_at) \
         VALUES ($1, $2, $3, convert_to(($4::bigint)::text, 'UTF8'), $5) \
         ON CONFLICT (namespace, digest) DO UPDATE SET version = excluded.version, \
         value = CASE WHEN entry.expires_at <= $6 THEN excluded.value ELSE convert_to(\
         greatest({min}, least({max}, {text}::numeric + $4::bigint))::text, 'UTF8') END, \
         expires_at = CASE WHEN entry.expires_at <= $6 THEN excluded.expires_at \
         WHEN {text}::numeric + $4::bigint = 0 THEN 0 ELSE entry.expires_at END, \
         group_namespace = CASE WHEN entry.expires_at <= $6 THEN NULL ELSE entry.group_namespace END, \
         group_digest = CASE WHEN entry.expires_at <= $6 THEN NULL ELSE entry.group_digest END \
         WHERE CASE WHEN entry.expires_at <= $6 THEN true \
         WHEN {text} ~ '^[+-]?[0-9]{{1,64}}$' THEN {text}::numeric BETWEEN {min} AND {max} \
         ELSE false END"
    )
}
