//! The iridule command.
fn main() {}
