//! What a request reads on its way: collections, styles, snapshots, blocks.
//!
//! The rule is one for all: what cannot be read or is refused leaves the last good one in force, and the operator is told
//! once.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use iridule_records::block;

use bytes::Bytes;
use cid::Cid;

use super::{Visit, reason};
use crate::{
    fault::{Defect, Fault, Refused, Short},
    isolate::Held,
    limits,
    platform::{Level, Platform},
};
use iridule_records::{
    collection::Collection, record_keys, signed::RecordRefused, snapshot::Snapshot, token::TokenRecord,
};
use iridule_style::{manifest::File, manifest::Manifest, style::Style};

impl<P: Platform> Visit<'_, P> {
    pub(super) async fn collection(&self, slug: &str) -> Result<Arc<Collection>, Fault> {
        let held = self.isolate.collection(slug);
        if let Some(held) = &held
            && self.still_good(Some(held.read_ms))
        {
            return Ok(Arc::clone(&held.value));
        }
        match (self.read_collection(slug, held.as_ref()).await, held) {
            // As with snapshots: what cannot be read or does not decode leaves the last good record in force.
            (Err(fault), Some(held)) if !matches!(fault, Fault::Refused(_)) => {
                self.complain(
                    &record_keys::collection(slug),
                    &format!("collection {slug}: {}; the last good record stays", reason(&fault)),
                );
                if matches!(fault, Fault::Defect(_)) {
                    // What was refused is looked at again after the usual time, like what was believed.
                    let held = Held { read_ms: self.started.millis(), ..held.clone() };
                    self.isolate.keep_collection(slug, held);
                }
                Ok(held.value)
            }
            (read, _) => read,
        }
    }

    async fn read_collection(
        &self,
        slug: &str,
        held: Option<&Held<Arc<Collection>>>,
    ) -> Result<Arc<Collection>, Fault> {
        let key = record_keys::collection(slug);
        let bytes =
            self.platform.record(&key).await?.ok_or_else(|| Refused::UnknownCollection(slug.into()))?;
        let (bytes, value) = match held {
            Some(held) if held.bytes == bytes => (held.bytes.clone(), Arc::clone(&held.value)),
            _ => {
                let record = Collection::open(&bytes, &self.isolate.settings.publisher_keys)
                    .map_err(|why| Defect::Record { key: key.clone(), why: why.to_string() })?;
                let known = held.map(|held| held.value.sequence);
                match known {
                    _ if record.slug != slug => {
                        return Err(Defect::Record { key, why: format!("it is of {}", record.slug) }.into());
                    }
                    Some(known) if record.sequence <= known => {
                        let offered = record.sequence;
                        let why = RecordRefused::NotNewer { offered, known }.to_string();
                        return Err(Defect::Record { key, why }.into());
                    }
                    _ => (bytes.into(), Arc::new(record)),
                }
            }
        };
        let read_ms = self.started.millis();
        self.isolate.keep_collection(slug, Held { read_ms, bytes, value: Arc::clone(&value) });
        self.isolate.note_good(&key);
        Ok(value)
    }

    /// The record of a token, as collections have it whose tokens are recorded. What is refused leaves the last good one.
    pub(super) async fn recorded(&self, slug: &str, number: u64) -> Result<Arc<TokenRecord>, Fault> {
        let key = record_keys::token(slug, number);
        let held = self.isolate.token(&key);
        if let Some(held) = &held
            && self.still_good(Some(held.read_ms))
        {
            return Ok(Arc::clone(&held.value));
        }
        let read = self.platform.record(&key).await;
        let (bytes, value) = match (read, held) {
            (Ok(Some(bytes)), Some(held)) if held.bytes == bytes => (held.bytes, held.value),
            (Ok(Some(bytes)), held) => {
                match (self.open_token(&key, slug, number, &bytes, held.as_ref()), held) {
                    (Ok(value), _) => (bytes.into(), Arc::new(value)),
                    (Err(why), Some(held)) => {
                        self.complain(&key, &format!("record {key} refused: {why}; the last good one stays"));
                        (held.bytes, held.value)
                    }
                    (Err(why), None) => return Err(Defect::Record { key, why }.into()),
                }
            }
            (Err(short), Some(held)) => {
                self.platform.log(Level::Warn, format_args!("{key}: {short}"));
                return Ok(held.value);
            }
            (Err(short), None) => return Err(short.into()),
            (Ok(None), _) => {
                return Err(Refused::UnknownToken { slug: slug.into(), token: number }.into());
            }
        };
        let read_ms = self.started.millis();
        self.isolate.keep_token(&key, Held { read_ms, bytes, value: Arc::clone(&value) });
        Ok(value)
    }

    fn open_token(
        &self,
        key: &str,
        slug: &str,
        number: u64,
        bytes: &[u8],
        held: Option<&Held<Arc<TokenRecord>>>,
    ) -> Result<TokenRecord, String> {
        let record =
            TokenRecord::open(bytes, &self.isolate.settings.trusted_keys).map_err(|why| why.to_string())?;
        if (record.slug.as_str(), record.number) != (slug, number) {
            return Err(format!("it is of {}/{}", record.slug, record.number));
        }
        let known = held.map_or(0, |held| held.value.sequence);
        if record.sequence <= known {
            return Err(RecordRefused::NotNewer { offered: record.sequence, known }.to_string());
        }
        self.isolate.note_good(key);
        Ok(record)
    }

    pub(super) async fn style(&self, cid: &Cid) -> Result<Arc<Style>, Fault> {
        if let Some(style) = self.isolate.style(cid) {
            return Ok(style);
        }
        let now_ms = self.started.millis();
        if self.isolate.is_broken(cid, now_ms) {
            return Err(Short::Style(cid.to_string()).into());
        }
        let loaded = self.load_style(cid).await;
        match &loaded {
            Ok(_) => self.isolate.note_good(&record_keys::block(cid)),
            Err(fault) => {
                self.isolate.note_broken(*cid, now_ms.saturating_add(limits::BROKEN_STYLE_MS));
                self.complain(
                    &record_keys::block(cid),
                    &format!("style {cid} not loaded: {}", reason(fault)),
                );
            }
        }
        loaded
    }

    async fn load_style(&self, cid: &Cid) -> Result<Arc<Style>, Fault> {
        let defect = |why: String| Defect::Style { style: cid.to_string(), why };
        let manifest = self.manifest(cid).await?;
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for file in manifest.loaded() {
            files.push((file.path.clone(), self.file(file).await?));
        }
        let contents =
            |path: &str| files.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes.clone());
        let loading = self.risk(format!("style/{cid}")).await?;
        let style = Style::load(*cid, manifest, contents);
        self.platform.end_risk(&loading).await;
        let style = Arc::new(style.map_err(defect)?);
        self.isolate.keep_style(&style);
        Ok(style)
    }

    /// A picture file of a style.
    pub(super) async fn asset(&self, style: &Style, path: &str) -> Result<Bytes, Fault> {
        let file = style.manifest.file_at(path).ok_or_else(|| Defect::Style {
            style: style.cid.to_string(),
            why: format!("{path} is not among its files"),
        })?;
        if let Some(held) = self.isolate.asset(&file.blocks) {
            return Ok(held);
        }
        let bytes = Bytes::from(self.file(file).await?);
        self.isolate.keep_asset(&file.blocks, bytes.clone());
        Ok(bytes)
    }

    pub(super) async fn manifest(&self, cid: &Cid) -> Result<Manifest, Fault> {
        let defect = |why: String| Defect::Style { style: cid.to_string(), why };
        Ok(Manifest::decode(&self.block(cid).await?).map_err(defect)?)
    }

    async fn file(&self, file: &File) -> Result<Vec<u8>, Fault> {
        // Of the size that the manifest says, so that no copy is made as it grows.
        let size = usize::try_from(file.size.min(limits::FILE_BYTES)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(size);
        for cid in &file.blocks {
            bytes.extend_from_slice(&self.block(cid).await?);
            if bytes.len() as u64 > file.size {
                break;
            }
        }
        if bytes.len() as u64 != file.size {
            let why = format!("{} bytes instead of {}", bytes.len(), file.size);
            return Err(Defect::Record { key: file.path.clone(), why }.into());
        }
        Ok(bytes)
    }

    /// A block of a style, checked against its name.
    pub(super) async fn block(&self, cid: &Cid) -> Result<Vec<u8>, Fault> {
        let key = record_keys::block(cid);
        let bytes = self.platform.record(&key).await?.ok_or_else(|| Short::Block(cid.to_string()))?;
        block::verify(cid, &bytes).map_err(|why| Defect::Record { key, why })?;
        Ok(bytes)
    }

    /// The snapshot in force, after looking whether there is a newer one. A store that does not answer, or a record
    /// that is refused, leaves the one before in force. One that has expired is taken where there is nothing better.
    pub(super) async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let held = self.isolate.snapshot();
        if self.still_good(held.read_ms) {
            return held.snapshot;
        }
        let bytes = match self.platform.record(record_keys::SNAPSHOT).await {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(short) => {
                self.platform.log(Level::Warn, format_args!("snapshot: {short}"));
                return held.snapshot;
            }
        };
        let read_ms = self.started.millis();
        if held.snapshot.is_some() && bytes == held.bytes {
            self.isolate.keep_snapshot(read_ms, held.bytes, None);
            return held.snapshot;
        }
        let newest = self.open_snapshot(record_keys::SNAPSHOT, &bytes, held.snapshot.as_ref());
        if newest.is_some() || held.snapshot.is_some() {
            // What was refused is not remembered: it may have been refused for the moment only (a clock that is behind).
            let seen = if newest.is_some() { bytes.into() } else { held.bytes };
            self.isolate.keep_snapshot(read_ms, seen, newest);
        } else if let Ok(Some(previous)) = self.platform.record(record_keys::PREVIOUS_SNAPSHOT).await {
            let previous = self.open_snapshot(record_keys::PREVIOUS_SNAPSHOT, &previous, None);
            self.isolate.keep_snapshot(read_ms, Bytes::new(), previous);
        }
        self.isolate.snapshot().snapshot
    }

    fn open_snapshot(&self, key: &str, bytes: &[u8], known: Option<&Arc<Snapshot>>) -> Option<Arc<Snapshot>> {
        if bytes.is_empty() {
            return None;
        }
        let opened = Snapshot::open(bytes, &self.isolate.settings.trusted_keys, self.started.millis());
        let now = self.started.millis();
        let newer = opened.and_then(|snapshot| match known {
            Some(known) if snapshot.sequence < known.sequence => {
                Err(RecordRefused::NotNewer { offered: snapshot.sequence, known: known.sequence })
            }
            Some(known) if snapshot.expires <= now && known.expires > now => {
                Err(RecordRefused::Expired(now - snapshot.expires))
            }
            _ => Ok(snapshot),
        });
        match newer {
            Ok(snapshot) => {
                self.isolate.note_good(key);
                Some(Arc::new(snapshot))
            }
            Err(why) => {
                self.complain(key, &format!("record {key} refused: {why}"));
                None
            }
        }
    }

    /// Whether what was read then need not be read again. Read in the future, by a clock that was set back since, it must.
    fn still_good(&self, read_ms: Option<u64>) -> bool {
        let refresh = self.isolate.settings.refresh_ms;
        let age = read_ms.and_then(|read| self.started.millis().checked_sub(read));
        age.is_some_and(|age| age < refresh)
    }
}
