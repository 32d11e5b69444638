//! Serves a page of tokens in several states that updates while the author changes the style's files.
//!
//! | address | answer |
//! |---|---|
//! | `/` | the page |
//! | `/style?seen=N` | the current style as JSON; waits until it is newer than version `N` |
//! | `/picture/{token}/{bands}?w=&v=` | a PNG; `bands` are numbers separated by commas, one for each gauge, or `-` if there
//! is none |
//!
//! If a build fails, the page shows the error above the last good pictures. Everything is built and painted in a sandbox,
//! so a file that never finishes is an error on the page.

mod watch;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use iridule_records::gauge::{self, Band};
use iridule_sandbox::{JobLimits, Sandbox};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch as channel},
    task,
};

use crate::{BuiltStyle, StudioError, StyleFolder, StyleSession, session::PictureRequest};

/// How often the files are checked for changes.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long a request waits for a new version; then the page asks again.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// How many tokens the check beside the page examines.
const CHECKED_TOKENS: usize = 64;

/// A preview that is not running yet.
#[derive(Debug)]
pub struct Preview {
    folder: StyleFolder,
    listener: TcpListener,
    sandbox: Sandbox,
    limits: JobLimits,
}

/// What the page shows.
struct PreviewState {
    changes: channel::Receiver<u64>,
    shown: Mutex<ShownStyle>,
    painters: PaintSessions,
}

/// Sessions that paint, each with the version of the style that it holds.
struct PaintSessions {
    sandbox: Sandbox,
    limits: JobLimits,
    /// One permit for each session.
    permits: Semaphore,
    idle: Mutex<Vec<(u64, StyleSession)>>,
}

#[derive(Default)]
struct ShownStyle {
    version: u64,
    good: Option<Arc<LastGoodStyle>>,
    error: Option<String>,
}

/// The last style that built without error.
struct LastGoodStyle {
    version: u64,
    built: BuiltStyle,
    report: String,
}

#[derive(Serialize)]
struct StyleAnswer<'a> {
    version: u64,
    error: Option<&'a str>,
    style: Option<StyleDescription<'a>>,
}

#[derive(Serialize)]
struct StyleDescription<'a> {
    name: &'a str,
    description: &'a str,
    cid: String,
    report: &'a str,
    first: u64,
    last: u64,
    width: u32,
    height: u32,
    gauges: Vec<GaugeRange<'a>>,
}

#[derive(Serialize)]
struct GaugeRange<'a> {
    label: &'a str,
    low: Band,
    high: Band,
    rest: Band,
}

impl Preview {
    /// Binds the address. The sandbox needs at least two workers: one builds, the others paint.
    ///
    /// # Errors
    /// The system's error.
    pub async fn bind(
        folder: StyleFolder,
        address: SocketAddr,
        sandbox: Sandbox,
        limits: JobLimits,
    ) -> io::Result<Self> {
        Ok(Self { folder, listener: TcpListener::bind(address).await?, sandbox, limits })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// The system's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves the page until `stop` is ready. `built` is called after every build, with the error if it failed.
    ///
    /// # Errors
    /// The system's error.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        built: impl Fn(Option<&str>) + Send + 'static,
    ) -> io::Result<()> {
        let (tell, changes) = channel::channel(0);
        let painters = PaintSessions {
            permits: Semaphore::new(self.sandbox.workers().saturating_sub(1).max(1)),
            sandbox: self.sandbox,
            limits: self.limits,
            idle: Mutex::default(),
        };
        let state = Arc::new(PreviewState { changes, shown: Mutex::default(), painters });
        let follower = task::spawn(rebuild_on_change(self.folder, state.clone(), tell, built));
        let router = Router::new()
            .route("/", get(async || Html(include_str!("page.html"))))
            .route("/style", get(style))
            .route("/picture/{token}/{bands}", get(picture))
            .with_state(state);
        let served = tokio::select! {
            served = async { axum::serve(self.listener, router).await } => served,
            () = stop => Ok(()),
        };
        follower.abort();
        served
    }
}

/// Rebuilds the style when its files change.
async fn rebuild_on_change(
    folder: StyleFolder,
    state: Arc<PreviewState>,
    tell: channel::Sender<u64>,
    built: impl Fn(Option<&str>) + Send + 'static,
) {
    let mut known = None;
    loop {
        let now = folder.path().map(watch::fingerprint);
        if known != Some(now) {
            known = Some(now);
            let result = build_and_check(&folder, &state.painters).await.map_err(|why| why.to_string());
            built(result.as_ref().err().map(String::as_str));
            let mut shown = state.shown();
            shown.version += 1;
            match result {
                Ok((built, report)) => {
                    shown.good = Some(Arc::new(LastGoodStyle { version: shown.version, built, report }));
                    shown.error = None;
                }
                Err(why) => shown.error = Some(why),
            }
            let version = shown.version;
            drop(shown);
            tell.send_replace(version);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Builds and checks the style in a session of its own.
async fn build_and_check(
    folder: &StyleFolder,
    of: &PaintSessions,
) -> Result<(BuiltStyle, String), StudioError> {
    let mut session = StyleSession::new(&of.sandbox, of.limits).await?;
    let built = session.build(folder).await?;
    let checked = session.check(CHECKED_TOKENS, |_, _| ()).await?;
    Ok((built, checked.text))
}

impl PaintSessions {
    async fn paint(&self, good: &LastGoodStyle, picture: &PictureRequest) -> Result<Vec<u8>, StudioError> {
        let ended = |_| StudioError::Reported("the preview ends".into());
        let _permit = self.permits.acquire().await.map_err(ended)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut version, mut session) = match idle {
            Some(idle) => idle,
            None => (0, StyleSession::new(&self.sandbox, self.limits).await?),
        };
        if version != good.version {
            session.load(&good.built);
            version = good.version;
        }
        let painted = session.paint(picture).await;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((version, session));
        Ok(painted?.file.into_vec())
    }
}

impl PreviewState {
    fn shown(&self) -> MutexGuard<'_, ShownStyle> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct SeenVersion {
    #[serde(default)]
    seen: u64,
}

async fn style(
    State(state): State<Arc<PreviewState>>,
    Query(SeenVersion { seen }): Query<SeenVersion>,
) -> Response {
    let mut changes = state.changes.clone();
    // After the timeout the current version is returned.
    let _ = tokio::time::timeout(LONG_POLL_TIMEOUT, changes.wait_for(|version| *version > seen)).await;
    let shown = state.shown();
    let style = shown.good.as_deref().map(|LastGoodStyle { built, report, .. }| {
        let manifest = &built.package.manifest;
        StyleDescription {
            name: &manifest.name,
            description: &manifest.description,
            cid: built.package.cid.to_string(),
            report,
            first: built.collection.first,
            last: built.collection.last(),
            width: manifest.canvas.width,
            height: manifest.canvas.height,
            gauges: manifest.gauges.iter().map(GaugeRange::from).collect(),
        }
    });
    Json(StyleAnswer { version: shown.version, error: shown.error.as_deref(), style }).into_response()
}

impl<'a> From<&'a gauge::Gauge> for GaugeRange<'a> {
    fn from(gauge: &'a gauge::Gauge) -> Self {
        let (low, high) = (gauge.quantiser.low, gauge.quantiser.high);
        Self { label: &gauge.label, low, high, rest: gauge.rest }
    }
}

#[derive(Deserialize)]
struct PictureQuery {
    w: Option<u32>,
}

async fn picture(
    State(state): State<Arc<PreviewState>>,
    Path((token, bands)): Path<(u64, String)>,
    Query(PictureQuery { w: width }): Query<PictureQuery>,
) -> Response {
    let Some(good) = state.shown().good.clone() else {
        return (StatusCode::NOT_FOUND, "nothing has been built yet").into_response();
    };
    let painted = match parse_request(&good, token, &bands, width) {
        Ok(picture) => state.painters.paint(&good, &picture).await.map_err(|why| why.to_string()),
        Err(why) => Err(why),
    };
    match painted {
        // The page puts the version into the URL, so the picture at a URL never changes.
        Ok(png) => ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "max-age=3600")], png)
            .into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
    }
}

fn parse_request(
    good: &LastGoodStyle,
    token: u64,
    bands: &str,
    width: Option<u32>,
) -> Result<PictureRequest, String> {
    let gauges = &good.built.package.manifest.gauges;
    let numbers = bands.split(',').filter(|band| *band != "-").map(str::parse::<Band>);
    let bands = numbers.collect::<Result<Vec<Band>, _>>().map_err(|_| "a band is a number".to_owned())?;
    let fits = |(gauge, band): (&gauge::Gauge, &Band)| gauge.quantiser.range().contains(band);
    if bands.len() != gauges.len() || !gauges.iter().zip(&bands).all(fits) {
        return Err(format!("a state of this style is {} bands, each in its gauge's range", gauges.len()));
    }
    Ok(PictureRequest { token, bands, width, extension: "png".into(), tile: None })
}
