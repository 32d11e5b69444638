//! A key-value store that edges read records from: Workers KV, the Redis of a Spin application, or a folder.

mod any;
mod folder;
mod kv;
mod redis;

pub use self::{any::Shelf, folder::Folder, kv::Kv, redis::Redis};
