//! What an origin needs to start, and why it may not.

use std::net::SocketAddr;

use ed25519_dalek::SigningKey;
use iridule_core::signed::TrustedKeys;
use iridule_machine::Memory;

use crate::{painter_process::PaintingLimits, server::ConnectionLimits, store::OriginStore};

/// What an origin needs to start.
#[derive(Debug)]
pub struct OriginConfig {
    /// Where edges are served. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// Where blocks and renders are kept.
    pub store: OriginStore,
    /// The public keys of the edges whose orders are taken.
    pub edges: TrustedKeys,
    /// Signs the answers. Edges know its public half.
    pub key: SigningKey,
    /// Pictures that are painted at once, each in a process of its own, at least 1.
    pub workers: usize,
    /// Jobs that wait or run at once.
    pub queue: usize,
    /// Bytes that the pictures being painted may take, and as many again for answers on their way.
    pub memory: u64,
    /// Whether devices are looked for at all.
    pub devices: bool,
    /// Whether a software device will do where there is no other.
    pub software: bool,
    /// What bounds connections.
    pub connections: ConnectionLimits,
    /// What bounds the painting of one picture.
    pub painting: PaintingLimits,
}

/// Why an origin does not start.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The address is taken, or none.
    #[error("{address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("no thread to paint: {0}")]
    Thread(std::io::Error),
}

/// The usual [`OriginConfig::memory`], bytes: a quarter of what the container or the machine has. Where the system does not say
/// how much that is, a gibibyte is assumed.
#[must_use]
pub fn default_memory() -> u64 {
    Memory::read(1 << 30).bytes / 4
}
