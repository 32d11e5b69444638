//! Build, test and CI steps as code.
fn main() {}
