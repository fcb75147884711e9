//! A storage backend that never writes to its file.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{StorageBackend, backends::FileBackend};

/// Reads from a file, and stores writes in memory.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    state: Mutex<OverlayState>,
}

#[derive(Debug)]
struct OverlayState {
    /// How much of the file is still visible.
    visible: u64,
    length: u64,
    /// The written blocks by their number.
    written: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl Overlay {
    pub(super) fn new(file: File) -> Result<Self, redb::Error> {
        let file = FileBackend::new(file)?;
        let length = file.len()?;
        Ok(Self {
            file,
            state: Mutex::new(OverlayState {
                visible: length,
                length,
                written: BTreeMap::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, OverlayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file itself from `offset` on, with zeros beyond its end.
    fn read_file(&self, visible: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let available = usize::try_from(visible.saturating_sub(offset)).unwrap_or(usize::MAX);
        let available = available.min(out.len());
        self.file.read(offset, &mut out[..available])
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        self.read_file(state.visible, offset, out)?;
        for (at, byte) in (offset..).zip(out) {
            if let Some(block) = state.written.get(&(at / BLOCK_BYTES)) {
                *byte = block[within(at)];
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.length = length;
        state.visible = state.visible.min(length);
        state
            .written
            .retain(|number, _| *number * BLOCK_BYTES < length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let visible = state.visible;
        for (at, byte) in (offset..).zip(data) {
            let number = at / BLOCK_BYTES;
            let block = match state.written.entry(number) {
                Entry::Occupied(existing) => existing.into_mut(),
                Entry::Vacant(new) => {
                    let mut block = Box::new([0; BLOCK]);
                    self.read_file(visible, number * BLOCK_BYTES, &mut block[..])?;
                    new.insert(block)
                }
            };
            block[within(at)] = *byte;
        }
        Ok(())
    }
}

fn within(at: u64) -> usize {
    usize::try_from(at % BLOCK_BYTES).unwrap_or_default()
}

const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = BLOCK as u64;
