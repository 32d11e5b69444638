//! The Cloudflare Workers adapter: core's Platform on Workers KV and the Cache API.
