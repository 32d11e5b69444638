//! A page of tokens by states that follows the files of a style while its author changes them.
//!
//! | address | answer |
//! |---|---|
//! | `/` | the page |
//! | `/style?seen=N` | what the style is now, as JSON; waits until that is newer than version `N` |
//! | `/picture/{token}/{bands}?w=&v=` | a PNG; `bands` are numbers with commas, one a gauge, or `-` where there is none |
//!
//! What does not build leaves the last good pictures on the page, under the error.

mod watch;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy_primitives::U256;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use iridule_core::{
    gauge::{self, Band},
    style::Style,
    variant::{Asked, Format, Variant},
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch as changes, task};

use crate::{Built, Folder, check};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long an answer waits for news; the page then asks again.
const WAIT: Duration = Duration::from_secs(25);
/// How many tokens the check beside the page looks at.
const CHECKED: usize = 64;

/// A preview, not yet running.
#[derive(Debug)]
pub struct Preview {
    folder: Folder,
    listener: TcpListener,
}

/// What the page shows.
struct Desk {
    news: changes::Receiver<u64>,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    version: u64,
    good: Option<Arc<Good>>,
    error: Option<String>,
}

/// A style that builds.
struct Good {
    built: Built,
    style: Style,
    report: String,
}

#[derive(Serialize)]
struct Now<'a> {
    version: u64,
    error: Option<&'a str>,
    style: Option<Described<'a>>,
}

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    description: &'a str,
    cid: String,
    report: &'a str,
    first: u64,
    last: u64,
    width: u32,
    height: u32,
    gauges: Vec<Gauge<'a>>,
}

#[derive(Serialize)]
struct Gauge<'a> {
    label: &'a str,
    low: Band,
    high: Band,
    rest: Band,
}

impl Preview {
    /// Takes an address to listen on.
    ///
    /// # Errors
    /// What the system says of the address.
    pub async fn bind(folder: Folder, address: SocketAddr) -> io::Result<Self> {
        Ok(Self { folder, listener: TcpListener::bind(address).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves the page until `stop`. `built` is told of every attempt to build, with the error if it failed.
    ///
    /// # Errors
    /// What the system says.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        built: impl Fn(Option<&str>) + Send + 'static,
    ) -> io::Result<()> {
        let (tell, news) = changes::channel(0);
        let desk = Arc::new(Desk { news, shown: Mutex::default() });
        let follower = task::spawn(follow(self.folder, desk.clone(), tell, built));
        let router = Router::new()
            .route("/", get(async || Html(include_str!("page.html"))))
            .route("/style", get(style))
            .route("/picture/{token}/{bands}", get(picture))
            .with_state(desk);
        let served = tokio::select! {
            served = async { axum::serve(self.listener, router).await } => served,
            () = stop => Ok(()),
        };
        follower.abort();
        served
    }
}

/// Builds anew whenever the files change.
async fn follow(
    folder: Folder,
    desk: Arc<Desk>,
    tell: changes::Sender<u64>,
    built: impl Fn(Option<&str>) + Send + 'static,
) {
    let mut known = None;
    loop {
        let now = folder.path().map(watch::fingerprint);
        if known != Some(now) {
            known = Some(now);
            let folder = folder.clone();
            let result = task::spawn_blocking(move || open(&folder)).await;
            let result = result.unwrap_or_else(|why| Err(format!("building ended early: {why}")));
            built(result.as_ref().err().map(String::as_str));
            let mut shown = desk.shown();
            shown.version += 1;
            match result {
                Ok(good) => {
                    shown.good = Some(Arc::new(good));
                    shown.error = None;
                }
                Err(why) => shown.error = Some(why),
            }
            let version = shown.version;
            drop(shown);
            tell.send_replace(version);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn open(folder: &Folder) -> Result<Good, String> {
    let built = folder.build().map_err(|why| why.to_string())?;
    let style = built.style().map_err(|why| why.to_string())?;
    let report = check(&built, CHECKED).map_err(|why| why.to_string())?.to_string();
    Ok(Good { built, style, report })
}

impl Desk {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    seen: u64,
}

async fn style(State(desk): State<Arc<Desk>>, Query(Seen { seen }): Query<Seen>) -> Response {
    let mut news = desk.news.clone();
    // Without news there is still an answer; it is the old one.
    let _ = tokio::time::timeout(WAIT, news.wait_for(|version| *version > seen)).await;
    let shown = desk.shown();
    let style = shown.good.as_deref().map(|Good { built, style, report }| Described {
        name: &style.manifest.name,
        description: &style.manifest.description,
        cid: style.cid.to_string(),
        report,
        first: built.collection.first,
        last: built.collection.last(),
        width: style.manifest.canvas.width,
        height: style.manifest.canvas.height,
        gauges: style.manifest.gauges.iter().map(Gauge::from).collect(),
    });
    Json(Now { version: shown.version, error: shown.error.as_deref(), style }).into_response()
}

impl<'a> From<&'a gauge::Gauge> for Gauge<'a> {
    fn from(gauge: &'a gauge::Gauge) -> Self {
        let (low, high) = (gauge.quantiser.low, gauge.quantiser.high);
        Self { label: &gauge.label, low, high, rest: gauge.rest }
    }
}

#[derive(Deserialize)]
struct Width {
    w: Option<u32>,
}

async fn picture(
    State(desk): State<Arc<Desk>>,
    Path((token, bands)): Path<(u64, String)>,
    Query(Width { w: width }): Query<Width>,
) -> Response {
    let Some(good) = desk.shown().good.clone() else {
        return (StatusCode::NOT_FOUND, "nothing has been built yet").into_response();
    };
    let painted = task::spawn_blocking(move || paint(&good, token, &bands, width)).await;
    match painted.unwrap_or_else(|why| Err(format!("painting ended early: {why}"))) {
        // The page asks with the version that it shows, so an address never changes its picture.
        Ok(png) => ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "max-age=3600")], png)
            .into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
    }
}

fn paint(good: &Good, token: u64, bands: &str, width: Option<u32>) -> Result<Vec<u8>, String> {
    let gauges = &good.style.manifest.gauges;
    let numbers = bands.split(',').filter(|band| *band != "-").map(str::parse::<Band>);
    let state = numbers.collect::<Result<Vec<Band>, _>>().map_err(|_| "a band is a number".to_owned())?;
    let fits = |(gauge, band): (&gauge::Gauge, &Band)| gauge.quantiser.range().contains(band);
    if state.len() != gauges.len() || !gauges.iter().zip(&state).all(fits) {
        return Err(format!("a state of this style is {} bands, each in its gauge's range", gauges.len()));
    }
    let seed = good.built.collection.seed(U256::from(token)).map_err(|why| why.to_string())?;
    let scene = good.built.scene(&good.style, &seed, &gauge::State(state)).map_err(|why| why.to_string())?;
    let asked = Asked { width, ..Asked::default() };
    let variant = Variant::resolve(&asked, Format::Png, &good.style.manifest.canvas.canvas())
        .map_err(|why| why.to_string())?;
    iridule_raster::paint(&scene, &variant).map_err(|why| why.to_string())
}
