//! `relay.toml`: what a relay watches, whom it asks, and whom it tells.

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::{Address, keccak256};
use ed25519_dalek::SigningKey;
use iridule_publish::{
    Address as PlaceAddress,
    bounded::{SECRET_BYTES, read_text_file},
    keys,
};
use iridule_records::{gauge::is_feed, signed::TrustedKeys, slug::is_slug};
use iridule_sandbox::WorkerProgram;
use reqwest::Url;
use serde::Deserialize;

use crate::{
    chain::{Chain, Head},
    chainlink::Chainlink,
    json::Json,
    limits,
    metrics::Metrics,
    quorum::Quorum,
    round::DECIMALS,
    rpc::Provider,
    sink::{Announcer, Target, Webhook},
    source::Source,
    table::Table,
    tokens::{self, Contract, Documents, DocumentsFile, Mint, Reading, Recorder},
};

/// A relay's configuration, read and checked.
pub struct Config {
    /// Where health, metrics and status are served.
    pub listen: SocketAddr,
    /// How often sources are looked at.
    pub interval: Duration,
    /// For how long a snapshot is fresh. A new one is signed at half of it, whatever happens.
    pub lifetime: Duration,
    /// What snapshots are signed with.
    pub key: SigningKey,
    /// The public keys whose snapshots may have come before.
    pub known_keys: TrustedKeys,
    /// The publishers whose collections are watched.
    pub publishers: TrustedKeys,
    /// Where the ledger lies.
    pub ledger: PathBuf,
    /// The chain that snapshots name; 0 without one.
    pub chain: u64,
    /// Where rounds come from.
    pub sources: Vec<Box<dyn Source>>,
    /// When a feed is stale.
    pub(crate) freshness: BTreeMap<String, Freshness>,
    pub(crate) targets: Vec<Target>,
    /// The collections whose tokens are read on their chains.
    pub(crate) tokens: Vec<Recorder>,
    pub(crate) metrics: Arc<Metrics>,
}

/// When a feed is stale.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freshness {
    /// A feed speaks at least this often, seconds.
    pub(crate) heartbeat: Option<u64>,
    /// Another feed of the same thing, and by how much they may differ, as a share.
    pub(crate) reference: Option<(String, f64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "usual_listen")]
    listen: SocketAddr,
    #[serde(default = "second", with = "humantime_serde")]
    interval: Duration,
    #[serde(default = "day", with = "humantime_serde")]
    lifetime: Duration,
    key: PathBuf,
    #[serde(default)]
    former_keys: Vec<String>,
    #[serde(default)]
    publishers: Vec<String>,
    ledger: PathBuf,
    #[serde(default, rename = "chain")]
    chains: Vec<ChainFile>,
    #[serde(default, rename = "feed")]
    feeds: BTreeMap<String, FeedFile>,
    #[serde(default, rename = "sink")]
    sinks: Vec<SinkFile>,
    #[serde(default, rename = "webhook")]
    webhooks: Vec<WebhookFile>,
    #[serde(default)]
    announce: Vec<AnnounceFile>,
    #[serde(default)]
    tokens: Vec<TokensFile>,
    #[serde(default)]
    documents: DocumentsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainFile {
    id: u64,
    providers: Vec<String>,
    quorum: Option<usize>,
    #[serde(default = "latest")]
    head: Head,
    #[serde(default = "two")]
    confirmations: u64,
    #[serde(default = "two_seconds", with = "humantime_serde")]
    patience: Duration,
    #[serde(default = "usual_answer")]
    answer_mib: u32,
    sequencer: Option<Address>,
    #[serde(default = "hour", with = "humantime_serde")]
    grace: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedFile {
    chain: Option<u64>,
    proxy: Option<Address>,
    url: Option<String>,
    #[serde(default)]
    pointer: String,
    #[serde(default = "ten_minutes", with = "humantime_serde")]
    every: Duration,
    #[serde(default)]
    private: bool,
    csv: Option<PathBuf>,
    constant: Option<f64>,
    #[serde(default = "eight")]
    decimals: u8,
    #[serde(default, with = "humantime_serde")]
    heartbeat: Option<Duration>,
    reference: Option<String>,
    deviation: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SinkFile {
    to: String,
    token: Option<String>,
    token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookFile {
    url: String,
    #[serde(default)]
    private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    collection: String,
    chain: u64,
    contract: Address,
    read: Reading,
    event: Option<String>,
    #[serde(default)]
    since: u64,
    first: u64,
    supply: u64,
    #[serde(default = "quarter_minute", with = "humantime_serde")]
    every: Duration,
}

fn quarter_minute() -> Duration {
    Duration::from_secs(15)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnounceFile {
    collection: String,
    chain: u64,
    contract: Address,
    key: String,
    #[serde(default = "usual_gas")]
    gas: u64,
    max_fee_gwei: u32,
    #[serde(default = "ten_minutes", with = "humantime_serde")]
    every: Duration,
}

fn usual_answer() -> u32 {
    limits::RPC_ANSWER_MIB
}

fn usual_gas() -> u64 {
    100_000
}

fn usual_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 3004))
}
fn second() -> Duration {
    Duration::from_secs(1)
}
fn two_seconds() -> Duration {
    Duration::from_secs(2)
}
fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}
fn hour() -> Duration {
    Duration::from_secs(3600)
}
fn day() -> Duration {
    Duration::from_secs(86_400)
}
fn latest() -> Head {
    Head::Latest
}
fn two() -> u64 {
    2
}
fn eight() -> u8 {
    8
}

impl Config {
    /// Reads the file. Paths in it are relative to its folder; `${NAME}` in a URL or a token stands for a variable of the
    /// environment.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and where.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read_text_file(file, limits::CONFIG_BYTES);
        let text = text.map_err(|why| format!("{}: {why}", file.display()))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|why| format!("{}: {why}", file.display()))
    }

    /// Reads the text of a file that lies in a folder.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|why| why.to_string())?;
        let metrics = Arc::new(Metrics::new());
        let key = keys::load_or_create(&folder.join(&file.key)).map_err(|why| why.to_string())?;
        let mut known = file.former_keys;
        known.push(keys::public(&key));
        let trusted = |keys: &[String]| TrustedKeys::parse(&keys.join(" "));
        let lifetime = file.lifetime.clamp(Duration::from_secs(2), Duration::from_secs(400 * 86_400));

        let mut proxies: BTreeMap<u64, Vec<(String, Address)>> = BTreeMap::new();
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        let mut freshness = BTreeMap::new();
        for (feed, read) in file.feeds {
            let fault = |why: String| format!("[feed.{feed}]: {why}");
            if !is_feed(&feed) {
                return Err(fault("a feed's name has a-z, 0-9 and -".into()));
            }
            if read.decimals > DECIMALS {
                return Err(fault(format!("at most {DECIMALS} decimals")));
            }
            let reference = match (&read.reference, read.deviation) {
                (Some(other), Some(share)) if share > 0.0 && share.is_finite() => {
                    Some((other.clone(), share))
                }
                (None, None) => None,
                _ => return Err(fault("reference and deviation go together, the latter above 0".into())),
            };
            let heartbeat = read.heartbeat.map(|heartbeat| heartbeat.as_secs());
            freshness.insert(feed.clone(), Freshness { heartbeat, reference });
            match (read.chain, read.proxy, read.url, read.csv, read.constant) {
                (Some(chain), Some(proxy), None, None, None) => {
                    proxies.entry(chain).or_default().push((feed, proxy));
                }
                (None, None, Some(url), None, None) => {
                    let url = url_of(&url).map_err(fault)?;
                    let json = Json::new(&feed, url, &read.pointer, read.decimals, read.every, read.private);
                    sources.push(Box::new(json.map_err(fault)?));
                }
                (None, None, None, Some(csv), None) => {
                    let table = Table::open(&feed, &folder.join(csv), read.decimals);
                    sources.push(Box::new(table.map_err(fault)?));
                }
                (None, None, None, None, Some(value)) => {
                    let table = Table::constant(&feed, value, read.decimals).map_err(fault)?;
                    sources.push(Box::new(table));
                }
                _ => {
                    return Err(fault("give one of: chain and proxy; url and pointer; csv; constant".into()));
                }
            }
        }
        let chain = file.chains.first().map_or(0, |chain| chain.id);
        let mut chains: BTreeMap<u64, Chain> = BTreeMap::new();
        for read in file.chains {
            let fault = |why: String| format!("[[chain]] {}: {why}", read.id);
            let feeds = proxies.remove(&read.id).unwrap_or_default();
            if !(1..=limits::MAX_RPC_ANSWER_MIB).contains(&read.answer_mib) {
                return Err(fault(format!("answer_mib is 1 to {}", limits::MAX_RPC_ANSWER_MIB)));
            }
            let answer_bytes = usize::try_from(read.answer_mib).map_or(usize::MAX, |mib| mib << 20);
            let provider = |url: &String| Provider::new(&url_of(url)?, read.patience, answer_bytes);
            let providers: Vec<Provider> =
                read.providers.iter().map(provider).collect::<Result<_, _>>().map_err(fault)?;
            let chain = Chain {
                id: read.id,
                quorum: Quorum::new(read.quorum, read.providers.len()).map_err(fault)?,
                providers,
                head: read.head,
                confirmations: read.confirmations,
                floor: Arc::default(),
                metrics: metrics.clone(),
            };
            chains.insert(read.id, chain.clone());
            sources.push(Box::new(Chainlink {
                chain,
                sequencer: read.sequencer.map(|address| (address, read.grace.as_secs())),
                feeds,
            }));
        }
        if let Some((chain, feeds)) = proxies.pop_first() {
            return Err(format!("[feed.{}]: there is no [[chain]] with id {chain}", feeds[0].0));
        }
        let mut targets = Vec::new();
        for sink in file.sinks {
            let fault = |why: String| format!("[[sink]] {}: {why}", sink.to);
            let token = match (&sink.token, &sink.token_file) {
                (Some(token), None) => expand(token).map_err(fault)?,
                (None, Some(file)) => {
                    let file = folder.join(file);
                    read_text_file(&file, SECRET_BYTES)
                        .map_err(|why| fault(format!("{}: {why}", file.display())))?
                }
                (None, None) => String::new(),
                (Some(_), Some(_)) => return Err(fault("a token or a token_file".into())),
            };
            let mut address: PlaceAddress = expand(&sink.to)?.parse().map_err(fault)?;
            if let PlaceAddress::Folder(path) = &mut address {
                *path = folder.join(&*path);
            }
            targets.push(Target::Place { address, token: token.trim().into() });
        }
        for webhook in file.webhooks {
            let url = url_of(&webhook.url);
            let webhook = url.and_then(|url| Webhook::new(url, webhook.private));
            targets.push(Target::Webhook(webhook.map_err(|why| format!("[[webhook]]: {why}"))?));
        }
        for announce in file.announce {
            let fault = |why: &str| format!("[[announce]] {}: {why}", announce.collection);
            let chain = chains.get(&announce.chain).ok_or_else(|| fault("there is no such [[chain]]"))?;
            let key = expand(&announce.key)?;
            targets.push(Target::Contract(Box::new(Announcer {
                collection: announce.collection.clone(),
                contract: announce.contract,
                chain: announce.chain,
                provider: chain.providers[0].clone(),
                signer: key
                    .trim()
                    .parse()
                    .map_err(|_| fault("its key is no secp256k1 key in hexadecimal"))?,
                gas: announce.gas,
                max_fee: u128::from(announce.max_fee_gwei) * 1_000_000_000,
                every: announce.every,
                last: Arc::default(),
            })));
        }
        let documents =
            Documents::new(&file.documents, worker()).map_err(|why| format!("[documents]: {why}"))?;
        let mut recorders = Vec::new();
        for read in file.tokens {
            let fault = |why: &str| format!("[[tokens]] {}: {why}", read.collection);
            if !is_slug(&read.collection) {
                return Err(fault("a collection's slug has a-z, 0-9 and -"));
            }
            let fits = read.first.checked_add(read.supply).is_some();
            if !(1..=tokens::SUPPLY).contains(&read.supply) || !fits {
                return Err(fault("supply is 1 to 1000000, and the last token's number fits 64 bits"));
            }
            let chain = chains.get(&read.chain).ok_or_else(|| fault("there is no such [[chain]]"))?;
            let mint = match (&read.event, read.read) {
                (Some(event), Reading::Event) if event.ends_with(')') && !event.contains(' ') => {
                    Some(Mint { topic: keccak256(event.as_str()), since: read.since })
                }
                (None, Reading::Art | Reading::Art1155 | Reading::Hash) => None,
                _ => {
                    return Err(fault(
                        "read = \"event\" goes with event = \"Minted(uint256,bytes32)\", without spaces and names",
                    ));
                }
            };
            let contract = Contract {
                slug: read.collection.clone(),
                chain: chain.clone(),
                address: read.contract,
                reading: read.read,
                mint,
                numbers: read.first..=read.first + (read.supply - 1),
                every: read.every,
            };
            recorders.push(Recorder::new(contract, documents.clone()));
        }
        Ok(Self {
            listen: file.listen,
            interval: file.interval.max(Duration::from_millis(10)),
            lifetime,
            known_keys: trusted(&known)?,
            publishers: trusted(&file.publishers)?,
            ledger: folder.join(file.ledger),
            key,
            chain,
            sources,
            freshness,
            targets,
            tokens: recorders,
            metrics,
        })
    }
}

/// What works on documents: the executable of the relay, or of its tests.
fn worker() -> WorkerProgram {
    if cfg!(test) {
        WorkerProgram::this_test("tokens::tests::sandbox_worker")
    } else {
        WorkerProgram::this_executable()
    }
}

fn url_of(text: &str) -> Result<Url, String> {
    let url: Url = expand(text)?.parse().map_err(|why| format!("{text:?} is no URL: {why}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?}: http or https"));
    }
    Ok(url)
}

/// Puts variables of the environment in the place of `${NAME}`.
fn expand(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?}: ${{ without }}"))?;
        out.push_str(before);
        out.push_str(&env::var(name).map_err(|_| format!("the environment has no {name}"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_makes_no_sense_says_what_would() {
        let folder = tempfile::tempdir().unwrap();
        let head = "key = \"relay.key\"\nledger = \"ledger\"\n";
        let proxy = "proxy = \"0x0000000000000000000000000000000000000001\"";
        let parse = |text: &str| Config::parse(&format!("{head}{text}"), folder.path());
        assert!(parse("").is_ok());
        let good = format!(
            "[documents]\ntime = \"5s\"\nmemory_mib = 512\nworkers = 1\n\
             [[chain]]\nid = 1\nproviders = [\"http://127.0.0.1:1\"]\n[feed.eth-usd]\nchain = 1\n{proxy}\n\
             [feed.wind]\nurl = \"https://example.org/\"\npointer = \"/wind\"\nheartbeat = \"1h\"\n\
             [feed.rest]\nconstant = -2.5\n"
        );
        assert!(parse(&good).is_ok());
        for (bad, why) in [
            (format!("[feed.eth-usd]\nchain = 1\n{proxy}"), "no [[chain]] with id 1"),
            ("[feed.eth-usd]\nchain = 1".into(), "give one of"),
            ("[feed.Eth]\nconstant = 1.0".into(), "a-z"),
            ("[feed.x]\nurl = \"http://127.0.0.1/\"".into(), "private = true"),
            ("[feed.x]\nurl = \"https://${IRIDULE_NO_SUCH}/\"".into(), "IRIDULE_NO_SUCH"),
            (
                "[[chain]]\nid = 1\nquorum = 1\nproviders = [\"http://a\", \"http://b\"]".into(),
                "makes no sense",
            ),
            ("[[sink]]\nto = \"ftp://x\"".into(), "a place is"),
            (
                "[[chain]]\nid = 1\nanswer_mib = 65\nproviders = [\"http://a\"]".into(),
                "answer_mib is 1 to 64",
            ),
            ("colour = 1".into(), "unknown field"),
            ("[documents]\nmemory_mib = 1".into(), "[documents]: time is above 0"),
            ("[documents]\nspeed = 1".into(), "unknown field"),
        ] {
            let said = parse(&bad).map(|_| ()).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
