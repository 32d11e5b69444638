//! Where a sink is: a place with records, a webhook, or a contract.

use std::fmt;

use alloy::primitives::{hex, keccak256};
use iridule_publish::Address;

use super::{contract::Announcer, webhook::Webhook};

/// What a sink is.
#[derive(Clone)]
pub(crate) enum Target {
    /// A place where edges find their records.
    Place {
        /// Where it is.
        address: Address,
        /// What it asks for.
        token: String,
    },
    /// Somebody who wants to know.
    Webhook(Webhook),
    /// A contract that tells marketplaces to look again.
    Contract(Box<Announcer>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A URL may hold a password or a key: its host is enough to know it by.
            Self::Place { address: Address::Redis(url), .. } => {
                let host = url.rsplit_once('@').map_or(url.trim_start_matches("redis://"), |(_, host)| host);
                write!(f, "redis://{host}")
            }
            Self::Place { address, .. } => address.fmt(f),
            Self::Webhook(webhook) => {
                let digest = keccak256(webhook.url.as_str());
                let host = webhook.url.host_str().unwrap_or_default();
                write!(f, "webhook {host} #{}", hex::encode(&digest[..3]))
            }
            Self::Contract(announcer) => {
                write!(f, "contract {} of {}", announcer.contract, announcer.collection)
            }
        }
    }
}
