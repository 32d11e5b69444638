//! Which collections the places have: asked again and again, in a task of its own.

use std::time::Duration;

use iridule_publish::{Address, Place};
use iridule_records::signed::TrustedKeys;
use tokio::sync::watch;

use crate::book::Panel;

/// How often the places are asked which collections they have.
const PANELS: Duration = Duration::from_secs(10);

/// Keeps asking the places which collections they have.
///
/// Until every place has answered once, nothing that was watched before is dropped: a place that is down still has its
/// collections.
pub(crate) async fn watch_panels(
    places: Vec<(Address, String)>,
    publishers: TrustedKeys,
    known: Vec<Panel>,
    tell: watch::Sender<Option<Vec<Panel>>>,
) {
    let mut answers: Vec<Option<Vec<Panel>>> = vec![None; places.len()];
    loop {
        let asked = places.iter().map(async |(address, token)| {
            let place = Place::open(address, token).await?;
            place.panels(&publishers).await
        });
        let now = futures_util::future::join_all(asked).await;
        for ((slot, now), (address, _)) in answers.iter_mut().zip(now).zip(&places) {
            match now {
                Ok(panels) => {
                    let panel = |(slug, gauges)| Panel { slug, gauges };
                    *slot = Some(panels.into_iter().map(panel).collect());
                }
                Err(why) => tracing::debug!(%address, %why, "its collections are not known"),
            }
        }
        if answers.iter().any(Option::is_some) {
            let unheard = answers.iter().any(Option::is_none);
            let mut all: Vec<Panel> = answers.iter().flatten().flatten().cloned().collect();
            all.extend(known.iter().filter(|_| unheard).cloned());
            all.sort_by(|a, b| a.slug.cmp(&b.slug));
            let mut different: Vec<Panel> = Vec::new();
            for panel in all {
                if !different.contains(&panel) {
                    different.push(panel);
                }
            }
            tell.send_replace(Some(different));
        }
        tokio::select! {
            () = tokio::time::sleep(PANELS) => {}
            () = tell.closed() => return,
        }
    }
}
