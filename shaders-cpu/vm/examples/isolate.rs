//! The VM as a WebAssembly module without imports, for measuring its size and its speed in an isolate.
//!
//! `cargo build --profile edge --target wasm32-unknown-unknown -p iridule-vm --no-default-features --example isolate`,
//! then `node shaders-cpu/vm/examples/isolate.mjs` in V8, or the example `strip_vm` of the PoP in wasmtime. One static buffer
//! carries bytes in, another pixels out.
#![allow(unsafe_code, reason = "exported names and static buffers; single-threaded")]

use iridule_vm::{Budget, Inputs, Machine, Program, Resource, Size};

struct Isolate {
    buffer: Vec<u8>,
    uniform: Vec<u8>,
    machine: Option<Machine>,
    pixels: Vec<f32>,
}

static mut ISOLATE: Isolate =
    Isolate { buffer: Vec::new(), uniform: Vec::new(), machine: None, pixels: Vec::new() };

fn isolate() -> &'static mut Isolate {
    // SAFETY: the module has one thread, and no export calls another.
    unsafe { &mut *core::ptr::addr_of_mut!(ISOLATE) }
}

/// Makes the buffer `length` bytes long and says where it is.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(length: usize) -> *mut u8 {
    let isolate = isolate();
    isolate.buffer.resize(length, 0);
    isolate.buffer.as_mut_ptr()
}

/// Takes the buffer as the bytes of every uniform.
#[unsafe(no_mangle)]
pub extern "C" fn uniform() {
    let isolate = isolate();
    isolate.uniform = isolate.buffer.clone();
}

/// Takes the buffer as a program. 0 if it is not one.
#[unsafe(no_mangle)]
pub extern "C" fn load() -> u32 {
    let isolate = isolate();
    isolate.machine = Program::decode(&isolate.buffer).ok().and_then(|program| Machine::new(program).ok());
    isolate.machine.is_some().into()
}

/// Paints a picture of RGBA floats. 0 if that failed, otherwise where it is.
#[unsafe(no_mangle)]
pub extern "C" fn paint(width: u32, height: u32) -> *const f32 {
    let isolate = isolate();
    let Some(machine) = &isolate.machine else { return core::ptr::null() };
    let size = Size { width, height };
    isolate.pixels.resize(size.values(), 0.0);
    let find = |_, _| Some(Resource::Uniform(&isolate.uniform));
    let Ok(inputs) = Inputs::bind(machine.program(), find) else { return core::ptr::null() };
    let painted =
        machine.paint_f32(&inputs, size, &mut Budget::per_pixel(size, 100_000), &mut isolate.pixels);
    if painted.is_ok() { isolate.pixels.as_ptr() } else { core::ptr::null() }
}
