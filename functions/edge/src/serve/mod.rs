//! The way of a request, top to bottom.
//!
//! What it reads on its way is in `records.rs`, what becomes of a render that is too dear for an edge in `escalate.rs`, and
//! what is shown until that has come in `interim.rs`.

mod escalate;
mod interim;
mod records;

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use bytes::Bytes;
use cid::Cid;
use http::{Method, Request, Response, header};

use crate::{
    fault::{Defect, Fault, Refused, Short},
    gallery,
    isolate::Isolate,
    metadata,
    parameters::Extension,
    platform::{Level, Platform, UnixMicros},
    reply::{self, About, Answer, Found, Picture, Pinned},
    route::{Pin, Route, Token},
    serve::escalate::Brought,
};
use iridule_origin_api::order::Priority;
use iridule_records::{
    collection::{self, Collection},
    gauge::State,
    limits,
    render_key::{Painter, RenderKey},
    seed::Seed,
    snapshot::Snapshot,
    stored_render,
    token::{TokenRecord, Tokens},
};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_style::{
    manifest::Manifest,
    plan::{Plan, plan},
    standing::{self, Freshness, Standing},
    style::Style,
};

/// Answers a request. Whatever comes in, something well-formed goes out.
pub async fn serve<P: Platform, B>(
    isolate: &Arc<Isolate>,
    platform: &P,
    request: &Request<B>,
) -> Response<Bytes> {
    let started = platform.now();
    let visit = Visit { isolate, platform, started };
    let answer = visit.answer(request).await;
    if let Err(fault) = &answer {
        visit.log_fault(request, fault);
    }
    reply::reply(request, answer, platform.now().0.saturating_sub(started.0))
}

/// One request on its way.
struct Visit<'a, P> {
    isolate: &'a Arc<Isolate>,
    platform: &'a P,
    started: UnixMicros,
}

/// A token that exists, with all that is known of it.
struct Known {
    collection: Arc<Collection>,
    style: Arc<Style>,
    seed: Seed,
    /// What a relay recorded of it, where tokens are recorded.
    recorded: Option<Arc<TokenRecord>>,
    snapshot: Option<Arc<Snapshot>>,
    /// How many better styles could not be shown.
    passed: usize,
}

/// The styles to show a token in, the best first. What cannot be shown gives way to the next.
fn styles(collection: &Collection, seed: &Seed, recorded: Option<&TokenRecord>) -> impl Iterator<Item = Cid> {
    let own = recorded.into_iter().flat_map(|record| record.styles.iter().copied());
    own.chain(collection.styles(seed)).take(limits::FALLBACKS)
}

impl<P: Platform> Visit<'_, P> {
    async fn answer<B>(&self, request: &Request<B>) -> Result<Answer, Fault> {
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Ok(Answer::Options),
            _ => return Err(Refused::Method.into()),
        }
        match Route::parse(request.uri())? {
            Route::Gallery => Ok(Answer::Page(gallery::PAGE)),
            Route::Health => Ok(Answer::Healthy),
            Route::Collections => self.collections().await,
            Route::Metadata(token) => self.metadata(request, &token).await,
            Route::Picture { token, pinned, extension, asked } => {
                let mut known = self.token(&token, pinned.as_ref().and_then(|pin| pin.style)).await?;
                loop {
                    let shown = self.show(request, &known, &token, pinned.as_ref(), extension, &asked).await;
                    match shown {
                        Err(Fault::Defect(defect)) if pinned.is_none() => {
                            known = self.give_way(known, defect).await?;
                        }
                        shown => return shown,
                    }
                }
            }
        }
    }

    /// A picture of a token in one style.
    async fn show<B>(
        &self,
        request: &Request<B>,
        known: &Known,
        token: &Token,
        pinned: Option<&Pin>,
        extension: Extension,
        asked: &Asked,
    ) -> Result<Answer, Fault> {
        let (state, pinned) = match pinned {
            Some(Pin { state, style })
                if standing::may_pin(&known.style.manifest, known.snapshot.as_ref(), state) =>
            {
                (state.clone(), if style.is_some() { Pinned::Pinned } else { Pinned::State })
            }
            Some(pin) => return Err(Refused::UnpublishedState(pin.state.token()).into()),
            None => {
                let now = self.standing(known);
                (now.state, Pinned::Live(now.freshness))
            }
        };
        let about = About { token: token.clone(), state: pinned };
        let (picture, variant) = self.picture(request, known, about, &state, extension, asked)?;
        if reply::matches_etag(request.headers(), &picture.key) {
            return Ok(Answer::Unchanged(picture));
        }
        if let Some((found, body)) = self.look_up(&picture.key, picture.format).await {
            return Ok(Answer::Picture(picture, found, body));
        }
        if self.isolate.has_failed(&picture.key) {
            return Err(Defect::Paint("it failed before, and would again".into()).into());
        }
        let made = match picture.painter {
            Painter::Cpu => self.paint(known, &state, &variant).await.map(|body| (Found::Painted, body)),
            Painter::Derived => self.derive(known, &state, &variant).await.map(|body| (Found::Derived, body)),
            Painter::Origin => match self.escalate(known, &state, &variant, &picture, waits(request)).await {
                Ok(Brought::Picture(body)) => Ok((Found::Origin, body)),
                Ok(Brought::NotYet(why)) => return self.interim(known, &state, &variant, picture, why).await,
                Err(fault) => Err(fault),
            },
        };
        if let Err(Fault::Defect(Defect::Style { .. } | Defect::Paint(_))) = made {
            self.isolate.note_failed(picture.key);
        }
        let (found, body) = made?;
        if found != Found::Origin {
            self.keep(&picture.key, picture.format, &body);
        }
        Ok(Answer::Picture(picture, found, body))
    }

    /// The token in the next best style, after this one failed on it. Without another one, the failure.
    async fn give_way(&self, known: Known, defect: Defect) -> Result<Known, Fault> {
        let fault = match defect {
            Defect::Style { .. } | Defect::Paint(_) | Defect::Crashed(_) => Fault::from(defect),
            defect => return Err(defect.into()),
        };
        let text = format!("collection {}: {fault}; the style before it stays", known.collection.slug);
        let all = styles(&known.collection, &known.seed, known.recorded.as_deref());
        let Ok((passed, style)) = self.first_of(all, known.passed + 1).await else { return Err(fault) };
        self.complain(&format!("paint/{}", known.style.cid), &text);
        Ok(Known { style, passed, ..known })
    }

    /// Begins work that may end this instance, by its name.
    async fn risk(&self, name: String) -> Result<String, Fault> {
        match self.platform.begin_risk(&name).await {
            true => Ok(name),
            false => Err(Defect::Crashed(name).into()),
        }
    }

    /// Scene and pixels.
    async fn paint(&self, known: &Known, state: &State, variant: &Variant) -> Result<Bytes, Fault> {
        let painting = self.risk(picture_risk(known, state, Painter::Cpu, variant)).await?;
        let painted = self.paint_scene(known, state, variant).await;
        self.platform.end_risk(&painting).await;
        painted
    }

    async fn paint_scene(&self, known: &Known, state: &State, variant: &Variant) -> Result<Bytes, Fault> {
        let style = &known.style;
        let draft = style.draft(&known.seed, state)?;
        let mut files: Vec<(String, Bytes)> = Vec::new();
        for path in draft.files() {
            if !files.iter().any(|(known, _)| known == path) {
                files.push((path.into(), self.asset(style, path).await?));
            }
        }
        let scene = draft.fill(|path| {
            let file = files.iter().find(|(known, _)| known == path).map(|(_, bytes)| bytes.clone());
            file.ok_or_else(|| Defect::Style { style: style.cid.to_string(), why: format!("no file {path}") })
        })?;
        Ok(self.platform.paint(&scene, variant).map(Bytes::from).map_err(Defect::Paint)?)
    }

    /// The master, from the tiers or painted, and the variant made of it.
    async fn derive(&self, known: &Known, state: &State, variant: &Variant) -> Result<Bytes, Fault> {
        let canvas = known.style.manifest.canvas.canvas();
        let master = Variant::master(&canvas)?;
        let key = RenderKey::of(&known.style.digest, &known.seed, &state.epoch(), Painter::Cpu, &master);
        let body = match self.look_up(&key, master.format).await {
            Some((_, body)) => body,
            None => {
                let body = self.paint(known, state, &master).await?;
                self.keep(&key, master.format, &body);
                body
            }
        };
        self.resize(known, state, &body, variant).await
    }

    /// A variant of a larger picture that is at hand.
    async fn resize(
        &self,
        known: &Known,
        state: &State,
        larger: &[u8],
        variant: &Variant,
    ) -> Result<Bytes, Fault> {
        let canvas = known.style.manifest.canvas.canvas();
        let deriving = self.risk(picture_risk(known, state, Painter::Derived, variant)).await?;
        let derived = self.platform.derive(larger, &canvas, variant).map(Bytes::from);
        self.platform.end_risk(&deriving).await;
        Ok(derived.map_err(Defect::Paint)?)
    }

    fn keep(&self, key: &RenderKey, format: Format, body: &Bytes) {
        self.isolate.keep_render(*key, body.clone());
        self.platform.keep(key, stored_render::seal(key, format, body));
    }

    /// Plan and key: from here on it is settled which picture is meant.
    fn picture<B>(
        &self,
        request: &Request<B>,
        known: &Known,
        about: About,
        state: &State,
        extension: Extension,
        asked: &Asked,
    ) -> Result<(Picture, Variant), Fault> {
        let accept = request.headers().get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let manifest = &known.style.manifest;
        let variant = Variant::resolve(asked, extension.negotiate(accept), &manifest.canvas.canvas())?;
        let plan = plan(manifest, &variant);
        if let Plan::Escalate(reason) = plan
            && self.isolate.pool.is_empty()
        {
            return Err(Short::NoOrigin(reason).into());
        }
        let painter = plan.painter();
        let key = RenderKey::of(&known.style.digest, &known.seed, &state.epoch(), painter, &variant);
        let negotiated = extension == Extension::Auto;
        Ok((Picture { about, key, painter, format: variant.format, negotiated }, variant))
    }

    /// The tiers, from the nearest.
    async fn look_up(&self, key: &RenderKey, format: Format) -> Option<(Found, Bytes)> {
        if let Some(body) = self.isolate.render(key) {
            return Some((Found::Memory, body));
        }
        let stored = self.platform.recall(key).await?;
        let Some(body) = stored_render::open(key, format, &stored) else {
            self.platform.log(Level::Warn, format_args!("stored render {key} is corrupt: taken as a miss"));
            return None;
        };
        self.isolate.keep_render(*key, body.clone());
        Some((Found::Store, body))
    }

    async fn collections(&self) -> Result<Answer, Fault> {
        let slugs = match self.platform.record(iridule_records::record_keys::COLLECTIONS).await? {
            None => Vec::new(),
            Some(bytes) => collection::decode_index(&bytes).map_err(|why| Defect::Record {
                key: iridule_records::record_keys::COLLECTIONS.into(),
                why,
            })?,
        };
        let mut listed = Vec::new();
        for slug in slugs {
            match self.listed(&slug).await {
                Ok(one) => listed.push(one),
                Err(fault) => {
                    self.platform.log(Level::Warn, format_args!("collection {slug} is not listed: {fault}"))
                }
            }
        }
        Ok(Answer::Json(metadata::collections(listed.iter().map(|(c, m)| (&**c, m)))?))
    }

    /// A collection and what its style's manifest says; the style's files are not needed for that.
    async fn listed(&self, slug: &str) -> Result<(Arc<Collection>, Manifest), Fault> {
        let collection = self.collection(slug).await?;
        let manifest = self.manifest(&collection.style).await?;
        Ok((collection, manifest))
    }

    async fn metadata<B>(&self, request: &Request<B>, token: &Token) -> Result<Answer, Fault> {
        let mut known = self.token(token, None).await?;
        let base = metadata::base(&self.isolate.settings, request)?;
        loop {
            let now = self.standing(&known);
            let Known { collection, style, seed, recorded, .. } = &known;
            let recorded = recorded.as_deref();
            match metadata::token(&base, collection, style, token.number, seed, &now.state, recorded) {
                Ok(body) => {
                    let about = About { token: token.clone(), state: Pinned::Live(now.freshness) };
                    return Ok(Answer::Metadata(about, body));
                }
                Err(defect) => known = self.give_way(known, defect).await?,
            }
        }
    }

    fn standing(&self, known: &Known) -> Standing {
        let standing = Standing::of(&known.style.manifest, known.snapshot.as_ref(), self.started.millis());
        match known.passed {
            0 => standing,
            _ => Standing { freshness: Freshness::FormerStyle, ..standing },
        }
    }

    /// Collection, seed, style and snapshot. `style` is the one asked for, by a URL that names it.
    async fn token(&self, token: &Token, style: Option<Cid>) -> Result<Known, Fault> {
        let collection = self.collection(&token.slug).await?;
        let number = collection.number(token.number)?;
        let recorded = match collection.tokens {
            Tokens::Derived => None,
            Tokens::Recorded => Some(self.recorded(&token.slug, number).await?),
        };
        let seed =
            recorded.as_ref().map_or_else(|| collection.seed(token.number), |record| Ok(record.seed()))?;
        let is_own = |cid| recorded.as_ref().is_some_and(|record| record.styles.contains(cid));
        let (passed, style) = match style {
            Some(cid) if collection.has_shown(&cid) || is_own(&cid) => (0, self.style(&cid).await?),
            Some(cid) => return Err(Refused::UnknownStyle(cid.to_string()).into()),
            None => self.first_of(styles(&collection, &seed, recorded.as_deref()), 0).await?,
        };
        let snapshot = self.snapshot().await;
        Ok(Known { collection, style, seed, recorded, snapshot, passed })
    }

    /// The first of these styles that can be loaded, from that place on, and its place. When none can, why not the first.
    async fn first_of(
        &self,
        styles: impl Iterator<Item = Cid>,
        from: usize,
    ) -> Result<(usize, Arc<Style>), Fault> {
        let mut first = None;
        for (place, cid) in styles.enumerate().skip(from) {
            match self.style(&cid).await {
                Ok(style) => return Ok((place, style)),
                Err(fault) => {
                    first.get_or_insert(fault);
                }
            }
        }
        Err(first.unwrap_or_else(|| Defect::Host("no style is left".into()).into()))
    }

    /// Tells the operator what is wrong with something, unless that was the last thing said of it.
    fn complain(&self, about: &str, complaint: &str) {
        if self.isolate.is_news(about, complaint) {
            self.platform.log(Level::Warn, format_args!("{complaint}"));
        }
    }

    fn log_fault<B>(&self, request: &Request<B>, fault: &Fault) {
        let path = request.uri().path();
        match fault {
            Fault::Refused(_) => {}
            Fault::Short(Short::Store(_) | Short::Block(_) | Short::Style(_) | Short::Origins(_)) => {
                self.platform.log(Level::Warn, format_args!("{path}: {}", reason(fault)));
            }
            Fault::Short(Short::NoOrigin(_)) => {
                self.platform.log(Level::Info, format_args!("{path}: {fault}"))
            }
            Fault::Defect(defect) => self.platform.log(Level::Error, format_args!("{path}: {defect}")),
        }
    }
}

/// The name of painting one picture: it contains all that the picture depends on, so that nobody's odd variant speaks for
/// another.
fn picture_risk(known: &Known, state: &State, painter: Painter, variant: &Variant) -> String {
    let key = RenderKey::of(&known.style.digest, &known.seed, &state.epoch(), painter, variant);
    format!("picture/{key}")
}

/// Who waits for the answer: a visitor, or nobody yet, where it is a prefetch (the `Sec-Purpose` of the Fetch standard).
fn waits<B>(request: &Request<B>) -> Priority {
    match request.headers().get("sec-purpose") {
        Some(purpose) if purpose.as_bytes().starts_with(b"prefetch") => Priority::Ahead,
        _ => Priority::Visitor,
    }
}

/// A fault with what only the log reads.
fn reason(fault: &Fault) -> String {
    match fault {
        Fault::Short(Short::Store(why) | Short::Block(why) | Short::Style(why) | Short::Origins(why)) => {
            format!("{fault}: {why}")
        }
        fault => fault.to_string(),
    }
}
