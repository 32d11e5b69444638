//! `iridule shade`: one fragment shader to a picture, on the CPU or on a GPU.
//!
//! Reads the command line and files, calls `iridule-wgsl` and `iridule-vm` (or `iridule-origin`), writes a PNG or raw
//! floats. How shaders are compiled and run is not decided here.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use iridule_origin::{Bound, Depth, Gpu};
use iridule_vm::{
    AddressMode, Binding, BindingKind, Budget, FilterMode, Inputs, Machine, Program, Resource, Sampler, Size,
    Texels, Texture,
};

use crate::console::{self, note};

/// Paint one WGSL fragment shader.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The WGSL file.
    file: PathBuf,
    /// Width and height of the picture in pixels, as WxH.
    #[arg(long, default_value = "512x512", value_parser = size)]
    size: Size,
    /// The fragment entry point; not needed if the file has one, or one called `main`.
    #[arg(long)]
    entry: Option<String>,
    /// A resource: GROUP:BINDING=VALUE, where VALUE is hex:BYTES, f32:…, i32:… or u32:… (comma-separated, for uniforms),
    /// @FILE (bytes, or a PNG for textures), or sampler:WORDS of nearest, linear, clamp, repeat, mirror.
    #[arg(long = "bind", value_name = "G:B=VALUE")]
    binds: Vec<Bind>,
    /// A value for an `override`: NAME=NUMBER.
    #[arg(long = "override", value_name = "NAME=NUMBER", value_parser = named_number)]
    overrides: Vec<(String, f64)>,
    /// Where to paint.
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,
    /// Most operations a pixel may take on average (CPU).
    #[arg(long, default_value_t = 100_000)]
    max_ops: u32,
    /// Say how large the program is and how long it took.
    #[arg(long)]
    stats: bool,
    /// List the program instead of painting, unless there is also an output.
    #[arg(long)]
    explain: bool,
    /// The picture: .png (channels limited to 0…1, 8 bits) or .f32 (little-endian RGBA floats, row by row).
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Where to paint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// The strip VM.
    Cpu,
    /// A device, through wgpu.
    Gpu,
}

/// One `--bind`.
#[derive(Clone, Debug)]
struct Bind {
    group: u32,
    binding: u32,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Bytes(Vec<u8>),
    File(PathBuf),
    Sampler(Sampler),
}

/// The data behind a resource.
enum Data {
    Bytes(Vec<u8>),
    Image { width: u32, height: u32, texels: Vec<u8> },
    Sampler(Sampler),
}

fn size(text: &str) -> Result<Size> {
    let (width, height) = text.split_once('x').context("expected WxH, for example 512x512")?;
    let side = |text: &str| text.parse().ok().filter(|side| (1..=65_535).contains(side));
    let sides = side(width).zip(side(height));
    let (width, height) = sides.context("each side must be 1 to 65535 pixels")?;
    Ok(Size { width, height })
}

fn named_number(text: &str) -> Result<(String, f64)> {
    let (name, number) = text.split_once('=').context("expected NAME=NUMBER")?;
    Ok((name.to_owned(), number.parse().context("expected a number after `=`")?))
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    ensure!(digits.len().is_multiple_of(2), "hex: needs two digits a byte");
    let byte = |pair: &[char]| {
        let text: String = pair.iter().collect();
        u8::from_str_radix(&text, 16).with_context(|| format!("`{text}` is not a byte in hex"))
    };
    digits.chunks(2).map(byte).collect()
}

fn numbers<T: FromStr, const N: usize>(text: &str, bytes: impl Fn(T) -> [u8; N]) -> Result<Vec<u8>> {
    let parse =
        |part: &str| part.trim().parse().map_err(|_| anyhow!("`{part}` is not a number of this type"));
    let all: Vec<T> = text.split(',').map(parse).collect::<Result<_>>()?;
    Ok(all.into_iter().flat_map(bytes).collect())
}

fn sampler(text: &str) -> Result<Sampler> {
    let mut sampler = Sampler::default();
    for word in text.split(',').map(str::trim) {
        let mode = match word {
            "nearest" => {
                sampler.filter = FilterMode::Nearest;
                continue;
            }
            "linear" => {
                sampler.filter = FilterMode::Linear;
                continue;
            }
            "clamp" => AddressMode::ClampToEdge,
            "repeat" => AddressMode::Repeat,
            "mirror" => AddressMode::MirrorRepeat,
            _ => bail!("a sampler is made of nearest, linear, clamp, repeat and mirror, not `{word}`"),
        };
        (sampler.u, sampler.v) = (mode, mode);
    }
    Ok(sampler)
}

impl FromStr for Bind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (place, value) = text.split_once('=').context("expected G:B=VALUE")?;
        let numbers_of = place.split_once(':').and_then(|(g, b)| Some((g.parse().ok()?, b.parse().ok()?)));
        let (group, binding) = numbers_of.context("expected GROUP:BINDING before `=`")?;
        let value = match value.split_once(':') {
            _ if value.starts_with('@') => Value::File(PathBuf::from(&value[1..])),
            Some(("hex", text)) => Value::Bytes(hex(text)?),
            Some(("f32", text)) => Value::Bytes(numbers(text, f32::to_le_bytes)?),
            Some(("i32", text)) => Value::Bytes(numbers(text, i32::to_le_bytes)?),
            Some(("u32", text)) => Value::Bytes(numbers(text, u32::to_le_bytes)?),
            Some(("sampler", text)) => Value::Sampler(sampler(text)?),
            _ => bail!("expected hex:…, f32:…, i32:…, u32:…, sampler:… or @FILE after `=`"),
        };
        Ok(Self { group, binding, value })
    }
}

fn image(path: &Path) -> Result<Data> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().with_context(|| format!("{} is not a PNG", path.display()))?;
    let length = reader.output_buffer_size().context("the image is too large")?;
    let mut bytes = vec![0; length];
    let info = reader.next_frame(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    bytes.truncate(info.buffer_size());
    let texels = match info.color_type {
        png::ColorType::GrayscaleAlpha => {
            bytes.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect()
        }
        _ => bytes,
    };
    Ok(Data::Image { width: info.width, height: info.height, texels })
}

/// The data for a binding: what `--bind` says; for a sampler without one, linear and clamped.
fn data(binding: &Binding, binds: &[Bind]) -> Result<Data> {
    let found = binds.iter().rev().find(|b| (b.group, b.binding) == (binding.group, binding.binding));
    let place = format!("@group({}) @binding({}) `{}`", binding.group, binding.binding, binding.name);
    match (binding.kind, found.map(|b| &b.value)) {
        (BindingKind::Uniform { .. }, Some(Value::Bytes(bytes))) => Ok(Data::Bytes(bytes.clone())),
        (BindingKind::Uniform { .. }, Some(Value::File(path))) => {
            Ok(Data::Bytes(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
        }
        (BindingKind::Texture, Some(Value::File(path))) => image(path),
        (BindingKind::Sampler, Some(Value::Sampler(sampler))) => Ok(Data::Sampler(*sampler)),
        (BindingKind::Sampler, None) => {
            Ok(Data::Sampler(Sampler { filter: FilterMode::Linear, ..Sampler::default() }))
        }
        (BindingKind::Uniform { size }, _) => {
            bail!(
                "{place} needs a uniform of {size} bytes: --bind {}:{}=f32:…",
                binding.group,
                binding.binding
            )
        }
        (BindingKind::Texture, _) => {
            bail!("{place} needs a texture: --bind {}:{}=@FILE.png", binding.group, binding.binding)
        }
        (BindingKind::Sampler, _) => bail!("{place} is a sampler: --bind …=sampler:linear,repeat"),
    }
}

impl Data {
    fn resource(&self) -> Resource<'_> {
        match self {
            Self::Bytes(bytes) => Resource::Uniform(bytes),
            Self::Image { width, height, texels } => {
                Resource::Texture(Texture { width: *width, height: *height, texels: Texels::Rgba8(texels) })
            }
            Self::Sampler(sampler) => Resource::Sampler(*sampler),
        }
    }
}

fn paint_cpu(args: &Args, program: &Program, resources: &[Bound<'_>]) -> Result<Vec<f32>> {
    let machine = Machine::new(program.clone())?;
    let find = |group, binding| {
        resources.iter().find(|b| (b.group, b.binding) == (group, binding)).map(|b| b.resource)
    };
    let inputs = Inputs::bind(program, find)?;
    let mut out = vec![0.0; args.size.values()];
    let mut budget = Budget::per_pixel(args.size, args.max_ops);
    let given = budget.left;
    let start = Instant::now();
    machine.paint_f32(&inputs, args.size, &mut budget, &mut out)?;
    if args.stats {
        stats(args, &machine, given - budget.left, start.elapsed().as_secs_f64());
    }
    Ok(out)
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn stats(args: &Args, machine: &Machine, operations: u64, seconds: f64) {
    let p = machine.program();
    let pixels = args.size.values() as f64 / 4.0;
    let uniform =
        p.setup.len() + p.body.iter().filter(|op| op.code.has_result() && !op.dst.is_varying()).count();
    let all = (p.setup.len() + p.body.len()).max(1);
    note!(
        "program    {} bytes, {} constants, {} table words",
        p.encode().len(),
        p.constants.len(),
        p.table.len()
    );
    note!("registers  {} uniform, {} varying, {} local words", p.uniforms, p.varyings, p.locals);
    note!(
        "operations {} once a picture, {} once a strip of {}",
        p.setup.len(),
        p.body.len(),
        machine.lanes()
    );
    note!("uniform    {:.1}% of the operations", 100.0 * uniform as f64 / all as f64);
    note!("cost       {:.1} operations a pixel", operations as f64 / pixels);
    note!(
        "time       {:.2} ms, {:.1} MP/s on {}",
        seconds * 1e3,
        pixels / seconds / 1e6,
        machine.level().name()
    );
}

fn paint_gpu(args: &Args, source: &str, entry: &str, resources: &[Bound<'_>]) -> Result<Vec<f32>> {
    ensure!(args.overrides.is_empty(), "--override is for the CPU backend; give the override a default");
    let gpu = Gpu::new()?;
    let prepared = gpu.prepare(source, entry, resources, args.size, Depth::Floats)?;
    let start = Instant::now();
    let pixels = prepared.paint_floats()?;
    if args.stats {
        note!(
            "time       {:.2} ms with reading back, on {}",
            start.elapsed().as_secs_f64() * 1e3,
            gpu.name()
        );
    }
    Ok(pixels)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is in 0…255")]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

fn write(path: &Path, size: Size, pixels: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = match path.extension().and_then(|e| e.to_str()) {
        Some("f32") => pixels.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Some("png") => {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, size.width, size.height);
            encoder.set_color(png::ColorType::Rgba);
            encoder.set_depth(png::BitDepth::Eight);
            let texels: Vec<u8> = pixels.iter().map(|v| byte(*v)).collect();
            encoder.write_header()?.write_image_data(&texels)?;
            bytes
        }
        _ => bail!("the output must end in .png or .f32"),
    };
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Carries out the command.
///
/// # Errors
/// What is wrong with the file, the bindings, the budget or the output, for people.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.explain || args.output.is_some(), "name an output with -o, or ask for --explain");
    let path = args.file.display().to_string();
    let source = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {path}"))?;
    let options = iridule_wgsl::Options { entry: args.entry.clone(), overrides: args.overrides.clone() };
    let compiled = iridule_wgsl::compile(&source, &options).map_err(|refused| {
        let text: Vec<String> = refused.iter().map(|d| d.render(&path, &source)).collect();
        anyhow!("{}", text.join("\n"))
    })?;
    for warning in &compiled.warnings {
        note!("{}", warning.render(&path, &source).trim_end());
    }
    let explained = if args.explain { console::print(format_args!("{}", compiled.program)) } else { Ok(()) };
    // Whoever closes the list of the program still wants the picture.
    let Some(output) = &args.output else { return explained };
    let data: Vec<(&Binding, Data)> =
        compiled.program.bindings.iter().map(|b| Ok((b, data(b, &args.binds)?))).collect::<Result<_>>()?;
    let resources: Vec<Bound<'_>> = data
        .iter()
        .map(|(b, data)| Bound { group: b.group, binding: b.binding, resource: data.resource() })
        .collect();
    let pixels = match args.backend {
        Backend::Cpu => paint_cpu(args, &compiled.program, &resources)?,
        Backend::Gpu => paint_gpu(args, &source, &compiled.entry, &resources)?,
    };
    write(output, args.size, &pixels)?;
    explained
}
