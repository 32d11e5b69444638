//! Works on a style in a sandbox: builds, checks, draws and paints it in a child process whose time and memory are limited,
//! whatever is in its files.
//!
//! A [`StyleSession`] is one worker that holds one style. Work is split into units (a build, a token, some draws). Each
//! unit has its own time limit, so a long check needs no long limit, and reports progress. If a unit is killed, the error
//! names what it worked on. The other modules do the same work in the caller's own process.

use alloy_primitives::U256;
use cid::Cid;
use iridule_records::{
    block::Block,
    collection::Collection,
    gauge::{Band, State},
};
use iridule_sandbox::{Job, JobLimits, RegisteredJob, Sandbox, SandboxError, Session};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_style::{author::Package, manifest::Manifest, style::Style};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{BuiltStyle, StudioError, StyleFolder, check::CheckRun, rarity::TraitDraws};

/// The jobs of this crate. The executable passes them to [`iridule_sandbox::serve_if_asked`].
pub const SANDBOX_JOBS: &[RegisteredJob] = &[RegisteredJob::of::<StyleJob>()];

/// How many tokens are drawn in one unit of work.
const TOKENS_PER_UNIT: usize = 256;

/// A worker that holds one style.
#[derive(Debug)]
pub struct StyleSession {
    session: Session,
    limits: JobLimits,
    /// The style that was built or loaded last. A new worker is given it first.
    style: Option<PackedStyle>,
}

/// The result of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckSummary {
    /// The report as text.
    pub text: String,
    /// The findings one by one ([`crate::CheckReport::findings`]).
    pub findings: Vec<String>,
}

/// A request to paint a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PictureRequest {
    /// The token.
    pub token: u64,
    /// The state, a band for each gauge.
    pub bands: Vec<Band>,
    /// Width in pixels. The canvas width if `None`.
    pub width: Option<u32>,
    /// The file format by its extension: png, webp or jpg.
    pub extension: String,
    /// Width in pixels of a second, small picture that is returned without encoding.
    pub tile: Option<u32>,
}

/// The painted token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaintedPicture {
    /// The file.
    pub file: ByteBuf,
    /// The small picture, if it was requested.
    pub tile: Option<TilePicture>,
}

/// A small picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TilePicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Premultiplied RGBA, rows from the top.
    pub pixels: ByteBuf,
}

impl StyleSession {
    /// Starts a session in this sandbox. The limits hold for each unit of work.
    ///
    /// # Errors
    /// [`StudioError::Sandbox`].
    pub async fn new(sandbox: &Sandbox, limits: JobLimits) -> Result<Self, StudioError> {
        Ok(Self { session: sandbox.session().await?, limits, style: None })
    }

    /// Builds a style and loads it as an edge would.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn build(&mut self, folder: &StyleFolder) -> Result<BuiltStyle, StudioError> {
        match self.send(&folder.slug, &StyleTask::Build(folder.clone())).await? {
            StyleReply::Built(packed) => {
                self.style = Some((*packed).clone());
                packed.open().map_err(StudioError::Reported)
            }
            _ => Err(unexpected_reply()),
        }
    }

    /// Loads a style that was built elsewhere.
    pub fn load(&mut self, built: &BuiltStyle) {
        self.style = Some(PackedStyle::of(built));
        // The worker may hold another style, so the next unit starts in a new one.
        self.session.restart();
    }

    /// Checks the style on about this many of its tokens. `progress` gets the number of checked tokens and the total.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn check(
        &mut self,
        tokens: usize,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<CheckSummary, StudioError> {
        self.start(&StyleTask::StartCheck { tokens: tokens as u64 }, &mut progress).await?;
        while self.continue_run(&StyleTask::CheckNext, &mut progress).await? {}
        self.start(&StyleTask::StartDraws, &mut |_, _| ()).await?;
        while self.continue_run(&StyleTask::DrawNext, &mut |_, _| ()).await? {}
        match self.run_on_style(&StyleTask::FinishCheck).await? {
            StyleReply::Checked(checked) => Ok(checked),
            _ => Err(unexpected_reply()),
        }
    }

    /// Draws every token of the collection and returns the distribution of its traits as text. `progress` gets the number
    /// of drawn tokens and the total.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn rarity(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<String, StudioError> {
        self.start(&StyleTask::StartDraws, &mut progress).await?;
        while self.continue_run(&StyleTask::DrawNext, &mut progress).await? {}
        match self.run_on_style(&StyleTask::FinishDraws).await? {
            StyleReply::Text(text) => Ok(text),
            _ => Err(unexpected_reply()),
        }
    }

    /// Paints a token.
    ///
    /// # Errors
    /// [`StudioError`].
    pub async fn paint(&mut self, picture: &PictureRequest) -> Result<PaintedPicture, StudioError> {
        match self.run_on_style(&StyleTask::Paint(picture.clone())).await? {
            StyleReply::Painted(painted) => Ok(painted),
            _ => Err(unexpected_reply()),
        }
    }

    /// Starts work that consists of units.
    async fn start(
        &mut self,
        task: &StyleTask,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), StudioError> {
        self.continue_run(task, progress).await.map(drop)
    }

    /// Runs one more unit. Returns whether there are more.
    async fn continue_run(
        &mut self,
        task: &StyleTask,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<bool, StudioError> {
        match self.run_on_style(task).await? {
            StyleReply::Progress { done, all } => {
                progress(done, all);
                Ok(done < all)
            }
            _ => Err(unexpected_reply()),
        }
    }

    /// Runs a task on the style. A new worker gets the style first.
    async fn run_on_style(&mut self, task: &StyleTask) -> Result<StyleReply, StudioError> {
        let style = self.style.clone().ok_or_else(|| StudioError::Reported("no style was built".into()))?;
        let slug = style.collection.slug.clone();
        if self.session.is_fresh() {
            self.send(&slug, &StyleTask::Load(Box::new(style))).await?;
        }
        self.send(&slug, task).await
    }

    async fn send(&mut self, slug: &str, task: &StyleTask) -> Result<StyleReply, StudioError> {
        self.session.run::<StyleJob>(task, self.limits).await.map_err(|why| match why {
            SandboxError::Job(why) => StudioError::Reported(why),
            SandboxError::Killed(killed) => StudioError::Killed { slug: slug.into(), killed },
            SandboxError::Unavailable(why) => why.into(),
        })
    }
}

fn unexpected_reply() -> StudioError {
    StudioError::Reported("the sandbox answers something else than was asked".into())
}

/// A built style in the form in which it is sent between processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PackedStyle {
    /// The blocks; the manifest's block is the last.
    blocks: Vec<(Cid, ByteBuf)>,
    warnings: Vec<String>,
    collection: Collection,
}

impl PackedStyle {
    fn of(built: &BuiltStyle) -> Self {
        let block = |block: &Block| (block.cid, ByteBuf::from(block.bytes.clone()));
        Self {
            blocks: built.package.blocks.iter().map(block).collect(),
            warnings: built.package.warnings.clone(),
            collection: built.collection.clone(),
        }
    }

    fn open(self) -> Result<BuiltStyle, String> {
        let Self { blocks, warnings, collection } = self;
        let (cid, manifest) = blocks.last().ok_or("a style without blocks")?;
        let (cid, manifest) = (*cid, Manifest::decode(manifest)?);
        let blocks = blocks.into_iter().map(|(cid, bytes)| Block { cid, bytes: bytes.into_vec() }).collect();
        Ok(BuiltStyle { package: Package { cid, manifest, blocks, warnings }, collection })
    }
}

/// The job that works on a style.
struct StyleJob;

/// The state of a worker.
#[derive(Default)]
struct WorkerState {
    style: Option<(BuiltStyle, Style)>,
    checking: Option<CheckRun>,
    drawing: Option<TraitDraws>,
}

#[derive(Serialize, Deserialize)]
enum StyleTask {
    Build(StyleFolder),
    Load(Box<PackedStyle>),
    StartCheck { tokens: u64 },
    CheckNext,
    FinishCheck,
    StartDraws,
    DrawNext,
    FinishDraws,
    Paint(PictureRequest),
}

#[derive(Serialize, Deserialize)]
enum StyleReply {
    Built(Box<PackedStyle>),
    Nothing,
    Progress { done: u64, all: u64 },
    Checked(CheckSummary),
    Text(String),
    Painted(PaintedPicture),
}

impl Job for StyleJob {
    const NAME: &'static str = "style";
    type State = WorkerState;
    type Request = StyleTask;
    type Reply = StyleReply;
    type Error = String;

    fn run(state: &mut WorkerState, task: StyleTask) -> Result<StyleReply, String> {
        state.work(task).map_err(|why| why.to_string())
    }
}

impl WorkerState {
    fn work(&mut self, task: StyleTask) -> Result<StyleReply, StudioError> {
        let built = match task {
            StyleTask::Build(folder) => folder.build()?,
            StyleTask::Load(packed) => {
                self.set_style(packed.open().map_err(StudioError::Reported)?)?;
                return Ok(StyleReply::Nothing);
            }
            task => return self.work_on_style(task),
        };
        let packed = PackedStyle::of(&built);
        self.set_style(built)?;
        Ok(StyleReply::Built(Box::new(packed)))
    }

    fn set_style(&mut self, built: BuiltStyle) -> Result<(), StudioError> {
        *self = Self::default();
        let style = built.style()?;
        self.style = Some((built, style));
        Ok(())
    }

    fn work_on_style(&mut self, task: StyleTask) -> Result<StyleReply, StudioError> {
        let Self { style: Some((built, style)), checking, drawing } = self else {
            return Err(unexpected_reply());
        };
        let checked = |checking: &CheckRun| {
            let (done, all) = checking.progress();
            StyleReply::Progress { done: done as u64, all: all as u64 }
        };
        let drawn = |drawing: &TraitDraws, built: &BuiltStyle| {
            let (done, all) = drawing.progress(built);
            StyleReply::Progress { done, all }
        };
        match task {
            StyleTask::StartCheck { tokens } => {
                let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
                Ok(checked(checking.insert(CheckRun::start(built, style, tokens))))
            }
            StyleTask::CheckNext => {
                let checking = checking.as_mut().ok_or_else(unexpected_reply)?;
                checking.check_next(built, style)?;
                Ok(checked(checking))
            }
            StyleTask::FinishCheck => {
                let (checking, drawing) = checking.take().zip(drawing.take()).ok_or_else(unexpected_reply)?;
                let report = checking.report(built, style, &drawing.rarity(built, style))?;
                Ok(StyleReply::Checked(CheckSummary { text: report.to_string(), findings: report.findings }))
            }
            StyleTask::StartDraws => Ok(drawn(drawing.insert(TraitDraws::start(built, style)), built)),
            StyleTask::DrawNext => {
                let drawing = drawing.as_mut().ok_or_else(unexpected_reply)?;
                drawing.draw_next(built, style, TOKENS_PER_UNIT)?;
                Ok(drawn(drawing, built))
            }
            StyleTask::FinishDraws => {
                let drawing = drawing.take().ok_or_else(unexpected_reply)?;
                Ok(StyleReply::Text(drawing.rarity(built, style).to_string()))
            }
            StyleTask::Paint(picture) => paint(built, style, &picture).map(StyleReply::Painted),
            StyleTask::Build(_) | StyleTask::Load(_) => Err(unexpected_reply()),
        }
    }
}

fn paint(built: &BuiltStyle, style: &Style, picture: &PictureRequest) -> Result<PaintedPicture, StudioError> {
    let PictureRequest { token, bands, width, extension, tile } = picture;
    let blame = |why: String| built.blame(format!("token {token}: {why}"));
    iridule_sandbox::report_activity(&format!("{}: token {token}", built.collection.slug));
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
            Some(TilePicture { width, height, pixels: ByteBuf::from(painted.take()) })
        }
    };
    Ok(PaintedPicture { file: ByteBuf::from(file), tile })
}
