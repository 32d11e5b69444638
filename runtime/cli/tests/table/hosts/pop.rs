//! The PoP as operators run it: the `iridule` binary, a data folder of its own, the write API.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use iridule_publish::Address;
use tempfile::TempDir;

use super::{Answer, Client, Host};
use crate::{
    script::Ask,
    world::{PUBLIC_URL, World},
};

pub struct Pop {
    child: Child,
    client: Client,
    admin: Client,
    /// Where its records are published.
    pub address: Address,
    /// What its write API asks for.
    pub token: String,
    _data: TempDir,
}

impl Pop {
    pub fn start(world: &World) -> Self {
        let data = TempDir::new().unwrap();
        fs::create_dir(data.path().join("keys")).unwrap();
        fs::write(data.path().join("keys/relay.key"), world.relay_secret()).unwrap();
        fs::write(data.path().join("keys/publisher.key"), world.publisher_secret()).unwrap();
        fs::write(data.path().join("keys/edge.key"), world.edge_secret()).unwrap();
        let pool = match &world.origin {
            Some(origin) => vec!["--origin", origin],
            None => vec!["--no-origin"],
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_iridule"))
            // What the functions answer, every time.
            .args(["serve", "--no-demo", "--no-cache", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(pool)
            .args(["--public-url", PUBLIC_URL, "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |word: &str| {
            let line = lines.find(|line| line.contains(word)).expect("the binary says where it serves");
            let start = line.find("http://").unwrap();
            line[start..].split([' ', ';']).next().unwrap().to_owned()
        };
        let (client, address) = (Client::new(address("serves on")), address("write API"));
        let admin = Client::new(address.clone());
        thread::spawn(move || lines.for_each(drop));
        let token = fs::read_to_string(data.path().join("keys/admin.token")).unwrap().trim().to_owned();
        let pop = Self { child, client, admin, address: Address::Pop(address), token, _data: data };
        for (collection, package) in &world.collections {
            for block in &package.blocks {
                pop.put(&format!("/v1/blocks/{}", block.cid), block.bytes.clone(), true);
            }
            pop.put(&format!("/v1/collections/{}", collection.slug), world.signed(collection), true);
        }
        pop
    }

    fn put(&self, path: &str, body: Vec<u8>, good: bool) {
        let status = self.admin.put(path, &self.token, body);
        assert_eq!(good, (200..300).contains(&status), "{path} answered {status}");
    }
}

impl Host for Pop {
    fn name(&self) -> &'static str {
        "pop"
    }

    fn publish_snapshot(&mut self, signed: Vec<u8>, good: bool) {
        self.put("/v1/snapshot", signed, good);
    }

    fn ask(&mut self, ask: &Ask) -> Answer {
        self.client.ask(ask).unwrap()
    }
}

impl Drop for Pop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
