//! For tests of the WGSL compiler, of the strip VM and of the GPU that is compared with it: the shaders of the corpus, what
//! they read, random shaders, and the pictures that the strip VM paints of them.
//!
//! This is no part of what ships. Everything here panics where a test cannot go on.
//!
//! ```
//! use iridule_vm::{Level, Size};
//! use iridule_wgsl_testkit::{compiled, generator, painted};
//!
//! let program = compiled("seed 1", &generator::shader(1));
//! let size = Size { width: 8, height: 8 };
//! let pixels = painted(&program, &[], Level::best(), size).unwrap();
//! assert_eq!(pixels.len(), 8 * 8 * 4);
//! ```
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    reason = "tests use this, and may panic and cut numbers"
)]

pub mod generator;

use std::path::{Path, PathBuf};

use iridule_vm::{
    AddressMode, BindingKind, Budget, FilterMode, Inputs, Level, Machine, Program, Resource, RunError,
    Sampler, Size, Texels, Texture,
};

/// Reads every `.wgsl` file of a folder of the corpus (`conformance`, `bench`), and returns each file's name without the
/// extension and its text, sorted by path.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn corpus(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "wgsl"));
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a shader"))
    };
    files.into_iter().map(read).collect()
}

/// A resource of a shader that owns its data.
#[derive(Debug, Clone)]
pub enum OwnedResource {
    /// The bytes of a uniform buffer.
    Uniform(Vec<u8>),
    /// Width, height and RGBA bytes of a texture.
    Texture(u32, u32, Vec<u8>),
    /// A sampler.
    Sampler(Sampler),
}

impl OwnedResource {
    /// The resource as the strip VM and the GPU take it.
    #[must_use]
    pub fn resource(&self) -> Resource<'_> {
        match self {
            Self::Uniform(bytes) => Resource::Uniform(bytes),
            Self::Texture(width, height, texels) => {
                Resource::Texture(Texture { width: *width, height: *height, texels: Texels::Rgba8(texels) })
            }
            Self::Sampler(sampler) => Resource::Sampler(*sampler),
        }
    }
}

/// Reads the words of a `// bind G:B …` line: floats, or integers marked `u` or `i`.
fn bound_words(source: &str, group: u32, binding: u32) -> Option<Vec<u8>> {
    let head = format!("// bind {group}:{binding} ");
    let line = source.lines().find_map(|line| line.strip_prefix(&head))?;
    let word = |text: &str| match (text.strip_suffix('u'), text.strip_suffix('i')) {
        (Some(u), _) => u.parse::<u32>().expect("a u32"),
        (_, Some(i)) => i.parse::<i32>().expect("an i32").cast_unsigned(),
        _ => text.parse::<f32>().expect("an f32").to_bits(),
    };
    Some(line.split_whitespace().flat_map(|text| word(text).to_le_bytes()).collect())
}

/// Makes what a shader of the corpus reads, with group and binding: uniforms as its `// bind` lines say (zeros without one),
/// a small image for every texture, and different samplers in group 0 and in others.
///
/// # Panics
/// When a `// bind` line does not parse.
#[must_use]
pub fn resources(source: &str, program: &Program) -> Vec<(u32, u32, OwnedResource)> {
    let make = |b: &iridule_vm::Binding| {
        let owned = match b.kind {
            BindingKind::Uniform { size } => {
                let bytes = bound_words(source, b.group, b.binding);
                OwnedResource::Uniform(bytes.unwrap_or_else(|| vec![0; size as usize]))
            }
            BindingKind::Texture => {
                let texels =
                    (0..16 * 8 * 4u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
                OwnedResource::Texture(16, 8, texels)
            }
            BindingKind::Sampler if b.group == 0 => OwnedResource::Sampler(Sampler {
                u: AddressMode::Repeat,
                v: AddressMode::MirrorRepeat,
                filter: FilterMode::Linear,
            }),
            BindingKind::Sampler => OwnedResource::Sampler(Sampler {
                u: AddressMode::MirrorRepeat,
                v: AddressMode::ClampToEdge,
                filter: FilterMode::Nearest,
            }),
        };
        (b.group, b.binding, owned)
    };
    program.bindings.iter().map(make).collect()
}

/// Compiles a shader.
///
/// # Panics
/// With the compiler's messages and the text, when the shader is refused.
#[must_use]
pub fn compiled(name: &str, source: &str) -> Program {
    match iridule_wgsl::compile(source, &iridule_wgsl::Options::default()) {
        Ok(compiled) => compiled.program,
        Err(refused) => {
            let text: String = refused.iter().map(|d| d.render(name, source)).collect();
            panic!("{text}\n{source}")
        }
    }
}

/// Paints a picture with the strip VM, on one level of instructions: linear RGBA floats, four a pixel.
///
/// # Errors
/// [`RunError`], when the program takes more than 200,000 operations a pixel.
///
/// # Panics
/// When the program does not verify, or the resources do not fit it.
pub fn painted(
    program: &Program,
    resources: &[(u32, u32, OwnedResource)],
    level: Level,
    size: Size,
) -> Result<Vec<f32>, RunError> {
    let machine = Machine::with_level(program.clone(), level).expect("a program that verifies");
    let find = |group, binding| {
        resources.iter().find(|(g, b, _)| (*g, *b) == (group, binding)).map(|(_, _, owned)| owned.resource())
    };
    let inputs = Inputs::bind(program, find).expect("inputs that fit");
    let mut out = vec![0.0; size.values()];
    machine.paint_f32(&inputs, size, &mut Budget::per_pixel(size, 200_000), &mut out)?;
    Ok(out)
}

/// Describes the first pixel in which two pictures differ in any bit. `None` when they are equal.
#[must_use]
pub fn difference(a: &[f32], b: &[f32], size: Size) -> Option<String> {
    let at = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits())?;
    let (pixel, channel) = (at / 4, at % 4);
    let (x, y) = (pixel % size.width as usize, pixel / size.width as usize);
    Some(format!("pixel ({x}, {y}) channel {channel}: {:?} and {:?}", a[at], b[at]))
}
