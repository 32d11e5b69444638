//! The strip VM: runs a shader program over a picture, 128 or 256 pixels at a time, with the same bits on every CPU.
//!
//! A [`Program`] is data: three-address code over registers that each hold one 32-bit value per pixel of a
//! *strip* (see [`mod@machine`]). It is made by `iridule-wgsl` when a style is published, travels as bytes
//! ([`Program::decode`]), is checked once ([`Machine::new`]) and then run without further checks.
//!
//! What holds here and must go on holding:
//! * Any bytes either fail to decode, fail to verify, or run to an end within the caller's budget. They never
//!   panic, hang, over-allocate or read out of bounds.
//! * A picture is the same bits on every level of [`Level`]: there is no fused multiply-add, no platform
//!   maths library, no approximation instruction, no clock.
//! * This crate knows nothing of WGSL's grammar, of files, of styles or of any other crate of the workspace.
//!
//! Read on in [`mod@opcode`] (what a program can say), [`mod@program`] (how it is put together), `verify` (what
//! is refused), [`mod@machine`] (how it runs) and `math` (where the numbers come from).
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod encoding;
pub mod inputs;
mod kernel;
mod level;
mod link;
mod listing;
pub mod machine;
mod math;
pub mod opcode;
pub mod picture;
pub mod program;
mod register_file;
pub mod scalar;
mod texture;
mod tile;
mod verify;

pub use encoding::DecodeError;
pub use inputs::{AddressMode, FilterMode, InputError, Inputs, Resource, Sampler, Texels, Texture};
pub use level::Level;
pub use link::takes_uniform;
pub use machine::{Budget, Machine, RunError};
pub use opcode::{Class, MAX_ARITY, Opcode};
pub use picture::Size;
pub use program::{Binding, BindingKind, Op, Program, Reg};
pub use verify::{Fault, MAX_LOCALS, MAX_OPS, MAX_REGISTERS, MAX_TABLE, VerifyError};
