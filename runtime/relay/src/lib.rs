//! The oracle relay: from chains and feeds to bands, and to signed snapshots at the edges.
//!
//! ```text
//! source     chainlink.rs (chain.rs, rpc.rs, quorum.rs), json.rs, table.rs: rounds, each once and in order
//!  → book    where all gauges stand, as a fold over rounds. Pure
//!  → ledger  what happened and what followed, in one file that survives a crash
//!  → sink    signed snapshots to PoPs, Workers KV, Redis, folders; states to webhooks
//! ```
//!
//! `tokens/` reads what contracts say of tokens on the same chains, and gives it to the same sinks.
//!
//! [`relay`] is that way as code; [`replay`] goes it once more and compares. [`push`] is a development relay in one call,
//! on [`statement`] alone.

pub mod book;
mod chain;
mod chainlink;
pub mod config;
mod http;
mod json;
mod leader;
pub mod ledger;
pub mod limits;
mod listener;
mod metrics;
mod panels;
pub mod push;
pub mod quorum;
pub mod relay;
pub mod replay;
pub mod round;
mod rpc;
mod service;
mod sink;
pub mod source;
pub mod statement;
pub mod status;
pub mod table;
mod tokens;

pub use tokens::SANDBOX_JOBS;
