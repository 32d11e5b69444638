//! The relay's limits on what others send to it, each with its unit. What a limit of core bounds is not repeated here.

/// Longest answer of a JSON-RPC provider, MiB, unless `answer_mib` of its `[[chain]]` says otherwise. Such an answer
/// writes two hexadecimal digits for each byte, and a document in it is often base64, once or twice: 4 MiB hold an SVG of
/// about 1.1 MiB.
pub const RPC_ANSWER_MIB: u32 = 4;
/// The highest `answer_mib`. Every provider of a chain may have one such answer under way for each of 8 to 16 questions.
pub const MAX_RPC_ANSWER_MIB: u32 = 64;

/// Largest relay configuration, bytes.
pub const CONFIG_BYTES: u64 = 1 << 20;
/// Largest table of rounds, bytes: some four million rounds.
pub const TABLE_BYTES: u64 = 256 << 20;
/// Largest entry of a ledger, bytes.
pub const ENTRY_BYTES: usize = 64 << 20;

/// Most connections to the relay's service at once. Further ones wait in the system's queue.
pub const CONNECTIONS: usize = 128;
/// Most connections of one address. Further ones are closed at once.
pub const CONNECTIONS_PER_ADDRESS: usize = 32;
/// How long the head of a request may take, and how long a connection may be idle, seconds.
pub const HEAD_SECONDS: u64 = 10;
/// Largest head of a request, bytes.
pub const HEAD_BYTES: usize = 16 << 10;
/// Most header lines of a request.
pub const HEAD_LINES: usize = 64;
/// How long a client may take none of an answer, seconds.
pub const STALL_SECONDS: u64 = 10;
/// How long a connection may last, whatever is under way on it, seconds.
pub const CONNECTION_SECONDS: u64 = 600;
/// How many clients may read the ledger at once.
pub const LEDGER_READERS: usize = 8;
/// About how many bytes of the ledger are read at once for each of them.
pub const LEDGER_PAGE_BYTES: usize = 64 << 10;

/// How long the step under way is waited for when the relay leaves, milliseconds.
pub const LEAVE_STEP_MS: u64 = 2_000;
/// How long sinks are given to take the last snapshot when the relay leaves, milliseconds.
pub const LEAVE_SINKS_MS: u64 = 5_000;
/// How long answers under way are waited for when the relay leaves, milliseconds.
pub const LEAVE_SERVICE_MS: u64 = 2_000;
