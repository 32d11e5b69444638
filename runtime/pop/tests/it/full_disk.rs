//! A host whose disk is full, on a real file system of a few MiB: what it refuses, what it says, and that it recovers by
//! itself.
//!
//! Mounting one takes root. Where that is not allowed the tests say so and pass.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use http::Method;
use iridule_records::block::{Block, RAW};

use crate::support::{Running, config, lend_code};

/// A small file system of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                let mut out = std::io::stderr().lock();
                writeln!(out, "skipped: no small file system can be mounted here ({other:?})").unwrap();
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

async fn start_on(disk: &Disk, renders_disk: usize) -> Running {
    let mut config = config(disk.path());
    config.limits.renders_disk = renders_disk;
    Running::around(iridule_pop::Pop::start(config).await.unwrap())
}

fn block(number: u8, size: usize) -> Block {
    Block::new(RAW, vec![number; size]).unwrap()
}

async fn put(pop: &Running, block: &Block) -> crate::support::Answer {
    pop.admin(Method::PUT, &format!("/v1/blocks/{}", block.cid), block.bytes.clone()).await
}

fn key(block: &Block) -> String {
    iridule_records::record_keys::block(&block.cid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_publications_says_so_and_heals_without_a_restart() {
    let Some(disk) = Disk::mount(24) else { return };
    lend_code(disk.path());
    let pop = start_on(&disk, 0).await;
    let before = block(1, 500_000);
    assert_eq!(put(&pop, &before).await.status, 201);
    let filler = disk.fill();

    // Some may still find room in the file itself; then none does.
    let mut taken = vec![before];
    let mut refused = 0;
    for number in 2..40 {
        let block = block(number, 1 << 20);
        let answer = put(&pop, &block).await;
        match answer.status.as_u16() {
            201 => taken.push(block),
            _ => {
                answer.assert_denied(503);
                assert_eq!(answer.header("retry-after"), "5");
                refused += 1;
            }
        }
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "{} were taken", taken.len());
    let ready = pop.admin_as(None, Method::GET, "/readyz", "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().starts_with("records: nothing can be published here"), "{}", ready.text());
    assert!(ready.text().contains("No space left"), "{}", ready.text());
    assert_eq!(pop.metric("iridule_pop_records_writable").await, 0.0);
    // It is alive, and visitors are served from what was published.
    assert_eq!(pop.admin_as(None, Method::GET, "/healthz", "").await.status, 200);
    for block in &taken {
        assert_eq!(pop.pop.records().get(&key(block)).unwrap().unwrap(), block.bytes);
    }

    // With room again it is ready by itself, before anybody publishes.
    fs::remove_file(filler).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while pop.admin_as(None, Method::GET, "/readyz", "").await.status != 200 {
        assert!(Instant::now() < end, "it did not recover");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let after = block(50, 1 << 20);
    assert_eq!(put(&pop, &after).await.status, 201);
    taken.push(after);
    let Running { pop, .. } = pop;
    pop.shutdown().await;
    let pop = start_on(&disk, 0).await;
    for block in &taken {
        assert_eq!(pop.pop.records().get(&key(block)).unwrap().unwrap(), block.bytes, "nothing is lost");
    }
    assert!(pop.pop.records().get("probe").unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_starts_and_serves_on_a_full_disk() {
    let Some(disk) = Disk::mount(24) else { return };
    lend_code(disk.path());
    let pop = start_on(&disk, 0).await;
    let before = block(1, 500_000);
    assert_eq!(put(&pop, &before).await.status, 201);
    pop.pop.shutdown().await;
    // Without the compiled code either: it cannot be kept, and neither can renders.
    fs::remove_dir_all(disk.path().join("code")).unwrap();
    let _filler = disk.fill();
    let pop = start_on(&disk, 8 << 20).await;
    assert_eq!(pop.get("/echo").await.status, 200);
    assert_eq!(pop.pop.records().get(&key(&before)).unwrap().unwrap(), before.bytes);
    for number in 0..12 {
        assert_eq!(pop.ask(Method::PUT, &format!("/kv/renders/{number}?500000")).await.text(), "kept");
        assert_eq!(pop.get(&format!("/kv/renders/{number}")).await.body.len(), 500_000);
    }
    assert!(fs::read_dir(disk.path().join("code")).is_ok_and(|mut files| files.next().is_none()));
}
