//! A real EVM node (anvil) with our contracts on it, and providers in front of it that misbehave. For tests and benches.
//!
//! anvil and solc come from npm, as package-lock.json pins them; `cargo xtask test` installs them.

pub mod abi;
mod feed;
mod node;
mod outside;
mod trouble;

pub use crate::{
    feed::Feed,
    node::Node,
    outside::Outside,
    trouble::{Trouble, troubled},
};
