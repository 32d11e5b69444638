//! `iridule shade`: one fragment shader to a picture, on the CPU or on a GPU.
//!
//! Reads the command line, and has the rest done in a sandbox: reading files, `iridule-wgsl` and `iridule-vm` (or
//! `iridule-origin`), and making a PNG or raw floats. How shaders are compiled and run is not decided here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use iridule_origin::{BoundResource, Gpu, TargetFormat};
use iridule_sandbox::{Confinement, Job, RegisteredJob, Sandbox, SandboxConfig};
use iridule_vm::{
    AddressMode, Binding, BindingKind, Budget, FilterMode, Inputs, Machine, Program, Resource, Sampler, Size,
    Texels, Texture,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::sandboxed::{Bounds, block_on};

use crate::console;

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
    #[command(flatten)]
    bounds: Bounds,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
enum Backend {
    /// The strip VM.
    Cpu,
    /// A device, through wgpu.
    Gpu,
}

/// One `--bind`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bind {
    group: u32,
    binding: u32,
    value: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Value {
    Bytes(Vec<u8>),
    File(PathBuf),
    /// Its words.
    Sampler(String),
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
            Some(("sampler", text)) => sampler(text).map(|_| Value::Sampler(text.into()))?,
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
        (BindingKind::Sampler, Some(Value::Sampler(words))) => Ok(Data::Sampler(sampler(words)?)),
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

fn paint_cpu(
    args: &Asked,
    program: &Program,
    resources: &[BoundResource<'_>],
    notes: &mut String,
) -> Result<Vec<f32>> {
    let machine = Machine::new(program.clone())?;
    let find = |group, binding| {
        resources.iter().find(|b| (b.group, b.binding) == (group, binding)).map(|b| b.resource)
    };
    let inputs = Inputs::bind(program, find)?;
    let mut out = vec![0.0; args.size().values()];
    let mut budget = Budget::per_pixel(args.size(), args.max_ops);
    let given = budget.left;
    let start = Instant::now();
    machine.paint_f32(&inputs, args.size(), &mut budget, &mut out)?;
    if args.stats {
        stats(args, &machine, given - budget.left, start.elapsed().as_secs_f64(), notes)?;
    }
    Ok(out)
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn stats(
    args: &Asked,
    machine: &Machine,
    operations: u64,
    seconds: f64,
    notes: &mut String,
) -> std::fmt::Result {
    let p = machine.program();
    let pixels = args.size().values() as f64 / 4.0;
    let uniform =
        p.setup.len() + p.body.iter().filter(|op| op.code.has_result() && !op.dst.is_varying()).count();
    let all = (p.setup.len() + p.body.len()).max(1);
    writeln!(
        notes,
        "program    {} bytes, {} constants, {} table words",
        p.encode().len(),
        p.constants.len(),
        p.table.len()
    )?;
    writeln!(notes, "registers  {} uniform, {} varying, {} local words", p.uniforms, p.varyings, p.locals)?;
    writeln!(
        notes,
        "operations {} once a picture, {} once a strip of {}",
        p.setup.len(),
        p.body.len(),
        machine.lanes()
    )?;
    writeln!(notes, "uniform    {:.1}% of the operations", 100.0 * uniform as f64 / all as f64)?;
    writeln!(notes, "cost       {:.1} operations a pixel", operations as f64 / pixels)?;
    writeln!(
        notes,
        "time       {:.2} ms, {:.1} MP/s on {}",
        seconds * 1e3,
        pixels / seconds / 1e6,
        machine.level().name()
    )?;
    Ok(())
}

fn paint_gpu(
    args: &Asked,
    source: &str,
    entry: &str,
    resources: &[BoundResource<'_>],
    notes: &mut String,
) -> Result<Vec<f32>> {
    ensure!(args.overrides.is_empty(), "--override is for the CPU backend; give the override a default");
    let gpu = Gpu::new()?;
    let prepared = gpu.prepare(source, entry, resources, args.size(), TargetFormat::Floats)?;
    let start = Instant::now();
    let pixels = prepared.paint_floats()?;
    if args.stats {
        writeln!(
            notes,
            "time       {:.2} ms with reading back, on {}",
            start.elapsed().as_secs_f64() * 1e3,
            gpu.name()
        )?;
    }
    Ok(pixels)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is in 0…255")]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

/// The bytes of a file with this name.
fn encode(path: &Path, size: Size, pixels: &[f32]) -> Result<Vec<u8>> {
    Ok(match path.extension().and_then(|e| e.to_str()) {
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
    })
}

/// What the sandbox is asked to do here; `main` passes it on.
pub const SANDBOX_JOBS: &[RegisteredJob] = &[RegisteredJob::of::<PaintShader>()];

/// Most that a sandbox answers, bytes: the floats of a picture of 4,096 square, and what is said beside them.
const REPLY_BYTES: u64 = 260 << 20;

/// The job: everything that looks into files.
struct PaintShader;

/// What is to be painted: the command line, as far as it is not about limits.
#[derive(Serialize, Deserialize)]
struct Asked {
    /// The file, as messages call it.
    shown: String,
    file: PathBuf,
    width: u32,
    height: u32,
    entry: Option<String>,
    binds: Vec<Bind>,
    overrides: Vec<(String, f64)>,
    backend: Backend,
    max_ops: u32,
    stats: bool,
    explain: bool,
    output: Option<PathBuf>,
}

/// What came of it.
#[derive(Default, Serialize, Deserialize)]
struct Shaded {
    /// Warnings and figures, for standard error.
    notes: String,
    /// The program's listing, for standard output.
    listing: String,
    /// The file.
    file: Option<ByteBuf>,
}

impl Job for PaintShader {
    const NAME: &'static str = "shade";
    type State = ();
    type Request = Asked;
    type Reply = Shaded;
    type Error = String;

    fn run((): &mut (), asked: Asked) -> Result<Shaded, String> {
        asked.shade().map_err(|why| format!("{why:#}"))
    }
}

impl Asked {
    fn of(args: &Args) -> Result<Self> {
        // A worker has another working folder.
        let whole = |path: &Path| std::path::absolute(path).with_context(|| path.display().to_string());
        let mut binds = args.binds.clone();
        for bind in &mut binds {
            if let Value::File(path) = &mut bind.value {
                *path = whole(path)?;
            }
        }
        Ok(Self {
            shown: args.file.display().to_string(),
            file: whole(&args.file)?,
            width: args.size.width,
            height: args.size.height,
            entry: args.entry.clone(),
            binds,
            overrides: args.overrides.clone(),
            backend: args.backend,
            max_ops: args.max_ops,
            stats: args.stats,
            explain: args.explain,
            output: args.output.clone(),
        })
    }

    fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    fn shade(&self) -> Result<Shaded> {
        let mut shaded = Shaded::default();
        let path = &self.shown;
        iridule_sandbox::report_activity(path);
        let source = std::fs::read_to_string(&self.file).with_context(|| format!("cannot read {path}"))?;
        let options = iridule_wgsl::Options { entry: self.entry.clone(), overrides: self.overrides.clone() };
        let compiled = iridule_wgsl::compile(&source, &options).map_err(|refused| {
            let text: Vec<String> = refused.iter().map(|d| d.render(path, &source)).collect();
            anyhow!("{}", text.join("\n"))
        })?;
        for warning in &compiled.warnings {
            shaded.notes.push_str(&warning.render(path, &source));
        }
        if self.explain {
            shaded.listing = compiled.program.to_string();
        }
        let Some(output) = &self.output else { return Ok(shaded) };
        let data: Vec<(&Binding, Data)> = compiled
            .program
            .bindings
            .iter()
            .map(|b| Ok((b, data(b, &self.binds)?)))
            .collect::<Result<_>>()?;
        let resources: Vec<BoundResource<'_>> = data
            .iter()
            .map(|(b, data)| BoundResource { group: b.group, binding: b.binding, resource: data.resource() })
            .collect();
        iridule_sandbox::report_activity(path);
        let pixels = match self.backend {
            Backend::Cpu => paint_cpu(self, &compiled.program, &resources, &mut shaded.notes)?,
            Backend::Gpu => paint_gpu(self, &source, &compiled.entry, &resources, &mut shaded.notes)?,
        };
        shaded.file = Some(ByteBuf::from(encode(output, self.size(), &pixels)?));
        Ok(shaded)
    }
}

/// Carries out the command.
///
/// # Errors
/// What is wrong with the file, the bindings, the budget or the output, for people.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.explain || args.output.is_some(), "name an output with -o, or ask for --explain");
    let asked = Asked::of(args)?;
    let mut config = SandboxConfig { limits: args.bounds.limits(), ..SandboxConfig::default() };
    config.limits.reply_bytes = REPLY_BYTES;
    if args.backend == Backend::Gpu {
        config.confinement = Confinement::Device;
        // Where drivers find themselves.
        config.environment = std::env::vars_os().collect();
    }
    let sandbox = Sandbox::new(config);
    let shaded = block_on(async { Ok(sandbox.run::<PaintShader>(&asked).await?) });
    let Shaded { notes, listing, file } = shaded?;
    console::write_note(format_args!("{notes}"));
    // Whoever closes the list of the program still wants the picture.
    let listed = console::print(format_args!("{listing}"));
    if let (Some(file), Some(output)) = (file, &args.output) {
        std::fs::write(output, file).with_context(|| format!("cannot write {}", output.display()))?;
    }
    listed
}
