//! A worker thread: takes jobs from the queue and has each painted in a child process.
//!
//! Each worker has its own child process, which caches the styles that it has painted. For edges, a child that is killed is
//! a failure of this machine: another origin may have more time or memory. Edges treat a picture as unpaintable when two
//! origins fail on it.

use std::{sync::atomic::Ordering, time::Instant};

use bytes::Bytes;
use cid::Cid;
use iridule_records::render_key::RenderKey;
use iridule_sandbox::{SandboxError, Session};

use crate::{
    clocks::now_ms,
    outcome::{RenderFailure, RenderResult, RenderedPicture},
    paint_job::{PaintJob, PaintReply, PaintRequest},
    painter::{DeviceReport, PaintedBy},
    shared::{OriginState, PaintTask},
};

/// How many times a child may request blocks for one picture: for the manifest, for the files of every token, for the
/// token's own files, and once more.
const MAX_BLOCK_ROUNDS: usize = 4;

/// Runs jobs from the queue until it is closed and empty, in a child process of this worker's own.
pub(crate) fn run_worker(shared: &OriginState, runtime: &tokio::runtime::Handle) {
    let mut session = None;
    while let Some((key, job)) = shared.queue.next(now_ms) {
        let started = Instant::now();
        let (done, took) = match shared.store.cached_render(&key) {
            // The same picture was requested just when it was finished.
            Some(body) => (Ok(RenderedPicture { body, by: PaintedBy::Cpu }), None),
            None => {
                let done = runtime.block_on(render(shared, &mut session, &key, &job));
                let took = done.is_ok().then(|| started.elapsed().as_secs_f64() * 1e3);
                (done, took)
            }
        };
        match &done {
            Ok(_) | Err(RenderFailure::Missing(_)) => {}
            Err(RenderFailure::Unpaintable(why)) => {
                shared.metrics.unpaintable.inc();
                tracing::warn!(%key, style = %job.render.style, ?why, "it cannot be painted");
            }
            Err(RenderFailure::Machine(why)) => {
                shared.metrics.faults.inc();
                shared.recent_failures.note(&key, why);
                tracing::error!(%key, style = %job.render.style, ?why, "the painter failed");
            }
            Err(RenderFailure::Store(why)) => tracing::warn!(%key, ?why, "the style cannot be read"),
        }
        shared.queue.finish(&key, &done, took);
    }
}

async fn render(
    shared: &OriginState,
    session: &mut Option<Session>,
    key: &RenderKey,
    job: &PaintTask,
) -> RenderResult {
    let started = Instant::now();
    let session = match session {
        Some(session) => session,
        None => {
            let new =
                shared.sandbox.session().await.map_err(|why| RenderFailure::Machine(why.to_string()))?;
            session.insert(new)
        }
    };
    let (body, by, found) = paint(shared, session, job).await?;
    if let Some(found) = found {
        shared.devices.store(found.used.len(), Ordering::Relaxed);
        tracing::info!(devices = ?found.used, refused = ?found.refused, "shaders run on");
    }
    shared.metrics.seconds.observe(started.elapsed().as_secs_f64());
    match &by {
        PaintedBy::Fallback(why) => {
            tracing::warn!(%key, why, "painted on the CPU instead");
            shared.metrics.rendered("fallback");
        }
        by => shared.metrics.rendered(by.word()),
    }
    shared.store.cache_render(key, body.clone());
    let (store, key, format, stored) = (shared.store.clone(), *key, job.render.variant.format, body.clone());
    tokio::spawn(async move {
        if let Err(why) = store.put_render(&key, format, &stored).await {
            tracing::warn!(%key, %why, "a render is not kept");
        }
    });
    Ok(RenderedPicture { body, by })
}

/// Paints a picture in the worker's child. Returns it with the devices that the child found, if it has looked for them just
/// now.
async fn paint(
    shared: &OriginState,
    session: &mut Session,
    job: &PaintTask,
) -> Result<(Bytes, PaintedBy, Option<DeviceReport>), RenderFailure> {
    let mut request = PaintRequest::new(&job.render, shared.device_policy);
    let limits = shared.sandbox.limits();
    for _ in 0..MAX_BLOCK_ROUNDS {
        let wanted = match session.run::<PaintJob>(&request, limits).await {
            Ok(PaintReply::Picture { file, by, found }) => return Ok((file.into_vec().into(), by, found)),
            Ok(PaintReply::Wants(wanted)) => wanted,
            Err(SandboxError::Job(why)) => return Err(RenderFailure::Unpaintable(why)),
            Err(why) => return Err(RenderFailure::Machine(why.to_string())),
        };
        let wanted: Result<Vec<Cid>, _> = wanted.iter().map(|name| Cid::read_bytes(&name[..])).collect();
        let wanted = wanted.map_err(|why| RenderFailure::Machine(why.to_string()))?;
        request = request.with(blocks(shared, job, &wanted).await?);
    }
    Err(RenderFailure::Machine("the painter wants blocks again and again".into()))
}

/// Reads blocks of the job's style. Returns all of them, or the names of those that are missing.
async fn blocks(
    shared: &OriginState,
    job: &PaintTask,
    wanted: &[Cid],
) -> Result<Vec<(Cid, Bytes)>, RenderFailure> {
    let (mut blocks, mut missing) = (Vec::new(), Vec::new());
    for cid in wanted {
        if !job.style.has(cid) {
            return Err(RenderFailure::Machine(format!(
                "the painter wants {cid}, which is none of the style's"
            )));
        }
        match shared.store.block(cid).await.map_err(|why| RenderFailure::Store(why.to_string()))? {
            Some(block) if missing.is_empty() => blocks.push((*cid, block)),
            Some(_) => {}
            None => missing.push(*cid),
        }
    }
    if missing.is_empty() { Ok(blocks) } else { Err(RenderFailure::Missing(missing)) }
}
