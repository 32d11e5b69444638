//! Styles whose files loop, multiply or overflow a stack, worked on in a sandbox: each is an error that names what was
//! worked on, and whoever asked goes on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use iridule_sandbox::{ExceededLimit, JobLimits, Sandbox, SandboxConfig, WorkerProgram};
use iridule_studio::{
    StudioError, StyleFolder, StyleSession, check,
    session::{PictureRequest, SANDBOX_JOBS},
};
use tempfile::TempDir;

const HEAD: &str =
    "name = 'Bad'\ndescription = ''\n[canvas]\nwidth = 64\nheight = 64\nbackground = '#000000'\n";

#[test]
fn sandbox_worker() {
    iridule_sandbox::serve_if_asked(SANDBOX_JOBS.iter().copied());
}

fn sandbox(workers: usize) -> Sandbox {
    Sandbox::new(SandboxConfig {
        program: WorkerProgram::this_test("sandbox_worker"),
        workers,
        ..SandboxConfig::default()
    })
}

fn limits() -> JobLimits {
    JobLimits::new(Duration::from_secs(5), 512 << 20)
}

fn folder(home: &TempDir, layer: &str, file: &str, bytes: &[u8]) -> StyleFolder {
    let folder = home.path().join("bad");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("style.toml"), format!("{HEAD}{layer}")).unwrap();
    fs::write(folder.join(file), bytes).unwrap();
    StyleFolder::open(&folder).unwrap()
}

fn shipped(slug: &str) -> StyleFolder {
    StyleFolder::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles").join(slug))
        .unwrap()
}

#[tokio::test]
async fn a_style_is_the_same_in_a_sandbox_as_outside_of_one() {
    let folder = shipped("orbits");
    let outside = folder.build().unwrap();
    let mut session = StyleSession::new(&sandbox(1), limits()).await.unwrap();
    let built = session.build(&folder).await.unwrap();
    assert_eq!(built.package.cid, outside.package.cid);
    assert_eq!(built.blocks(), outside.blocks());
    assert_eq!(built.collection, outside.collection);
    let mut told = Vec::new();
    let checked = session.check(4, |done, all| told.push((done, all))).await.unwrap();
    assert_eq!(checked.text, check(&outside, 4).unwrap().to_string());
    assert_eq!((told.first(), told.last()), (Some(&(0, 4)), Some(&(4, 4))));
    let bands = outside.package.manifest.rest().0;
    let picture =
        PictureRequest { token: 7, bands, width: Some(64), extension: "png".into(), tile: Some(64) };
    let painted = session.paint(&picture).await.unwrap();
    assert!(painted.file.starts_with(b"\x89PNG"));
    assert_eq!(painted.tile.unwrap().pixels.len(), 64 * 64 * 4);
    // Another session, on which it was not built.
    let mut other = StyleSession::new(&sandbox(1), limits()).await.unwrap();
    other.load(&outside);
    assert_eq!(other.paint(&picture).await.unwrap().file, painted.file);
}

#[tokio::test]
async fn shaders_that_overflow_the_compilers_stack_name_the_file_and_harm_nobody() {
    let layer = "[[layer]]\nkind = 'shader'\nsource = 'a.wgsl'\nops = 1000\n";
    let deep = 200_000;
    let shader = format!(
        "@fragment fn main() -> @location(0) vec4f {{ let a = {}1.0{}; return vec4f(a); }}",
        "(".repeat(deep),
        ")".repeat(deep)
    );
    let home = TempDir::new().unwrap();
    let folder = folder(&home, layer, "a.wgsl", shader.as_bytes());
    let mut session = StyleSession::new(&sandbox(1), limits()).await.unwrap();
    let why = session.build(&folder).await.unwrap_err();
    assert!(why.to_string().contains("a.wgsl"), "{why}");
    assert!(session.build(&shipped("orbits")).await.is_ok(), "the next style builds");
}

#[tokio::test]
async fn work_over_its_bounds_is_ended_and_named() {
    // An expression or a template may take two million steps, for each of a million tokens.
    let layer = "[[layer]]\nkind = 'svg'\nsource = 'a.svg'\nelements = 100\noverdraw = 4\nsteps = 2000000\n";
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'>{% for a in range(9999) %}{% for b in range(40) %}\
               {% if b < 0 %}<g/>{% endif %}{% endfor %}{% endfor %}</svg>";
    let home = TempDir::new().unwrap();
    let folder = folder(&home, layer, "a.svg", svg.as_bytes());
    let limits = JobLimits {
        wall_time: Duration::from_millis(20),
        ..JobLimits::new(Duration::from_millis(10), 512 << 20)
    };
    let mut session = StyleSession::new(&sandbox(1), limits).await.unwrap();
    let started = Instant::now();
    let why = match session.build(&folder).await {
        Ok(_) => session.check(1000, |_, _| ()).await.map(drop).unwrap_err(),
        Err(why) => why,
    };
    let StudioError::Killed { slug, killed } = &why else { panic!("{why}") };
    assert_eq!((slug.as_str(), killed.limit), ("bad", ExceededLimit::Time));
    assert!(!killed.activity.is_empty(), "{why}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn files_that_never_end_or_are_none_are_refused() {
    let layer = "[[layer]]\nkind = 'image'\nsource = 'a.png'\n";
    let home = TempDir::new().unwrap();
    let folder = folder(&home, layer, "b.png", b"");
    let path = home.path().join("bad/a.png");
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let mut session = StyleSession::new(&sandbox(1), limits()).await.unwrap();
    let why = session.build(&folder).await.unwrap_err().to_string();
    assert!(why.contains("a.png"), "{why}");
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let why = session.build(&folder).await.unwrap_err().to_string();
    assert!(why.contains("a.png"), "{why}");
}
