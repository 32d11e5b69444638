//! From lowered values to a program: what is unused goes, what fuses fuses, registers are shared.

mod allocate;
mod assemble;
mod dead;
mod fuse;
mod settle;

pub(crate) use assemble::assemble;
