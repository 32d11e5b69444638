//! The PoP host: runs the Spin component in wasmtime behind HTTP, with its stores and its write API.
