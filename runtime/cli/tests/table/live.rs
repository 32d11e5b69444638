//! A style goes live and back again on a host that is running, by `iridule style` alone.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use iridule_publish::{Address, Place};
use iridule_records::{
    collection::{self, Collection},
    record_keys,
    signed::TrustedKeys,
};
use iridule_style::package::{self, PackageRefused};
use tempfile::TempDir;

use crate::{
    hosts::{Answer, Host, pop::Pop, skip, worker::Worker},
    script::Ask,
    world::World,
};

/// A studio's machine: a style's folder, the publisher's key, and where to publish.
struct Studio {
    folder: TempDir,
    to: Address,
    token: String,
}

impl Studio {
    fn new(world: &World, to: Address, token: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("publisher.key"), world.publisher_secret()).unwrap();
        Self { folder, to, token: token.into() }
    }

    fn style(&self) -> PathBuf {
        self.folder.path().join("night-market")
    }

    /// Runs `iridule style` there.
    fn run(&self, words: &[&str], key: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iridule"));
        command.arg("style").args(words).arg("--to").arg(self.to.to_string());
        command.arg("--key").arg(self.folder.path().join(key)).env("IRIDULE_TOKEN", &self.token);
        command.current_dir(self.folder.path()).output().unwrap()
    }

    /// What a command says that must succeed.
    fn say(&self, words: &[&str]) -> String {
        let output = self.run(words, "publisher.key");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn ask(host: &mut dyn Host, token: u32, known: Option<&str>) -> Answer {
    let headers = known.map(|etag| ("if-none-match".to_owned(), etag.to_owned())).into_iter().collect();
    host.ask(&Ask {
        name: String::new(),
        method: "GET".into(),
        path: format!("/t/night-market/{token}.png?w=64"),
        headers,
        etag: None,
        found: None,
    })
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is in {}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_style_is_published_and_rolled_back_on_a_running_pop() {
    let world = World::new();
    let mut pop = Pop::start(&world);
    let studio = Studio::new(&world, pop.address.clone(), &pop.token);
    release(&mut pop, &studio);

    // A PoP checks what it is given, so a stranger's record is refused as it comes.
    fs::write(studio.folder.path().join("stranger.key"), "07".repeat(32)).unwrap();
    edit(&studio.style().join("collection.toml"), "supply = 1000", "supply = 7");
    let refused = studio.run(&["publish", "night-market", "--collection", "elsewhere"], "stranger.key");
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("not trusted here"), "{error}");
}

#[test]
fn a_style_is_published_and_rolled_back_on_a_running_worker() {
    let world = World::new();
    match Worker::start(&world) {
        Ok(mut worker) => {
            let studio = Studio::new(&world, worker.address.clone(), "");
            release(&mut worker, &studio);

            // KV takes anything, and the edge believes only its publishers: the last good record stays in force.
            let etag = ask(&mut worker, 1, None).headers["etag"].clone();
            fs::write(studio.folder.path().join("stranger.key"), "07".repeat(32)).unwrap();
            let refused = studio.run(&["publish", "night-market"], "stranger.key");
            assert!(
                String::from_utf8_lossy(&refused.stderr).contains("cannot be followed up"),
                "{refused:?}"
            );
            assert_eq!(ask(&mut worker, 1, None).headers["etag"], etag);
        }
        Err(why) => skip("worker", &why),
    }
}

/// From an empty folder to a live picture, another one, a trial, and back.
fn release(host: &mut dyn Host, studio: &Studio) {
    let made =
        Command::new(env!("CARGO_BIN_EXE_iridule")).args(["style", "new"]).arg(studio.style()).output();
    assert!(made.unwrap().status.success());
    assert_eq!(ask(host, 1, None).status, 404, "nothing is published yet");

    assert!(studio.say(&["publish", "night-market"]).contains("record 1 of night-market"));
    let first = ask(host, 1, None);
    assert_eq!(first.status, 200);
    let etag = first.headers["etag"].clone();
    assert!(studio.say(&["publish", "night-market"]).contains("shows it already"));

    // Another sky: the very next request shows it.
    edit(&studio.style().join("style.toml"), "#274c77", "#7c274c");
    edit(&studio.style().join("style.toml"), "#3d2645", "#453d26");
    edit(&studio.style().join("style.toml"), "#1f6f5c", "#5c1f6f");
    studio.say(&["publish", "night-market"]);
    let second = ask(host, 1, Some(&etag));
    assert_eq!(second.status, 200, "the old picture is not the one any more");
    assert!(second.headers["etag"] != etag && second.body != first.body);

    // Back: the old ETag is true again, and the old picture is still there.
    studio.say(&["rollback", "night-market"]);
    assert_eq!(ask(host, 1, Some(&etag)).status, 304);
    let back = ask(host, 1, None);
    assert_eq!((&back.headers["etag"], &back.body), (&etag, &first.body));
    assert!(back.headers["cache-status"].starts_with("iridule; hit"), "{}", back.headers["cache-status"]);

    // On trial for half of the tokens, split by seed: asked again, each shows the same; ended, all are as before.
    let etags = |host: &mut dyn Host| -> Vec<String> {
        (1..=24).map(|token| ask(host, token, None).headers["etag"].clone()).collect()
    };
    let before = etags(host);
    assert!(studio.say(&["publish", "night-market", "--canary", "50"]).contains("on 50.00 %"));
    let trial = etags(host);
    let changed = before.iter().zip(&trial).filter(|(before, trial)| before != trial).count();
    assert!((6..=18).contains(&changed), "{changed} of 24 are on trial");
    assert_eq!(etags(host), trial, "no token flickers");
    studio.say(&["rollback", "night-market"]);
    assert_eq!(etags(host), before);

    let listed = studio.say(&["list"]);
    assert!(listed.contains("night-market: Night market, 1000 tokens, record 5"), "{listed}");
    let unknown = studio.run(&["rollback", "night-markt"], "publisher.key");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("night-market"), "{unknown:?}");
}

/// A real `redis-server`, which forgets everything when it ends.
struct RedisServer {
    process: Child,
    address: Address,
}

impl RedisServer {
    fn start() -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|why| format!("redis-server does not start: {why}"))?;
        let server = Self { process, address: format!("redis://127.0.0.1:{port}/3").parse().unwrap() };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err("redis-server answers nothing".into())
    }

    /// A record, read as Spin's key-value provider reads it.
    fn record(&self, key: &str) -> Option<Vec<u8>> {
        let read = async {
            let Place::Shelf(shelf) = Place::open(&self.address, "").await.unwrap() else {
                panic!("a shelf")
            };
            shelf.get(key).await.unwrap()
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(read)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_style_is_published_and_rolled_back_on_a_redis() {
    let redis = match RedisServer::start() {
        Ok(redis) => redis,
        Err(why) => return skip("redis", &why),
    };
    let world = World::new();
    let studio = Studio::new(&world, redis.address.clone(), "");
    let made =
        Command::new(env!("CARGO_BIN_EXE_iridule")).args(["style", "new"]).arg(studio.style()).output();
    assert!(made.unwrap().status.success());
    let shown = || {
        let signed = redis.record(&record_keys::collection("night-market")).unwrap();
        let publishers = TrustedKeys::parse(&world.publisher_keys()).unwrap();
        let record = Collection::open(&signed, &publishers).unwrap();
        // All that an edge would load is there, and is what it claims to be.
        let read = |cid: &_| Ok::<_, PackageRefused>(redis.record(&record_keys::block(cid)));
        package::open(&record.style, read).unwrap();
        record
    };

    studio.say(&["publish", "night-market"]);
    let first = shown();
    assert_eq!(first.sequence, 1);
    let index = redis.record(record_keys::COLLECTIONS).unwrap();
    assert_eq!(collection::decode_index(&index).unwrap(), ["night-market"]);

    edit(&studio.style().join("style.toml"), "#274c77", "#7c274c");
    studio.say(&["publish", "night-market"]);
    assert!(shown().style != first.style);
    studio.say(&["rollback", "night-market"]);
    assert_eq!((shown().sequence, shown().style), (3, first.style));
    assert!(studio.say(&["list"]).contains("record 3"));
}
