//! A style worked on in a sandbox: built, checked, drawn and painted in a process that a deadline and a memory bound can
//! end, whatever is in its files.
//!
//! A [`Bench`] is one worker with one style on it. Work comes in units (a build, a token, some draws), each with its own
//! deadline, so that a long check is no reason for a long deadline, and progress is known. A unit that is ended is an error
//! that names what was worked on. The functions beside this module do the same on the caller's own thread.

use alloy_primitives::U256;
use cid::Cid;
use iridule_records::{
    block::Block,
    collection::Collection,
    gauge::{Band, State},
};
use iridule_sandbox::{Job, Limits, Registered, Sandbox, SandboxError, Session};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_style::{author::Package, manifest::Manifest, style::Style};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{Built, Folder, StudioError, check::Checking, rarity::Drawing};

/// What a bench's sandbox is asked to do; the executable passes it to [`iridule_sandbox::serve_if_asked`].
pub const SANDBOX_JOBS: &[Registered] = &[Registered::of::<Work>()];

/// Tokens that are drawn within one deadline.
const DRAWN_AT_ONCE: usize = 256;

/// A style on a worker.
#[derive(Debug)]
pub struct Bench {
    session: Session,
    limits: Limits,
    /// What is to be put on a worker that is new: the style that was built or opened last.
    style: Option<Wrapped>,
}

/// What a check found, as text and one by one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// The whole report.
    pub text: String,
    /// What is worth a look ([`crate::Report::findings`]).
    pub findings: Vec<String>,
}

/// A picture that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Picture {
    /// The token.
    pub token: u64,
    /// The state, a band for each gauge.
    pub bands: Vec<Band>,
    /// Pixels across; the canvas when not given.
    pub width: Option<u32>,
    /// The encoding, by its file's extension: png, webp or jpg.
    pub extension: String,
    /// Pixels across of a second, small one that is not encoded.
    pub tile: Option<u32>,
}

/// A picture that was painted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Painted {
    /// The file.
    pub file: ByteBuf,
    /// The small one, if it was asked for: premultiplied RGBA, rows from the top.
    pub tile: Option<Tile>,
}

/// A small picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tile {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Premultiplied RGBA, rows from the top.
    pub pixels: ByteBuf,
}

impl Bench {
    /// A bench in this sandbox, with these limits for each unit of work.
    ///
    /// # Errors
    /// [`StudioError::Sandbox`].
    pub async fn new(sandbox: &Sandbox, limits: Limits) -> Result<Self, StudioError> {
        Ok(Self { session: sandbox.session().await?, limits, style: None })
    }

    /// Builds a style and loads it as an edge would.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn build(&mut self, folder: &Folder) -> Result<Built, StudioError> {
        match self.ask(&folder.slug, &Task::Build(folder.clone())).await? {
            Done::Built(wrapped) => {
                self.style = Some((*wrapped).clone());
                wrapped.open().map_err(StudioError::Said)
            }
            _ => Err(out_of_turn()),
        }
    }

    /// Puts a style that was built elsewhere on the bench.
    pub fn open(&mut self, built: &Built) {
        self.style = Some(Wrapped::of(built));
        // A worker with another style on it would have to be told.
        self.session.start_anew();
    }

    /// Checks the style on about this many of its tokens. `progress` is told how many were looked at, and of how many.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn check(
        &mut self,
        tokens: usize,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Checked, StudioError> {
        self.start(&Task::BeginCheck { tokens: tokens as u64 }, &mut progress).await?;
        while self.goes_on(&Task::GoOnChecking, &mut progress).await? {}
        self.start(&Task::BeginDrawing, &mut |_, _| ()).await?;
        while self.goes_on(&Task::GoOnDrawing, &mut |_, _| ()).await? {}
        match self.on_style(&Task::EndCheck).await? {
            Done::Checked(checked) => Ok(checked),
            _ => Err(out_of_turn()),
        }
    }

    /// Draws every token of the collection, and says how the traits turn out. `progress` is told how many were drawn, and of
    /// how many.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn rarity(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<String, StudioError> {
        self.start(&Task::BeginDrawing, &mut progress).await?;
        while self.goes_on(&Task::GoOnDrawing, &mut progress).await? {}
        match self.on_style(&Task::EndDrawing).await? {
            Done::Text(text) => Ok(text),
            _ => Err(out_of_turn()),
        }
    }

    /// Paints a token.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn paint(&mut self, picture: &Picture) -> Result<Painted, StudioError> {
        match self.on_style(&Task::Paint(picture.clone())).await? {
            Done::Painted(painted) => Ok(painted),
            _ => Err(out_of_turn()),
        }
    }

    /// Begins what goes on in units.
    async fn start(&mut self, task: &Task, progress: &mut impl FnMut(u64, u64)) -> Result<(), StudioError> {
        self.goes_on(task, progress).await.map(drop)
    }

    /// One more unit. Gives whether there are more.
    async fn goes_on(
        &mut self,
        task: &Task,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<bool, StudioError> {
        match self.on_style(task).await? {
            Done::Progress { done, all } => {
                progress(done, all);
                Ok(done < all)
            }
            _ => Err(out_of_turn()),
        }
    }

    /// Does something with the style, which is put on the worker first if that is a new one.
    async fn on_style(&mut self, task: &Task) -> Result<Done, StudioError> {
        let style = self.style.clone().ok_or_else(|| StudioError::Said("no style was built".into()))?;
        let slug = style.collection.slug.clone();
        if self.session.is_fresh() {
            self.ask(&slug, &Task::Open(Box::new(style))).await?;
        }
        self.ask(&slug, task).await
    }

    async fn ask(&mut self, slug: &str, task: &Task) -> Result<Done, StudioError> {
        self.session.run::<Work>(task, self.limits).await.map_err(|why| match why {
            SandboxError::Job(why) => StudioError::Said(why),
            SandboxError::Ended(ended) => StudioError::Ended { slug: slug.into(), ended },
            SandboxError::Unavailable(why) => why.into(),
        })
    }
}

fn out_of_turn() -> StudioError {
    StudioError::Said("the sandbox answers something else than was asked".into())
}

/// A built style as it crosses from one process to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrapped {
    /// The blocks, the manifest's last.
    blocks: Vec<(Cid, ByteBuf)>,
    warnings: Vec<String>,
    collection: Collection,
}

impl Wrapped {
    fn of(built: &Built) -> Self {
        let block = |block: &Block| (block.cid, ByteBuf::from(block.bytes.clone()));
        Self {
            blocks: built.package.blocks.iter().map(block).collect(),
            warnings: built.package.warnings.clone(),
            collection: built.collection.clone(),
        }
    }

    fn open(self) -> Result<Built, String> {
        let Self { blocks, warnings, collection } = self;
        let (cid, manifest) = blocks.last().ok_or("a style without blocks")?;
        let (cid, manifest) = (*cid, Manifest::decode(manifest)?);
        let blocks = blocks.into_iter().map(|(cid, bytes)| Block { cid, bytes: bytes.into_vec() }).collect();
        Ok(Built { package: Package { cid, manifest, blocks, warnings }, collection })
    }
}

/// The job.
struct Work;

/// What is on a worker.
#[derive(Default)]
struct Desk {
    style: Option<(Built, Style)>,
    checking: Option<Checking>,
    drawing: Option<Drawing>,
}

#[derive(Serialize, Deserialize)]
enum Task {
    Build(Folder),
    Open(Box<Wrapped>),
    BeginCheck { tokens: u64 },
    GoOnChecking,
    EndCheck,
    BeginDrawing,
    GoOnDrawing,
    EndDrawing,
    Paint(Picture),
}

#[derive(Serialize, Deserialize)]
enum Done {
    Built(Box<Wrapped>),
    Nothing,
    Progress { done: u64, all: u64 },
    Checked(Checked),
    Text(String),
    Painted(Painted),
}

impl Job for Work {
    const NAME: &'static str = "style";
    type State = Desk;
    type Request = Task;
    type Reply = Done;
    type Error = String;

    fn run(desk: &mut Desk, task: Task) -> Result<Done, String> {
        desk.work(task).map_err(|why| why.to_string())
    }
}

impl Desk {
    fn work(&mut self, task: Task) -> Result<Done, StudioError> {
        let built = match task {
            Task::Build(folder) => folder.build()?,
            Task::Open(wrapped) => {
                self.put(wrapped.open().map_err(StudioError::Said)?)?;
                return Ok(Done::Nothing);
            }
            task => return self.work_on_style(task),
        };
        let wrapped = Wrapped::of(&built);
        self.put(built)?;
        Ok(Done::Built(Box::new(wrapped)))
    }

    fn put(&mut self, built: Built) -> Result<(), StudioError> {
        *self = Self::default();
        let style = built.style()?;
        self.style = Some((built, style));
        Ok(())
    }

    fn work_on_style(&mut self, task: Task) -> Result<Done, StudioError> {
        let Self { style: Some((built, style)), checking, drawing } = self else { return Err(out_of_turn()) };
        let checked = |checking: &Checking| {
            let (done, all) = checking.progress();
            Done::Progress { done: done as u64, all: all as u64 }
        };
        let drawn = |drawing: &Drawing, built: &Built| {
            let (done, all) = drawing.progress(built);
            Done::Progress { done, all }
        };
        match task {
            Task::BeginCheck { tokens } => {
                let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
                Ok(checked(checking.insert(Checking::begin(built, style, tokens))))
            }
            Task::GoOnChecking => {
                let checking = checking.as_mut().ok_or_else(out_of_turn)?;
                checking.go_on(built, style)?;
                Ok(checked(checking))
            }
            Task::EndCheck => {
                let (checking, drawing) = checking.take().zip(drawing.take()).ok_or_else(out_of_turn)?;
                let report = checking.report(built, style, &drawing.rarity(built, style))?;
                Ok(Done::Checked(Checked { text: report.to_string(), findings: report.findings }))
            }
            Task::BeginDrawing => Ok(drawn(drawing.insert(Drawing::begin(built, style)), built)),
            Task::GoOnDrawing => {
                let drawing = drawing.as_mut().ok_or_else(out_of_turn)?;
                drawing.go_on(built, style, DRAWN_AT_ONCE)?;
                Ok(drawn(drawing, built))
            }
            Task::EndDrawing => {
                let drawing = drawing.take().ok_or_else(out_of_turn)?;
                Ok(Done::Text(drawing.rarity(built, style).to_string()))
            }
            Task::Paint(picture) => paint(built, style, &picture).map(Done::Painted),
            Task::Build(_) | Task::Open(_) => Err(out_of_turn()),
        }
    }
}

fn paint(built: &Built, style: &Style, picture: &Picture) -> Result<Painted, StudioError> {
    let Picture { token, bands, width, extension, tile } = picture;
    let blame = |why: String| built.blame(format!("token {token}: {why}"));
    iridule_sandbox::note(&format!("{}: token {token}", built.collection.slug));
    let format = match extension.as_str() {
        "png" => Format::Png,
        "webp" => Format::WebP,
        "jpg" => Format::Jpeg,
        other => return Err(blame(format!("no pictures are encoded as {other:?}"))),
    };
    let variant = |width: Option<u32>| {
        let asked = Asked { width, ..Asked::default() };
        Variant::resolve(&asked, format, &style.manifest.canvas.canvas())
            .map_err(|why| blame(why.to_string()))
    };
    let large = variant(*width)?;
    let small = tile.map(|width| variant(Some(width))).transpose()?;
    let seed = built.collection.seed(U256::from(*token)).map_err(|why| blame(why.to_string()))?;
    let scene = built.scene(style, &seed, &State(bands.clone()))?;
    let opaque = scene.canvas.background.is_some();
    let pixels = |variant: &Variant| {
        iridule_raster::paint_pixels(&scene, variant).map_err(|why| blame(why.to_string()))
    };
    let painted = pixels(&large)?;
    let file =
        iridule_raster::encode::encode(&painted, opaque, &large).map_err(|why| blame(why.to_string()))?;
    let tile = match small {
        None => None,
        Some(small) => {
            let painted = if small == large { painted } else { pixels(&small)? };
            let (width, height) = (painted.width(), painted.height());
            Some(Tile { width, height, pixels: ByteBuf::from(painted.take()) })
        }
    };
    Ok(Painted { file: ByteBuf::from(file), tile })
}
