//! One picture by many painters: us natively, in the PoP and in workerd, and whoever else paints it.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde::Serialize;

use crate::{
    hosts::{Client, Home, Pop, Worker},
    likeness::psnr,
    peer::Peer,
    peers::Bench,
    report::Section,
    rounds::{Case, interleaved, mean},
    shipped::Work,
};

/// How our hosts stand in the tables.
pub const NATIVE: &str = "iridule, native";
pub const POP: &str = "iridule, PoP";
pub const WORKERD: &str = "iridule, workerd";

/// Our hosts, with a style of `benches/work` on them.
pub struct Hosts {
    work: Work,
    client: Client,
    pop: Pop,
    worker: anyhow::Result<Worker>,
    _home: Home,
}

impl Hosts {
    /// Starts a PoP and workerd, and publishes the style there.
    pub fn start(bench: &Bench, slug: &str) -> anyhow::Result<Self> {
        let (work, client, home) = (Work::open(slug)?, Client::new()?, Home::new(&bench.binary)?);
        let pop = Pop::start(&home, &["--no-demo"])?;
        home.publish(&work.folder, &pop.admin)?;
        let worker = Worker::start(&home, "");
        if let Ok(worker) = &worker {
            home.publish(&work.folder, &worker.place())?;
        }
        Ok(Self { work, client, pop, worker, _home: home })
    }

    pub fn work(&self) -> &Work {
        &self.work
    }

    /// A picture that was not asked for before.
    fn cold(&self, url: &str, token: u64) -> anyhow::Result<(Duration, Vec<u8>)> {
        let answer = self.client.get(&format!("{url}/t/{}/{token}.png?w=512", self.work.slug), &[])?;
        ensure!(answer.cache_status.contains("fwd=miss"), "not painted: {}", answer.cache_status);
        Ok((answer.took, answer.body))
    }
}

/// Painters of one work, who will take turns.
pub struct Painting<'a> {
    bench: &'a Bench,
    section: Section,
    /// Decibels that each picture must have in common with ours.
    alike: f64,
    ours: Vec<u8>,
    cases: Vec<Case<'a>>,
    likeness: Vec<String>,
}

impl<'a> Painting<'a> {
    /// Us, on each host; a turn is the mean of so many pictures.
    pub fn by_us(
        bench: &'a Bench,
        hosts: &'a Hosts,
        (title, about): (&str, String),
        pictures: u32,
        alike: f64,
    ) -> anyhow::Result<Self> {
        let section = Section { title: title.into(), about, ..Section::default() };
        let png = hosts.work.png()?;
        let native = move |token| {
            let started = Instant::now();
            let picture = iridule_raster::paint(&hosts.work.scene(token)?, &png)?;
            Ok((started.elapsed(), picture))
        };
        let ours = native(1)?.1;
        let mut painting = Self { bench, section, alike, ours, cases: vec![], likeness: vec![] };
        painting.add(NATIVE, pictures, native)?;
        painting.add(POP, pictures, |token| hosts.cold(&hosts.pop.url, token))?;
        match &hosts.worker {
            Ok(worker) => painting.add(WORKERD, pictures, |token| hosts.cold(&worker.url, token))?,
            Err(why) => painting.skip(WORKERD, why),
        }
        Ok(painting)
    }

    /// A peer of `benches/peers`, or that it cannot run here.
    pub fn peer<A: Serialize>(
        &mut self,
        (file, name): (&str, &str),
        pictures: u32,
        ask: impl Fn(u64) -> anyhow::Result<A> + 'a,
    ) -> anyhow::Result<()> {
        let started = Peer::start(&self.bench.peers, file, self.bench.scratch.path())
            .and_then(|mut peer| Ok((peer.make(&ask(1)?)?, peer)));
        let (_, mut peer) = match started {
            Ok(made) => made,
            Err(why) => {
                self.skip(name, &why);
                return Ok(());
            }
        };
        self.add(name, pictures, move |token| {
            let made = peer.make(&ask(token)?)?;
            Ok((made.took(), fs::read(made.out)?))
        })
    }

    /// A painter that says how long a token's picture took it.
    ///
    /// # Errors
    /// When it fails, or paints something else than we do.
    pub fn add(
        &mut self,
        name: &str,
        pictures: u32,
        mut paint: impl FnMut(u64) -> anyhow::Result<(Duration, Vec<u8>)> + 'a,
    ) -> anyhow::Result<()> {
        let theirs = paint(1)?.1;
        self.likeness.push(if theirs == self.ours {
            "same bytes".into()
        } else {
            let alike = psnr(&self.ours, &theirs)?;
            if alike <= self.alike {
                let (one, other) = (env::temp_dir().join("ours.png"), env::temp_dir().join("theirs.png"));
                fs::write(&one, &self.ours)?;
                fs::write(&other, &theirs)?;
                anyhow::bail!(
                    "{name} paints something else, {alike:.1} dB: {} and {}",
                    one.display(),
                    other.display()
                );
            }
            format!("{alike:.1} dB")
        });
        let mut tokens = 2..;
        self.cases.push(Case::new(name, move || mean(pictures, || Ok(paint(tokens.next().unwrap_or(1))?.0))));
        Ok(())
    }

    pub fn skip(&mut self, name: &str, why: &anyhow::Error) {
        self.section.skipped.push(format!("{name}: {why:#}"));
    }

    /// Lets them take turns.
    pub fn measure(mut self) -> anyhow::Result<Section> {
        let times = interleaved(&mut self.cases, self.bench.rounds)?;
        for ((case, times), likeness) in self.cases.iter().zip(times).zip(self.likeness) {
            self.section.rows.push(times.row(&case.name).with("likeness to ours", likeness));
        }
        Ok(self.section)
    }
}
