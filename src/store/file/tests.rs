use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{store::contract, testing::ManualClock};

/// A folder of its own below the target folder, removed with the test that made it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-jam-unit-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = FileStore::builder(folder.file())
        .with_clock(clock.clone())
        .open()
        .unwrap();
    contract::run(Arc::new(store), &clock).await;
}
