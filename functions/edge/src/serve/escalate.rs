//! A render that is too dear for an edge, on its way to an origin and back.
//!
//! The visitor waits for a short patience; the asking goes on after that, and what it brings is kept for whoever comes
//! next. One request of an isolate asks; others that want the same render look whether it has come, since a future of one
//! request must not be awaited by another.
//!
//! An origin is taken at its word only as far as its signature and the edge's own checks reach: what it sends must be a
//! picture file of the format and size that was asked for, what it wants must be blocks of the style, and each of them is
//! sent to it once for a visit.

use alloc::{
    boxed::Box,
    collections::BTreeSet,
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};

use bytes::Bytes;
use cid::Cid;
use futures_util::{
    StreamExt as _,
    future::{self, Either, OptionFuture},
    stream::FuturesUnordered,
};
use http::{Method, Request, StatusCode, header};

use super::{Known, Visit, interim};
use crate::{
    fault::{Defect, Fault, Short},
    isolate::Isolate,
    limits,
    platform::{Level, Platform},
    reply::{Picture, Pinned},
};
use iridule_origin_api::{
    order::{self, Errand, Order, Priority, Render, answer::Answer},
    picture_file,
    pool::{Extra, Outcome, Sent, refusals::Refusal, refusals::Verdict},
};
use iridule_records::{gauge::State, record_keys, render_key::RenderKey, stored_render};
use iridule_scene::variant::Variant;
use iridule_style::style::Style;

/// How often a request looks whether another one's render has come, milliseconds.
const LOOK_MS: u64 = 20;
/// What of the time that is left an origin may use: the rest is for the way back.
const HOP: (u64, u64) = (9, 10);
/// What of the time that is left one attempt may use, so that another one still can.
const ATTEMPT: (u64, u64) = (1, 2);

/// What came of an escalation within a visitor's patience.
pub(super) enum Brought {
    /// The picture.
    Picture(Bytes),
    /// Nothing yet, and why.
    NotYet(String),
}

impl<P: Platform> Visit<'_, P> {
    /// Asks the pool for a render, and waits for it as long as a visitor may be made to.
    ///
    /// # Errors
    /// [`Defect::Paint`], when two origins agree that it cannot be painted at all.
    pub(super) async fn escalate(
        &self,
        known: &Known,
        state: &State,
        variant: &Variant,
        picture: &Picture,
        priority: Priority,
    ) -> Result<Brought, Fault> {
        let now_ms = self.platform.now().millis();
        let patience = match priority {
            Priority::Visitor => self.isolate.settings.patience_ms,
            Priority::Ahead => limits::PATIENCE_MS,
        };
        if !self.isolate.await_render(&picture.key, now_ms, now_ms + limits::ESCALATION_MS) {
            return Ok(self.look_for(&picture.key, patience).await);
        }
        let is_live = matches!(picture.about.state, Pinned::Live(_));
        let escalation = Escalation {
            platform: self.platform.clone(),
            isolate: Arc::clone(self.isolate),
            key: picture.key,
            trail: is_live.then(|| interim::trail(known, variant)),
            priority,
            style: Arc::clone(&known.style),
            render: Render {
                style: known.style.cid,
                seed: known.seed,
                state: state.clone(),
                variant: *variant,
            },
        };
        let asking = Box::pin(escalation.bring());
        let sleep = core::pin::pin!(self.platform.sleep(patience));
        match future::select(asking, sleep).await {
            Either::Left((Ok(body), _)) => Ok(Brought::Picture(body)),
            Either::Left((Err(Fault::Short(Short::Origins(why))), _)) => Ok(Brought::NotYet(why)),
            Either::Left((Err(fault), _)) => Err(fault),
            Either::Right(((), asking)) => {
                self.platform.defer(Box::pin(async { drop(asking.await) }));
                Ok(Brought::NotYet(format!("not within {patience} ms")))
            }
        }
    }

    /// Waits for what another request of this isolate has asked for.
    async fn look_for(&self, key: &RenderKey, patience: u64) -> Brought {
        let until = self.platform.now().millis() + patience;
        // The clock may be set back meanwhile: what was slept counts as well.
        let mut left = patience;
        loop {
            if let Some(body) = self.isolate.render(key) {
                return Brought::Picture(body);
            }
            let now = self.platform.now().millis();
            if now >= until || left == 0 || !self.isolate.is_awaited(key) {
                return Brought::NotYet("another request is waiting for it".into());
            }
            let look = LOOK_MS.min(until - now).min(left);
            self.platform.sleep(look).await;
            left -= look;
        }
    }
}

/// One render that origins are asked for. It borrows nothing of the request, which may be over before it is.
struct Escalation<P> {
    platform: P,
    isolate: Arc<Isolate>,
    render: Render,
    /// The style of the render: its blocks are all that an origin may want.
    style: Arc<Style>,
    priority: Priority,
    key: RenderKey,
    /// Where to note that it was shown, unless it was asked for by name.
    trail: Option<RenderKey>,
}

/// Why an attempt brought nothing, with a reason for the log.
enum Miss {
    /// The origin could not make the picture; another one may.
    Refused(Refusal, String),
    /// This origin did not bring it.
    Failed(String),
}

impl Miss {
    fn reason(&self) -> &str {
        match self {
            Self::Refused(_, why) | Self::Failed(why) => why,
        }
    }
}

impl<P: Platform> Escalation<P> {
    /// Brings the render into the tiers.
    async fn bring(self) -> Result<Bytes, Fault> {
        let wait = Wait { isolate: &self.isolate, key: self.key };
        let body = self.ask().await.inspect_err(|fault| {
            self.platform.log(Level::Warn, format_args!("render {}: {}", self.key, super::reason(fault)));
        })?;
        let format = self.render.variant.format;
        self.isolate.keep_render(self.key, body.clone());
        self.platform.keep(&self.key, stored_render::seal(&self.key, format, &body));
        if let Some(trail) = self.trail
            && self.isolate.note_shown(trail, self.key)
        {
            self.platform.keep(&trail, stored_render::seal(&trail, format, self.key.0.as_slice()));
        }
        drop(wait);
        Ok(body)
    }

    /// Asks one origin; another one when that fails, or takes long, and the budgets allow it.
    async fn ask(&self) -> Result<Bytes, Fault> {
        let pool = &self.isolate.pool;
        let now = self.platform.now().0;
        let until = now + limits::ESCALATION_MS * 1000;
        let mut tried = pool.refused_by(&self.key, now);
        if tried.len() > 1 {
            return Err(Short::Origins("two origins could not make it a moment ago".into()).into());
        }
        let mut running = FuturesUnordered::new();
        let mut why = String::from("none can be asked just now");
        let choose = |tried: &mut Vec<usize>, extra: Option<Extra>| {
            let now = self.platform.now().0;
            let sent = if now < until { pool.choose(&self.key, now, tried)? } else { return None };
            if extra.is_some_and(|extra| !pool.may(extra)) {
                pool.done(sent, now, 0, Outcome::Dropped);
                return None;
            }
            tried.push(sent.member);
            Some(sent)
        };
        let first = choose(&mut tried, None);
        running.extend(first.map(|sent| self.attempt(sent, until)));
        // Where nobody waits, a second render is for nobody.
        let hedged = first.filter(|_| self.priority == Priority::Visitor);
        let mut hedge = hedged.map(|sent| Box::pin(self.platform.sleep(pool.hedge_after(sent) / 1000)));
        loop {
            let hedging: OptionFuture<_> = hedge.as_mut().into();
            let hedging = core::pin::pin!(async {
                match hedging.await {
                    Some(()) => {}
                    None => future::pending().await,
                }
            });
            match future::select(running.next(), hedging).await {
                Either::Left((Some((_, Ok(body))), _)) => {
                    pool.note_made(&self.key, self.platform.now().0);
                    return Ok(body);
                }
                Either::Left((Some((sent, Err(miss))), _)) => {
                    let verdict = match &miss {
                        Miss::Refused(refusal, _) => {
                            pool.note_refusal(&self.key, sent, *refusal, self.platform.now().0)
                        }
                        Miss::Failed(_) => Verdict::AskAnother,
                    };
                    self.complain_of(sent, miss.reason());
                    why = miss.reason().to_string();
                    match verdict {
                        Verdict::Unpaintable => return Err(Defect::Paint(why).into()),
                        Verdict::NotNow => {}
                        Verdict::AskAnother => {
                            let retry = choose(&mut tried, Some(Extra::Retry));
                            running.extend(retry.map(|sent| self.attempt(sent, until)));
                        }
                    }
                }
                Either::Left((None, _)) => return Err(Short::Origins(why).into()),
                Either::Right(((), _)) => {
                    hedge = None;
                    let beside = choose(&mut tried, Some(Extra::Hedge));
                    running.extend(beside.map(|sent| self.attempt(sent, until)));
                }
            }
        }
    }

    /// Tells the operator what is wrong with an origin, unless that was the last thing said of it.
    fn complain_of(&self, sent: Sent, why: &str) {
        if self.isolate.is_news(&format!("origin/{}", self.isolate.pool.url(sent.member)), why) {
            self.platform.log(Level::Warn, format_args!("origin {why}"));
        }
    }

    /// One origin, blocks of the style included where it wants them.
    async fn attempt(&self, sent: Sent, until: u64) -> (Sent, Result<Bytes, Miss>) {
        let mut attempt =
            Attempt { asking: self, sent, since: self.platform.now().0, outcome: Outcome::Dropped };
        let until = attempt.since + part(until.saturating_sub(attempt.since), ATTEMPT);
        let brought = self.rounds(sent.member, until).await;
        attempt.outcome = match &brought {
            Ok((_, load)) => Outcome::Answered(*load),
            Err((_, outcome)) => *outcome,
        };
        (sent, brought.map(|(body, _)| body).map_err(|(miss, _)| miss))
    }

    async fn rounds(&self, member: usize, until: u64) -> Result<(Bytes, u8), (Miss, Outcome)> {
        let url = self.isolate.pool.url(member);
        let failed = |why: String| (Miss::Failed(format!("{url}: {why}")), Outcome::Failed);
        let mut sent_blocks = BTreeSet::new();
        for _ in 0..limits::BLOCK_ROUNDS {
            let errand = Errand::Render(self.render.clone(), self.priority);
            let answer = self.send(member, errand, Bytes::new(), until).await.map_err(failed)?;
            let said = || format!("{url}: answers {}: {}", answer.status, excerpt(&answer.body));
            match answer.status {
                StatusCode::OK => {
                    self.check(&answer).map_err(failed)?;
                    return Ok((answer.body, answer.load));
                }
                StatusCode::PRECONDITION_REQUIRED => {
                    let blocks =
                        order::wanted(&answer.body).ok_or_else(|| failed("wants no blocks".into()))?;
                    for block in blocks {
                        self.check_wanted(&block, &mut sent_blocks).map_err(failed)?;
                        self.send_block(member, block, until).await.map_err(failed)?;
                    }
                }
                StatusCode::UNPROCESSABLE_ENTITY => {
                    return Err((Miss::Refused(Refusal::Unpaintable, said()), Outcome::Refused));
                }
                StatusCode::INTERNAL_SERVER_ERROR => {
                    // A picture on which another machine has failed too says nothing of this one.
                    let others = self.isolate.pool.refused_by(&self.key, self.platform.now().0);
                    let alone = others.iter().all(|other| *other == member);
                    let outcome = if alone { Outcome::Failed } else { Outcome::Refused };
                    return Err((Miss::Refused(Refusal::MachineFault, said()), outcome));
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    let rest = answer.retry_after_ms.unwrap_or_default();
                    return Err((Miss::Failed(said()), Outcome::Busy(rest)));
                }
                _ => return Err((Miss::Failed(said()), Outcome::Failed)),
            }
        }
        Err(failed("wants blocks again and again".into()))
    }

    /// Whether an answer is the picture that was asked for, by all that can be seen without decoding it.
    fn check(&self, answer: &Answer) -> Result<(), String> {
        if !answer.is_picture(&self.key) {
            return Err("the answer is not the picture that was asked for".into());
        }
        let variant = &self.render.variant;
        if answer.media_type != variant.format.media_type() {
            return Err(format!("the answer is of the type {:?}", answer.media_type));
        }
        picture_file::check(&answer.body, variant).map_err(|why| why.to_string())
    }

    /// Whether an origin may have this block: one of the style's, and once in each attempt.
    fn check_wanted(&self, cid: &Cid, sent: &mut BTreeSet<Cid>) -> Result<(), String> {
        let of_style =
            *cid == self.style.cid || self.style.manifest.files.iter().any(|file| file.blocks.contains(cid));
        match of_style && sent.insert(*cid) {
            true => Ok(()),
            false if of_style => Err(format!("wants block {cid} a second time")),
            false => Err(format!("wants block {cid}, which is none of the style's")),
        }
    }

    async fn send_block(&self, member: usize, cid: Cid, until: u64) -> Result<(), String> {
        let block = self.platform.record(&record_keys::block(&cid)).await.map_err(|why| format!("{why}"))?;
        let block = block.ok_or_else(|| format!("block {cid} is wanted, and not here"))?;
        let answer = self.send(member, Errand::Block(cid), block.into(), until).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(format!("block {cid}: answers {}: {}", answer.status, excerpt(&answer.body))),
        }
    }

    /// Sends an order; once more where the origin says that it was dated by a wrong clock.
    async fn send(&self, member: usize, errand: Errand, body: Bytes, until: u64) -> Result<Answer, String> {
        let answer = self.send_once(member, errand.clone(), body.clone(), until).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED if answer.time_ms.is_some() => {
                self.send_once(member, errand, body, until).await
            }
            _ => Ok(answer),
        }
    }

    async fn send_once(
        &self,
        member: usize,
        errand: Errand,
        body: Bytes,
        until: u64,
    ) -> Result<Answer, String> {
        let now = self.platform.now();
        let left = until.saturating_sub(now.0) / 1000;
        if left == 0 {
            return Err("no time is left".into());
        }
        let pool = &self.isolate.pool;
        let url = pool.url(member);
        let (method, url) = match &errand {
            Errand::Render(..) => (Method::POST, format!("{url}{}", order::RENDER_PATH)),
            Errand::Block(cid) => (Method::PUT, format!("{url}{}{cid}", order::BLOCKS_PATH)),
        };
        let edge = self.isolate.settings.edge_key.as_ref().ok_or("edge_key is not set")?;
        let order = Order {
            errand,
            origins: pool.key_ids(member),
            sent_ms: pool.on_clock_of(member, now.millis()),
            clock_ms: now.millis(),
            within_ms: part(left, HOP).min(limits::ORDER_MS),
            nonce: self.platform.nonce(),
        };
        let request =
            Request::builder().method(method).uri(url).header(header::AUTHORIZATION, order.seal(edge)?);
        let request = request.body(body).map_err(|why| format!("{why}"))?;
        let answer = self.platform.fetch(request, left).await?;
        let status = answer.status();
        let answer = Answer::open(answer, order.nonce, pool.keys(member))
            .map_err(|why| format!("answers {status}: {why}"))?;
        if let Some(theirs) = answer.time_ms {
            let ahead = pool.note_clock(member, now.millis(), self.platform.now().millis(), theirs);
            self.compare_clocks(member, ahead);
        }
        Ok(answer)
    }

    /// Tells the operator when the clocks differ by so much that somebody should look.
    fn compare_clocks(&self, member: usize, ahead_ms: i64) {
        let url = self.isolate.pool.url(member);
        let about = format!("clock/{url}");
        if ahead_ms.unsigned_abs() < limits::CLOCK_WARNING_MS {
            return self.isolate.note_good(&about);
        }
        let (seconds, way) =
            (ahead_ms.unsigned_abs() / 1000, if ahead_ms > 0 { "behind" } else { "ahead of" });
        let complaint = format!("this edge's clock is {seconds} s {way} that of the origin {url}");
        if self.isolate.is_news(&about, &complaint) {
            self.platform.log(Level::Warn, format_args!("{complaint}; orders are dated by the origin's"));
        }
    }
}

/// The beginning of what an origin says, fit for a line of a log.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(limits::REASON_BYTES)]);
    text.trim_end().escape_debug().to_string()
}

/// A part of a time, at least 1.
fn part(time: u64, (numerator, denominator): (u64, u64)) -> u64 {
    (time * numerator / denominator).max(1)
}

/// An attempt under way. However it ends, the pool learns of it.
struct Attempt<'a, P: Platform> {
    asking: &'a Escalation<P>,
    sent: Sent,
    since: u64,
    outcome: Outcome,
}

impl<P: Platform> Drop for Attempt<'_, P> {
    fn drop(&mut self) {
        let now = self.asking.platform.now().0;
        self.asking.isolate.pool.done(self.sent, now, now.saturating_sub(self.since), self.outcome);
    }
}

/// The one request of an isolate that asks. However it ends, another one may ask then.
struct Wait<'a> {
    isolate: &'a Isolate,
    key: RenderKey,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.isolate.end_wait(&self.key);
    }
}
