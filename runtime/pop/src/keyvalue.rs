//! `spin:key-value@3.0.0` and `spin:variables@3.0.0`, as guests call them.
//!
//! Three labels: `default` is the store of records, `renders` the store of renders; both are in `store/`. The third,
//! `risks`, stores nothing: a guest sets a key there when it begins work that could end it and deletes the key when that
//! is done; a key that exists must not be tried (`crashes.rs`).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, Resource, ResourceTable, StreamReader};

use crate::{
    crashes::{Crashes, Risks},
    error::StoreError,
    host::Host,
    store::{Stores, check_key},
};

mod bindings {
    #![allow(missing_docs, clippy::allow_attributes_without_reason, reason = "generated from wit/")]

    wasmtime::component::bindgen!({
        path: "wit",
        world: "iridule:pop/capabilities",
        imports: { default: trappable },
        with: { "spin:key-value/key-value.store": super::Opened },
    });
}

use bindings::spin::{
    key_value::key_value::{self, Error},
    variables::variables,
};

/// Most stores that one instance may hold open.
const OPEN_STORES: usize = 1024;

/// A store that a guest opened.
#[derive(Debug, Clone, Copy)]
pub enum Opened {
    /// Label `default`.
    Records,
    /// Label `renders`.
    Renders,
    /// Label `risks`.
    Risks,
}

/// What the two interfaces need of an instance.
pub(crate) struct View<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) stores: &'a Arc<Stores>,
    pub(crate) variables: &'a Arc<BTreeMap<String, String>>,
    pub(crate) opened: &'a mut usize,
    pub(crate) crashes: &'a Arc<Crashes>,
    pub(crate) risks: &'a mut Risks,
}

/// Names [`View`] to wasmtime.
pub(crate) struct Capabilities;

impl HasData for Capabilities {
    type Data<'a> = View<'a>;
}

/// Offers both interfaces to guests.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<_, Capabilities>(linker, Host::capabilities)?;
    variables::add_to_linker::<_, Capabilities>(linker, Host::capabilities)
}

impl From<StoreError> for Error {
    fn from(why: StoreError) -> Self {
        Self::Other(why.to_string())
    }
}

/// The stores, and which of them the guest means.
fn opened<T>(
    accessor: &Accessor<T, Capabilities>,
    store: &Resource<Opened>,
) -> wasmtime::Result<(Arc<Stores>, Opened)> {
    accessor.with(|mut access| {
        let view = access.get();
        Ok((view.stores.clone(), *view.table.get(store)?))
    })
}

/// Whether a guest must not try this.
fn is_refused<T>(accessor: &Accessor<T, Capabilities>, name: &str) -> bool {
    accessor.with(|mut access| access.get().crashes.refuses(name))
}

impl<T: 'static> key_value::HostStoreWithStore<T> for Capabilities {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Opened>, Error>> {
        let store = match &*label {
            "default" => Opened::Records,
            "renders" => Opened::Renders,
            "risks" => Opened::Risks,
            _ => return Ok(Err(Error::NoSuchStore)),
        };
        accessor.with(|mut access| {
            let view = access.get();
            if *view.opened >= OPEN_STORES {
                return Ok(Err(Error::StoreTableFull));
            }
            *view.opened += 1;
            Ok(Ok(view.table.push(store)?))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let (stores, which) = opened(accessor, &store)?;
        Ok(match which {
            Opened::Records => stores.records.get(&key).map_err(Error::from),
            Opened::Renders => {
                stores.renders.get(&key).await.map(|value| value.map(Vec::from)).map_err(Error::from)
            }
            Opened::Risks => Ok(is_refused(accessor, &key).then(Vec::new)),
        })
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let (stores, which) = opened(accessor, &store)?;
        Ok(match which {
            Opened::Records => stores.records.set(key, value).await.map_err(Error::from),
            Opened::Renders => stores.renders.set(key, Bytes::from(value)).map_err(Error::from),
            Opened::Risks => {
                let checked = check_key(&key).map_err(Error::from);
                checked.map(|()| accessor.with(|mut access| access.get().risks.begin(key)))
            }
        })
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let (stores, which) = opened(accessor, &store)?;
        Ok(match which {
            Opened::Records => stores.records.delete(key).await.map_err(Error::from),
            Opened::Renders => {
                stores.renders.delete(key);
                Ok(())
            }
            Opened::Risks => {
                accessor.with(|mut access| access.get().risks.end(&key));
                Ok(())
            }
        })
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let (stores, which) = opened(accessor, &store)?;
        Ok(match which {
            Opened::Records => stores.records.exists(&key).map_err(Error::from),
            // The cache's own answer may be a false yes; reading is what tells.
            Opened::Renders => {
                stores.renders.get(&key).await.map(|value| value.is_some()).map_err(Error::from)
            }
            Opened::Risks => Ok(is_refused(accessor, &key)),
        })
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Opened>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let (stores, which) = opened(accessor, &store)?;
        let keys = match which {
            Opened::Records => stores.records.keys(),
            Opened::Renders | Opened::Risks => Err(StoreError::Unlisted),
        };
        accessor.with(|mut access| {
            let (keys, end) = match keys {
                Ok(keys) => (keys, Ok(())),
                Err(why) => (Vec::new(), Err(Error::from(why))),
            };
            let keys = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async move { wasmtime::error::Ok(end) })?;
            Ok((keys, end))
        })
    }
}

impl key_value::HostStore for View<'_> {
    fn drop(&mut self, store: Resource<Opened>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        *self.opened = self.opened.saturating_sub(1);
        Ok(())
    }
}

impl key_value::Host for View<'_> {}

impl<T: 'static> variables::HostWithStore<T> for Capabilities {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        let variables = accessor.with(|mut access| access.get().variables.clone());
        let spelled = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        Ok(match variables.get(&name) {
            Some(value) => Ok(value.clone()),
            None if !spelled => Err(variables::Error::InvalidName(name)),
            None => Err(variables::Error::Undefined(name)),
        })
    }
}

impl variables::Host for View<'_> {}
