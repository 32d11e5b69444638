//! What is shown while an origin still makes the right picture: never a loading state.
//!
//! In this order: the same state at another size, the token's last state, a preview with fewer pixels. None of them is
//! kept under a key.

use alloc::{string::String, vec::Vec};

use alloy_primitives::keccak256;
use bytes::Bytes;

use super::{Known, Visit};
use crate::{
    fault::{Defect, Fault, Short},
    platform::Platform,
    reply::{Answer, Interim, Picture, Pinned},
};
use iridule_records::{gauge::State, render_key::RenderKey, stored_render};
use iridule_scene::variant::{Asked, Format, LADDER, Variant};
use iridule_style::{
    limits,
    manifest::Manifest,
    plan::{self, plan},
};

/// How many sizes are looked for beyond the isolate.
const STORED_SIZES: usize = 2;

/// Where it is noted which render was shown last of a token in one style and variant: a key that no picture has.
pub(super) fn trail(known: &Known, variant: &Variant) -> RenderKey {
    let word = variant.word().to_be_bytes::<32>();
    let domain = keccak256(b"iridule trail v1");
    RenderKey(keccak256([domain.0, known.style.digest.0, known.seed.0.0, word].as_flattened()))
}

impl<P: Platform> Visit<'_, P> {
    /// The best there is to look at in place of this picture, which was not brought for this reason.
    ///
    /// # Errors
    /// [`Short::Origins`], when there is nothing at all.
    pub(super) async fn interim(
        &self,
        known: &Known,
        state: &State,
        variant: &Variant,
        picture: Picture,
        why: String,
    ) -> Result<Answer, Fault> {
        if let Some((format, body)) = self.other_size(known, state, variant).await {
            return Ok(Answer::Interim(picture, Interim::Size, format, body));
        }
        if matches!(picture.about.state, Pinned::Live(_))
            && let Some(body) = self.last_state(known, variant).await
        {
            return Ok(Answer::Interim(picture, Interim::State, variant.format, body));
        }
        match self.preview(known, state, variant).await {
            Ok(Some((format, body))) => Ok(Answer::Interim(picture, Interim::Preview, format, body)),
            Ok(None) => Err(Short::Origins(why).into()),
            Err(defect @ Fault::Defect(Defect::Style { .. } | Defect::Paint(_) | Defect::Crashed(_))) => {
                Err(defect)
            }
            Err(fault) => Err(Short::Origins(alloc::format!("{why}; {fault}")).into()),
        }
    }

    /// The same state at the canvas's own size, or at a step of the ladder: the larger ones first.
    async fn other_size(&self, known: &Known, state: &State, variant: &Variant) -> Option<(Format, Bytes)> {
        let canvas = known.style.manifest.canvas.canvas();
        let resolve = |asked: &Asked, format| Variant::resolve(asked, format, &canvas).ok();
        let at = |side: u16, format| {
            let height = u32::from(side) * u32::from(variant.height) / u32::from(variant.width).max(1);
            let asked = Asked {
                width: Some(side.into()),
                height: Some(height.clamp(1, limits::SIDE)),
                fit: Some(variant.fit),
                quality: (variant.quality > 0).then_some(variant.quality),
                dpr: None,
            };
            resolve(&asked, format)
        };
        let formats = [variant.format, Format::Png];
        let sizes = LADDER.iter().rev().flat_map(|side| formats.map(|format| at(*side, format)));
        let master = formats.map(|format| resolve(&Asked::default(), format));
        let mut others: Vec<Variant> = Vec::new();
        for other in master.into_iter().chain(sizes).flatten() {
            if other != *variant && other.pixels() <= limits::EDGE_PIXELS && !others.contains(&other) {
                others.push(other);
            }
        }
        let epoch = state.epoch();
        let key = |other: &Variant| {
            let painter = plan(&known.style.manifest, other).painter();
            RenderKey::of(&known.style.digest, &known.seed, &epoch, painter, other)
        };
        if let Some(found) = others.iter().find_map(|o| Some((o.format, self.isolate.render(&key(o))?))) {
            return Some(found);
        }
        for other in others.iter().take(STORED_SIZES) {
            if let Some((_, body)) = self.look_up(&key(other), other.format).await {
                return Some((other.format, body));
            }
        }
        None
    }

    /// What was shown last of this token in this variant.
    async fn last_state(&self, known: &Known, variant: &Variant) -> Option<Bytes> {
        let trail = trail(known, variant);
        let last = match self.isolate.shown(&trail) {
            Some(last) => last,
            None => {
                let stored = self.platform.recall(&trail).await?;
                let key = stored_render::open(&trail, variant.format, &stored)?;
                let last = RenderKey(<[u8; 32]>::try_from(&key[..]).ok()?.into());
                self.isolate.note_shown(trail, last);
                last
            }
        };
        Some(self.look_up(&last, variant.format).await?.1)
    }

    /// The picture painted small enough to be cheap, and brought to its size where that is cheap too.
    async fn preview(
        &self,
        known: &Known,
        state: &State,
        variant: &Variant,
    ) -> Result<Option<(Format, Bytes)>, Fault> {
        let Some(small) = preview_size(&known.style.manifest, variant) else { return Ok(None) };
        let small = self.paint(known, state, &small).await?;
        let mut shown = variant.by_edge();
        while shown.pixels() > limits::PREVIEW_PIXELS {
            (shown.width, shown.height) = ((shown.width / 2).max(1), (shown.height / 2).max(1));
        }
        let body = self.resize(known, state, &small, &shown).await?;
        Ok(Some((shown.format, body)))
    }
}

/// The largest lossless size of the canvas that is cheap to paint; the smallest of all, where that is not, as long as an
/// edge may paint it.
fn preview_size(manifest: &Manifest, variant: &Variant) -> Option<Variant> {
    let canvas = manifest.canvas.canvas();
    let sizes = LADDER.iter().rev().filter_map(|side| {
        let asked = Asked { width: Some((*side).into()), ..Asked::default() };
        Variant::resolve(&asked, Format::Png, &canvas).ok()
    });
    let within = |most: u64| {
        move |size: &Variant| size.pixels() <= variant.pixels() && plan::cost(manifest, size) <= most
    };
    let smallest = || sizes.clone().next_back().filter(within(limits::EDGE_COST));
    sizes.clone().find(within(limits::PREVIEW_COST)).or_else(smallest)
}
