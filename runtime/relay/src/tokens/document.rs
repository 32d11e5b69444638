//! A token's document, from what the contract answers to the style of its picture: worked on in a sandbox.
//!
//! A document comes from whoever wrote the contract, and everything that is done with it (JSON, base64, XML, painting) can
//! be made to take longer or more memory than there is. So none of it happens in the relay's own process.

use std::time::Duration;

use alloy::primitives::{B256, Keccak256};
use iridule_records::{block::Block, seed::Seed, token::RecordedAttribute};
use iridule_sandbox::{
    Job, JobKilled, JobLimits, RegisteredJob, Sandbox, SandboxConfig, SandboxError, SandboxUnavailable,
    WorkerProgram,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{art::Art, mirror};

/// What a relay's sandbox is asked to do; the executable passes it to [`iridule_sandbox::serve_if_asked`].
pub const SANDBOX_JOBS: &[RegisteredJob] = &[RegisteredJob::of::<MirrorDocument>()];

/// Most documents of one collection that are worked on at once: another collection's get their turn.
pub(super) const OF_ONE_COLLECTION: usize = 2;
/// Longest reason that is kept, bytes.
const REASON_BYTES: usize = 400;

/// Turns what a contract answers into a style.
pub(crate) struct MirrorDocument;

/// What a contract says of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    /// What `tokenURI` or `uri` gave.
    pub(crate) uri: String,
    pub(crate) token: u64,
    pub(crate) seed: ByteBuf,
}

/// What becomes of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mirrored {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) attributes: Vec<RecordedAttribute>,
    /// The blocks of the style, the manifest's last.
    blocks: Vec<MirroredBlock>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MirroredBlock {
    cid: cid::Cid,
    bytes: ByteBuf,
}

impl Mirrored {
    /// The style's identity and its blocks; none for a style without blocks, which there is not.
    pub(crate) fn style(self) -> Option<(cid::Cid, Vec<Block>)> {
        let cid = self.blocks.last()?.cid;
        let block = |block: MirroredBlock| Block { cid: block.cid, bytes: block.bytes.into_vec() };
        Some((cid, self.blocks.into_iter().map(block).collect()))
    }
}

impl Job for MirrorDocument {
    const NAME: &'static str = "mirror-document";
    type State = ();
    type Request = Document;
    type Reply = Mirrored;
    type Error = String;

    fn run((): &mut (), document: Document) -> Result<Mirrored, String> {
        let seed = B256::try_from(&document.seed[..]).map_err(|why| why.to_string())?;
        let art = Art::read(&document.uri, document.token)?;
        let package = mirror::style(&art.svg, &Seed(seed))?;
        let block = |block: Block| MirroredBlock { cid: block.cid, bytes: ByteBuf::from(block.bytes) };
        Ok(Mirrored {
            name: art.name,
            description: art.description,
            attributes: art.attributes,
            blocks: package.blocks.into_iter().map(block).collect(),
        })
    }
}

/// Why a document has no style.
#[derive(Debug)]
pub(crate) enum Unmirrored {
    /// It cannot be shown, and cannot be until it changes. [`JobKilled`] when it exceeded a limit.
    Refused { why: String, ended: Option<JobKilled> },
    /// It could not be worked on now.
    Unavailable(SandboxUnavailable),
}

/// Works on documents.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    sandbox: Sandbox,
}

/// The settings of `[documents]` in `relay.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DocumentsFile {
    #[serde(with = "humantime_serde")]
    time: Duration,
    memory_mib: u64,
    workers: usize,
}

impl Default for DocumentsFile {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
        Self {
            time: iridule_sandbox::DEFAULT_TIME,
            memory_mib: iridule_sandbox::DEFAULT_MEMORY >> 20,
            workers,
        }
    }
}

impl Documents {
    /// By what the configuration says, with this executable as the worker.
    pub(crate) fn new(file: &DocumentsFile, program: WorkerProgram) -> Result<Self, String> {
        if file.time.is_zero()
            || !(64..=1 << 20).contains(&file.memory_mib)
            || !(1..=256).contains(&file.workers)
        {
            return Err("time is above 0, memory_mib 64 to 1048576, workers 1 to 256".into());
        }
        let limits = JobLimits::new(file.time, file.memory_mib << 20);
        let workers = file.workers;
        Ok(Self {
            sandbox: Sandbox::new(SandboxConfig { program, workers, limits, ..SandboxConfig::default() }),
        })
    }

    /// What names a document together with the bounds that it was worked on under: a refusal stands for as long as neither
    /// changes.
    pub(crate) fn digest(&self, uri: &str) -> B256 {
        let JobLimits { cpu_time: time, memory, .. } = self.sandbox.limits();
        let mut hash = Keccak256::new();
        hash.update(format!("{} {} {memory}\n", env!("CARGO_PKG_VERSION"), time.as_millis()));
        hash.update(uri);
        hash.finalize()
    }

    pub(crate) async fn mirror(&self, uri: String, token: u64, seed: &Seed) -> Result<Mirrored, Unmirrored> {
        let document = Document { uri, token, seed: ByteBuf::from(seed.0.to_vec()) };
        let refused = |why: String, ended| {
            let why = why[..why.floor_char_boundary(REASON_BYTES)].to_owned();
            Unmirrored::Refused { why, ended }
        };
        self.sandbox.run::<MirrorDocument>(&document).await.map_err(|why| match why {
            SandboxError::Job(why) => refused(why, None),
            SandboxError::Killed(ended) => refused(format!("its document was refused: {ended}"), Some(ended)),
            SandboxError::Unavailable(why) => Unmirrored::Unavailable(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Instant};

    use iridule_sandbox::ExceededLimit;

    use super::*;

    #[test]
    fn sandbox_worker() {
        iridule_sandbox::serve_if_asked(SANDBOX_JOBS.iter().copied());
    }

    /// Documents that are worked on by the test above, within little time.
    fn documents() -> Documents {
        let file = DocumentsFile { time: Duration::from_secs(2), memory_mib: 256, workers: 2 };
        Documents::new(&file, WorkerProgram::this_test("tokens::document::tests::sandbox_worker")).unwrap()
    }

    /// What a contract answers, with this SVG in it.
    fn uri(svg: &str) -> String {
        format!("data:application/json,{}", serde_json::json!({"name": "N", "image": svg}))
    }

    #[tokio::test]
    async fn a_document_becomes_a_style_in_the_sandbox() {
        let mirrored = documents()
            .mirror(uri("<svg xmlns='http://www.w3.org/2000/svg'/>"), 7, &Seed(B256::ZERO))
            .await
            .unwrap();
        assert_eq!(mirrored.name.as_deref(), Some("N"));
        let (cid, blocks) = mirrored.style().unwrap();
        assert_eq!(blocks.last().unwrap().cid, cid);
        assert!(blocks.len() >= 2);
    }

    #[tokio::test]
    async fn documents_that_stall_nest_or_multiply_are_refused_with_a_reason_in_time() {
        let declarations = (0..3000).fold(String::new(), |mut all, number| {
            let _ = write!(all, " xmlns:n{number}='urn:n{number}'");
            all
        });
        assert!(declarations.len() > 65_000);
        let documents = documents();
        for (svg, why) in [
            (format!("<svg xmlns='http://www.w3.org/2000/svg'{declarations}/>"), "namespaces"),
            (format!("<svg>{}", "<g>".repeat(300_000)), "nested"),
            (format!("<svg>{}", "<a b='c' ".repeat(60_000)), "more than 256 attributes"),
            ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>".into(), "no XML"),
        ] {
            let started = Instant::now();
            match documents.mirror(uri(&svg), 7, &Seed(B256::ZERO)).await {
                Err(Unmirrored::Refused { why: said, ended: None }) => assert!(said.contains(why), "{said}"),
                other => panic!("{why}: {other:?}"),
            }
            assert!(started.elapsed() < Duration::from_secs(5), "{why}: {:?}", started.elapsed());
        }
        let deep = format!("data:application/json,{}", "[".repeat(1_000_000));
        let outcome = documents.mirror(deep, 7, &Seed(B256::ZERO)).await;
        assert!(matches!(outcome, Err(Unmirrored::Refused { ended: None, .. })), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_document_over_its_bound_is_refused_with_the_limit_that_it_exceeded() {
        let file = DocumentsFile { time: Duration::from_millis(1), memory_mib: 256, workers: 1 };
        let hurried =
            Documents::new(&file, WorkerProgram::this_test("tokens::document::tests::sandbox_worker"))
                .unwrap();
        let large = "<path d='M1 2 3 4'/>".repeat(15_000);
        let large = uri(&format!("<svg xmlns='http://www.w3.org/2000/svg'>{large}</svg>"));
        match hurried.mirror(large, 7, &Seed(B256::ZERO)).await {
            Err(Unmirrored::Refused { why, ended: Some(ended) }) => {
                assert_eq!(ended.limit, ExceededLimit::Time);
                assert!(why.contains("too much time"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert_ne!(hurried.digest("x"), documents().digest("x"), "other bounds, another try");
        assert_ne!(documents().digest("x"), documents().digest("y"));
    }
}
