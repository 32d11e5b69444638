//! What is too dear for an edge: something to look at first, then an origin's picture, the same on every host.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    hosts::{Answer, Host, pop::Pop, skip, worker::Worker},
    script::Ask,
    world::World,
};

/// How long a picture may take to come, the origin's first one: its devices are still being looked at.
const PATIENCE: Duration = Duration::from_secs(60);

/// `iridule origin`, with a store of its own.
struct Origin {
    child: Child,
    address: String,
    data: TempDir,
}

impl Origin {
    fn start(world: &World) -> Self {
        let data = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_iridule"))
            .args(["origin", "--listen", "127.0.0.1:0", "--edge", &world.edge_public(), "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("takes orders")).expect("it says where it listens");
        let address = line[line.find("http://").unwrap()..].split(' ').next().unwrap().to_owned();
        thread::spawn(move || lines.for_each(drop));
        Self { child, address, data }
    }

    fn stop(mut self) -> TempDir {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it leaves in order");
        std::mem::replace(&mut self.data, TempDir::new().unwrap())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(host: &mut dyn Host, path: &str, known: Option<&str>) -> Answer {
    let headers = known.map(|etag| ("if-none-match".to_owned(), etag.to_owned())).into_iter().collect();
    host.ask(&Ask {
        name: String::new(),
        method: "GET".into(),
        path: path.into(),
        headers,
        etag: None,
        found: None,
    })
}

/// Asks until the picture itself is there. Whatever comes before it is a picture too.
fn picture(host: &mut dyn Host, path: &str) -> Answer {
    let started = Instant::now();
    loop {
        let answer = get(host, path, None);
        let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
        assert_eq!(answer.status, 200, "{}: {path}: {said}", host.name());
        let status = &answer.headers["cache-status"];
        assert!(answer.body.len() > 100, "{}: {path}: {status}", host.name());
        if !status.contains("interim") {
            return answer;
        }
        assert!(!answer.headers.contains_key("etag"), "{}: {status}", host.name());
        assert_eq!(answer.headers["cache-control"], "public, max-age=1");
        assert!(started.elapsed() < PATIENCE, "{}: {path} does not come: {status}", host.name());
        thread::sleep(Duration::from_millis(200));
    }
}

/// What is asked for, its media type, and the bytes that such a file has, and where.
const PATHS: [(&str, &str, usize, &[u8]); 3] = [
    ("/t/orbits/1.avif?w=256", "image/avif", 4, b"ftypavif"),
    ("/t/cppn/2.jpg?w=3072&h=3072", "image/jpeg", 0, b"\xff\xd8\xff"),
    ("/t/guilloche/3.png?w=3072", "image/png", 0, b"\x89PNG"),
];

fn check(host: &mut dyn Host, pictures: &mut Vec<Vec<u8>>) {
    for (number, (path, media_type, at, magic)) in PATHS.into_iter().enumerate() {
        let answer = picture(host, path);
        assert_eq!(answer.headers["content-type"], media_type);
        assert!(answer.body[at..].starts_with(magic), "{path}");
        let etag = answer.headers["etag"].clone();
        assert!(etag.starts_with("W/\""), "painted on a device it may differ in the last bit: {etag}");
        assert_eq!(get(host, path, Some(&etag)).status, 304);
        match pictures.get(number) {
            Some(known) => assert!(*known == answer.body, "{}: {path}: other bytes", host.name()),
            None => pictures.push(answer.body),
        }
    }
}

#[test]
fn an_origin_paints_what_an_edge_does_not() {
    let mut world = World::new();
    let origin = Origin::start(&world);
    world.origin = Some(origin.address.clone());
    let mut pictures = Vec::new();
    let mut pop = Pop::start(&world);
    check(&mut pop, &mut pictures);
    match Worker::start(&world) {
        Ok(mut worker) => check(&mut worker, &mut pictures),
        Err(why) => skip("worker", &why),
    }

    // Without its origin an edge goes on with what it has, and with something to look at for all else.
    let data = origin.stop();
    assert!(data.path().join("origin/renders").is_dir(), "renders outlive their origin");
    picture(&mut pop, PATHS[0].0);
    let away = get(&mut pop, "/t/orbits/2.avif?w=256", None);
    assert_eq!((away.status, &*away.headers["content-type"]), (200, "image/png"));
    assert!(away.headers["cache-status"].contains("interim-preview"), "{:?}", away.headers);
}
