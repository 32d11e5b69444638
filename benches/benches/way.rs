//! The way of a request, stage by stage, natively: `stage/case`.
//!
//! `cargo bench -p iridule-bench --bench way`. What painting is made of stands in the bench beside this one, `paint`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot run should say so at once")]

use std::{collections::BTreeMap, fs, hint::black_box, path::Path, sync::Arc};

use alloy_primitives::{B256, U256};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;
use http::{Request, Uri};
use iridule_edge::{isolate::Isolate, platform::block_on, route::Route, serve::serve, settings::Settings};
use iridule_publish::keys;
use iridule_records::{
    collection::encode_index,
    record_keys,
    render_key::{Painter, RenderKey},
    seed::Seed,
    signed::TrustedKeys,
    snapshot::Snapshot,
};
use iridule_relay::statement;
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::{BuiltStyle, StyleFolder};
use iridule_style::plan::plan;
use iridule_testkit::InProcess;
use iridule_vm::{Budget, Inputs, Level, Machine, Resource, Size};

const SLUGS: [&str; 3] = ["orbits", "skyline", "aurora"];
/// When the snapshot is looked at, milliseconds since 1970.
const NOW: u64 = 1_800_000_000_000;

struct World {
    built: Vec<BuiltStyle>,
    relay: SigningKey,
    publisher: SigningKey,
    snapshot: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/styles");
        let built: Vec<BuiltStyle> =
            SLUGS.map(|slug| StyleFolder::open(styles.join(slug)).unwrap().build().unwrap()).into();
        let (relay, publisher) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[9; 32]));
        let panels: Vec<_> = built.iter().map(|built| built.package.manifest.gauges.clone()).collect();
        let values = BTreeMap::from([("eth-usd".to_owned(), 2500.0), ("weather".to_owned(), 20.0)]);
        let snapshot =
            statement::next(None, &panels, &values, NOW, u64::from(u32::MAX)).seal(&relay).unwrap();
        Self { built, relay, publisher, snapshot }
    }

    /// An edge that has read nothing yet.
    fn edge(&self) -> (Arc<Isolate>, InProcess) {
        let mut all = BTreeMap::from([(record_keys::SNAPSHOT.to_owned(), self.snapshot.clone())]);
        all.insert(record_keys::COLLECTIONS.into(), encode_index(SLUGS.map(str::to_owned).into()).unwrap());
        for built in &self.built {
            let slug = &built.collection.slug;
            all.insert(record_keys::collection(slug), built.collection.seal(&self.publisher).unwrap());
            for block in built.blocks() {
                all.insert(record_keys::block(&block.cid), block.bytes.clone());
            }
        }
        (self.isolate(), InProcess::new(all))
    }

    fn isolate(&self) -> Arc<Isolate> {
        let settings = Settings::parse(|name| match name {
            "trusted_keys" => Some(keys::public(&self.relay)),
            "publisher_keys" => Some(keys::public(&self.publisher)),
            _ => None,
        });
        Arc::new(Isolate::new(settings.unwrap()))
    }
}

fn stages(criterion: &mut Criterion) {
    for (case, path) in [
        ("picture", "/t/orbits/1.png?w=512&dpr=2&fit=cover"),
        ("pinned", "/t/orbits/1@AEQ.webp"),
        ("metadata", "/t/orbits/1"),
    ] {
        let uri: Uri = path.parse().unwrap();
        criterion
            .bench_function(&format!("route/{case}"), |b| b.iter(|| Route::parse(black_box(&uri)).unwrap()));
    }
    let world = World::new();
    let orbits = &world.built[0];
    let (manifest, seed) = (&orbits.package.manifest, orbits.collection.seed(U256::from(1)).unwrap());
    let canvas = iridule_scene::scene::Canvas { width: 1024, height: 1024, background: None };
    let png = Variant::resolve(&Asked::default(), Format::Png, &canvas).unwrap();
    criterion.bench_function("seed/derived", |b| {
        b.iter(|| Seed::derived(1, black_box(orbits.collection.contract), U256::from(1)));
    });
    criterion.bench_function("plan/orbits", |b| b.iter(|| plan(black_box(manifest), &png)));
    let (style, epoch) = (B256::repeat_byte(1), manifest.rest().epoch());
    criterion.bench_function("key/picture", |b| {
        b.iter(|| RenderKey::of(black_box(&style), &seed, &epoch, Painter::Cpu, &png).token());
    });
    let trusted = TrustedKeys::parse(&keys::public(&world.relay)).unwrap();
    criterion.bench_function("snapshot/verify", |b| {
        b.iter(|| Snapshot::open(black_box(&world.snapshot), &trusted, NOW).unwrap());
    });
}

/// Whole requests to an edge in this process: known to the visitor, in the isolate's memory, in the store beyond, painted,
/// derived.
fn serving(criterion: &mut Criterion) {
    let world = World::new();
    let edge = world.edge();
    let ask = |edge: &(Arc<Isolate>, InProcess), path: &str, tag: &str| {
        let request = Request::get(path).header("if-none-match", tag).body(()).unwrap();
        block_on(serve(&edge.0, &edge.1, &request))
    };
    const HOT: &str = "/t/orbits/1.png?w=512";
    let tag = ask(&edge, HOT, "").headers()["etag"].to_str().unwrap().to_owned();
    criterion.bench_function("serve/304", |b| b.iter(|| ask(&edge, HOT, black_box(&tag))));
    criterion.bench_function("serve/memory", |b| b.iter(|| ask(&edge, black_box(HOT), "")));
    // An isolate that has just begun finds records and renders in the stores.
    let new = || (world.isolate(), edge.1.clone());
    criterion.bench_function("serve/store, new isolate", |b| {
        b.iter_batched(new, |edge| ask(&edge, black_box(HOT), ""), BatchSize::PerIteration);
    });
    for slug in SLUGS {
        // An edge that knows the style and has painted the first token: each further one is a cold picture.
        let edge = world.edge();
        let mut tokens = 1..4000;
        ask(&edge, &format!("/t/{slug}/4000.png?w=512"), "");
        criterion.bench_function(&format!("serve/painted {slug} 512"), |b| {
            b.iter_batched(
                || tokens.next().expect("fewer iterations than tokens"),
                |token| ask(&edge, &format!("/t/{slug}/{token}.png?w=512"), ""),
                BatchSize::PerIteration,
            );
        });
    }
}

/// The strip VM on shaders that stress different things, 256 × 256 pixels, by instruction set.
fn shaders(criterion: &mut Criterion) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders-cpu/wgsl/corpus/bench");
    for name in ["cppn", "fbm", "gradient", "sdf", "voronoi"] {
        let source = fs::read_to_string(corpus.join(format!("{name}.wgsl"))).unwrap();
        let program = iridule_wgsl::compile(&source, &iridule_wgsl::Options::default()).unwrap().program;
        // Their values stand in the files: `// bind 0:0 0.02 0.7 0.9 0.5`.
        let line = source.lines().find_map(|line| line.strip_prefix("// bind 0:0 ")).unwrap_or_default();
        let word = |word: &str| match word.strip_suffix('u') {
            Some(whole) => whole.parse::<u32>().unwrap().to_le_bytes(),
            None => word.parse::<f32>().unwrap().to_le_bytes(),
        };
        let values: Vec<u8> = line.split(' ').flat_map(word).collect();
        let inputs = Inputs::bind(&program, |_, _| Some(Resource::Uniform(&values))).unwrap();
        let size = Size { width: 256, height: 256 };
        let mut out = vec![0.0; size.values()];
        for level in Level::all() {
            let machine = Machine::with_level(program.clone(), level).unwrap();
            criterion.bench_function(&format!("vm/{name} {}", level.name()), |b| {
                b.iter(|| {
                    let mut budget = Budget::per_pixel(size, 100_000);
                    machine.paint_f32(&inputs, size, &mut budget, black_box(&mut out)).unwrap();
                });
            });
        }
    }
}

criterion_group!(benches, stages, serving, shaders);
criterion_main!(benches);
