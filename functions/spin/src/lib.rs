//! The Spin adapter: core's Platform on spin:key-value and spin:variables.
