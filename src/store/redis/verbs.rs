//! The commands that each operation of the store sends to Redis.

use std::time::Duration;

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    interfaces::{KeysInterface, SortedSetsInterface},
    types::{Expiration, Value},
};
use tokio::time::Instant;

use super::{
    RedisInner,
    doubts::UnsettledWrite,
    format::{
        corrupt, decode, encode, group_field, is_in_group, member, parse_member, score,
        time_to_live,
    },
    link::{Link, gather},
    scripts::{ADD, INDEX, PUT, TAKE},
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, StoreKey, When, Write, number},
};

impl RedisInner {
    pub(super) async fn get(&self, key: &StoreKey) -> Result<Option<Entry>, StoreError> {
        let found = match self.unsettled.take(key) {
            Some(unsettled) => Box::pin(self.get_unsettled(key, unsettled)).await?,
            None => self.main.get(|| self.names.entry(key)).await?,
        };
        match found {
            Some(bytes) => self.live(&bytes),
            None => Ok(None),
        }
    }

    /// Reads a key after a write whose answer was lost with its connection: over the next
    /// connection. Returns only once the value is replicated as if the write had been answered.
    async fn get_unsettled(
        &self,
        key: &StoreKey,
        unsettled: UnsettledWrite<'_>,
    ) -> Result<Option<Bytes>, StoreError> {
        let (name, deadline) = (self.names.entry(key), self.main.deadline());
        let reading = async {
            loop {
                // This may still use the old connection if its loss was not noticed yet.
                match self.main.get(|| name.clone()).await {
                    Err(StoreError::Unavailable(_)) => tokio::time::sleep(RETRY_DELAY).await,
                    found => return found,
                }
            }
        };
        let late = |_| Err(StoreError::Unavailable("no answer in time".into()));
        let found = tokio::time::timeout_at(deadline, reading).await;
        let found = found.unwrap_or_else(late)?;
        self.await_replica(&name).await;
        unsettled.settle();
        Ok(found)
    }

    /// Decodes the entry, and returns it if it is live.
    pub(super) fn live(&self, bytes: &Bytes) -> Result<Option<Entry>, StoreError> {
        let entry = decode(bytes)?;
        Ok(entry.is_live(self.clock.now()).then_some(entry))
    }

    pub(super) async fn put(
        &self,
        key: &StoreKey,
        write: &Write,
        when: When,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_over = write.expires_at <= now;
        let is_change = key.needs_invalidation() && when != When::Absent;
        let is_revoking =
            is_over || (!write.skips_invalidation && (is_change || key.is_revoking()));
        let link = self.link(is_revoking);
        let deadline = link.deadline();
        if let Some(group) = &write.group
            && !is_over
        {
            self.index(deadline, group, key, write.expires_at).await?;
        }
        let name = self.names.entry(key);
        let entry = encode(write)?;
        let ttl = time_to_live(write.expires_at, now);
        let is_written = match when {
            When::Always => replace(link, deadline, &name, entry, ttl)
                .await
                .map(|()| true),
            When::Absent => {
                let arguments = vec![big_endian(now), ttl_text(ttl), entry.into(), "".into()];
                link.run(deadline, &PUT, &name, arguments).await
            }
            When::Unchanged(version) => {
                let version = Bytes::copy_from_slice(&version.as_u64().to_be_bytes());
                let arguments = vec![big_endian(now), ttl_text(ttl), entry.into(), version.into()];
                link.run(deadline, &PUT, &name, arguments).await
            }
        };
        if let Err(StoreError::Unknown(_)) = &is_written {
            self.unsettled.insert(key);
        }
        let is_written = is_written?;
        if is_written && is_revoking {
            self.await_replica(&name).await;
        }
        Ok(is_written)
    }

    /// Takes the entry if it is in `group`.
    pub(super) async fn take(
        &self,
        key: &StoreKey,
        group: Option<&StoreKey>,
    ) -> Result<Option<Entry>, StoreError> {
        let name = self.names.entry(key);
        let field = group.map(group_field).transpose()?.unwrap_or_default();
        let link = self.link(true);
        let arguments = vec![big_endian(self.clock.now()), field.into()];
        let taken: Option<Bytes> = link.run(link.deadline(), &TAKE, &name, arguments).await?;
        // Even if there was nothing: an earlier call whose answer was lost may have removed it.
        self.await_replica(&name).await;
        taken.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) async fn list(
        &self,
        group: &StoreKey,
    ) -> Result<Vec<(StoreKey, Entry)>, StoreError> {
        let field = group_field(group)?;
        let (now, deadline) = (self.clock.now(), self.main.deadline());
        let keys = self.members(deadline, group).await?;
        let keys: Vec<_> = keys.into_iter().collect::<Result<_, _>>()?;
        let mut reads = Vec::with_capacity(keys.len());
        for key in &keys {
            let name = self.names.entry(key);
            reads.push(async {
                let read = move |client: WithOptions<Client>| {
                    let name = name.clone();
                    async move { client.get::<Option<Bytes>, _>(name).await }
                };
                self.main.read(deadline, read).await
            });
        }
        let mut listed = Vec::new();
        for (bytes, key) in gather(reads).await.into_iter().zip(keys) {
            let Some(bytes) = bytes? else {
                continue;
            };
            let entry = decode(&bytes)?;
            if entry.is_live(now) && is_in_group(&bytes, &field) {
                listed.push((key, entry));
            }
        }
        Ok(listed)
    }

    pub(super) async fn remove_group(&self, group: &StoreKey) -> Result<u64, StoreError> {
        let keys = self.members(self.main.deadline(), group).await?;
        let mut takes = Vec::new();
        let mut failure = None;
        for key in &keys {
            match key {
                Ok(key) => takes.push(self.take(key, Some(group))),
                Err(_) => failure = Some(corrupt(INVALID_MEMBERS)),
            }
        }
        let mut removed = 0;
        // All of them run to the end, whatever the outcome of one.
        for taken in gather(takes).await {
            match taken {
                Ok(taken) => removed += u64::from(taken.is_some()),
                Err(error) => failure = Some(worse(failure, error)),
            }
        }
        match failure {
            None => Ok(removed),
            // The others are known to be removed.
            Some(StoreError::Unavailable(cause)) if removed > 0 => Err(StoreError::Unknown(cause)),
            Some(error) => Err(error),
        }
    }

    /// Returns the keys in the index of a group. Their entries may be absent.
    async fn members(
        &self,
        deadline: Instant,
        group: &StoreKey,
    ) -> Result<Vec<Result<StoreKey, StoreError>>, StoreError> {
        let (name, now) = (self.names.index(group), self.clock.now());
        let read = |client: WithOptions<Client>| {
            let (name, after) = (name.clone(), format!("({}", now.as_millis()));
            async move { client.zrangebyscore(name, after, "+inf", false, None).await }
        };
        let members: Vec<Bytes> = self.main.read(deadline, read).await?;
        let key = |member: &Bytes| parse_member(member).ok_or_else(|| corrupt(INVALID_MEMBERS));
        Ok(members.iter().map(key).collect())
    }

    pub(super) async fn add(
        &self,
        key: &StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> Result<i64, StoreError> {
        let now = self.clock.now();
        let version = Write::new("", expires_at).version.as_u64().to_be_bytes();
        let arguments = vec![
            big_endian(now),
            ttl_text(time_to_live(expires_at, now)),
            big_endian(expires_at),
            Bytes::copy_from_slice(&version).into(),
            delta.to_string().into(),
        ];
        let name = self.names.entry(key);
        let deadline = self.main.deadline();
        let sum: Bytes = self.main.run(deadline, &ADD, &name, arguments).await?;
        number(&sum)
    }

    /// Adds a key to the index of its group. Even if the outcome is unknown, the entry itself is
    /// not written yet.
    async fn index(
        &self,
        deadline: Instant,
        group: &StoreKey,
        key: &StoreKey,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let limit = self.clock.now().before(INDEX_MARGIN);
        let arguments = vec![
            score_text(score(expires_at)),
            member(key).into(),
            limit.as_millis().to_string().into(),
        ];
        let name = self.names.index(group);
        let answer = self.main.run::<i64>(deadline, &INDEX, &name, arguments);
        match answer.await {
            Ok(_) => Ok(()),
            Err(StoreError::Unknown(cause)) => Err(StoreError::Unavailable(cause)),
            Err(error) => Err(error),
        }
    }

    fn link(&self, is_revoking: bool) -> &Link {
        let of_replicas = self.replicas.as_ref().filter(|_| is_revoking);
        of_replicas.map_or(&self.main, |replicas| &replicas.link)
    }

    async fn await_replica(&self, name: &Bytes) {
        if let Some(replicas) = &self.replicas {
            replicas.await_replica(name).await;
        }
    }
}

/// Returns the error that leaves more unknown.
fn worse(one: Option<StoreError>, other: StoreError) -> StoreError {
    match one {
        Some(StoreError::Unknown(cause)) => StoreError::Unknown(cause),
        Some(one) if !matches!(other, StoreError::Unknown(_)) => one,
        _ => other,
    }
}

/// Overwrites or removes an entry unconditionally.
async fn replace(
    link: &Link,
    deadline: Instant,
    name: &Bytes,
    entry: Bytes,
    ttl: Option<i64>,
) -> Result<(), StoreError> {
    if ttl == Some(0) {
        let remove = |client: WithOptions<Client>| {
            let name = name.clone();
            async move { client.del::<(), _>(name).await }
        };
        return link.write(deadline, remove).await;
    }
    let set = |client: WithOptions<Client>| {
        let (name, entry) = (name.clone(), entry.clone());
        async move {
            client
                .set(name, entry, ttl.map(Expiration::PX), None, false)
                .await
        }
    };
    link.write(deadline, set).await
}

fn big_endian(time: Timestamp) -> Value {
    Bytes::copy_from_slice(&time.as_millis().to_be_bytes()).into()
}

fn ttl_text(ttl: Option<i64>) -> Value {
    ttl.map(|millis| millis.to_string())
        .unwrap_or_default()
        .into()
}

fn score_text(score: f64) -> Value {
    if score.is_finite() {
        format!("{score:.0}").into()
    } else {
        "+inf".into()
    }
}

const INVALID_MEMBERS: &str = "a group's index has invalid members";
/// How much longer a member stays in the index than its entry lives.
const INDEX_MARGIN: Duration = Duration::from_secs(3_600);
/// Longer than fred needs to notice a lost connection, and shorter than it needs for a new one.
const RETRY_DELAY: Duration = Duration::from_millis(5);
