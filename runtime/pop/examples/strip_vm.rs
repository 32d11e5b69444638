//! The strip VM as a WebAssembly module in wasmtime: speed and bits, with and without the checks by which a host interrupts.
//!
//! ```text
//! cargo build --profile edge --target wasm32-unknown-unknown -p iridule-vm --no-default-features --example isolate
//! cargo run --release -p iridule-wgsl --example export -- FOLDER
//! cargo run --release -p iridule-pop --example strip_vm -- target/wasm32-unknown-unknown/edge/examples/isolate.wasm FOLDER
//! ```
//! FOLDER holds, for each shader, NAME.irvm (the program), NAME.bin (its uniform bytes) and NAME.f32 (its picture at 512 by
//! 512 pixels, painted natively). The module is compiled before; a first picture is that of a fresh instance.
#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::{env, fs, path::Path, time::Instant};

use wasmtime::{Config, Engine, Instance, Module, Result, Store, TypedFunc, format_err};

/// Pixels on a side.
const SIDE: u32 = 512;
/// Pictures of each shader.
const TURNS: usize = 12;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(format_err!("usage: strip_vm MODULE.wasm FOLDER"));
    };
    let bytes = fs::read(module)?;
    for interrupts in [false, true] {
        let engine = Engine::new(Config::new().epoch_interruption(interrupts))?;
        let module = Module::new(&engine, &bytes)?;
        println!("{}", if interrupts { "with checks for interrupts (epochs)" } else { "without" });
        let mut programs: Vec<_> =
            fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        programs.retain(|path| path.extension().is_some_and(|extension| extension == "irvm"));
        programs.sort();
        for program in programs {
            measure(&engine, &module, &program)?;
        }
    }
    Ok(())
}

fn measure(engine: &Engine, module: &Module, program: &Path) -> Result<()> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1);
    let vm = Instance::new(&mut store, module, &[])?;
    let memory = vm.get_memory(&mut store, "memory").ok_or_else(|| format_err!("no memory"))?;
    let buffer: TypedFunc<u32, u32> = vm.get_typed_func(&mut store, "buffer")?;
    let uniform: TypedFunc<(), ()> = vm.get_typed_func(&mut store, "uniform")?;
    let load: TypedFunc<(), u32> = vm.get_typed_func(&mut store, "load")?;
    let paint: TypedFunc<(u32, u32), u32> = vm.get_typed_func(&mut store, "paint")?;
    for (extension, taken) in [("bin", true), ("irvm", false)] {
        let bytes = fs::read(program.with_extension(extension))?;
        let at = buffer.call(&mut store, u32::try_from(bytes.len())?)?;
        memory.write(&mut store, at as usize, &bytes)?;
        if taken {
            uniform.call(&mut store, ())?;
        } else if load.call(&mut store, ())? == 0 {
            return Err(format_err!("{} was refused", program.display()));
        }
    }
    let mut times = Vec::new();
    let mut at = 0;
    for _ in 0..TURNS {
        let start = Instant::now();
        at = paint.call(&mut store, (SIDE, SIDE))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let expected = fs::read(program.with_extension("f32"))?;
    let painted = memory.data(&store).get(at as usize..).and_then(|data| data.get(..expected.len()));
    let same = if at > 0 && painted == Some(&*expected) { "same bits" } else { "OTHER BITS" };
    let best = times.iter().copied().fold(f64::MAX, f64::min);
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    println!("{name}: first {:.1} ms, best {best:.1} ms, {same}", times[0]);
    Ok(())
}
