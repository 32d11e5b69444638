//! The way of a request: route, token, plan, key, tiers, paint, reply; without IO, clock or pixels.
