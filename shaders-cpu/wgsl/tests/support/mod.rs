//! What the tests share: the corpus, its resources, and pictures of it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod generator;

use std::path::{Path, PathBuf};

use iridule_vm::{
    AddressMode, BindingKind, Budget, FilterMode, Inputs, Level, Machine, Program, Resource, RunError,
    Sampler, Size, Texels, Texture,
};

/// Every `.wgsl` file of a folder of the corpus, by name.
pub fn corpus(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace");
    let folder = root.join("shaders-cpu/wgsl/corpus").join(folder);
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

/// A resource with its data.
pub enum Owned {
    Uniform(Vec<u8>),
    Texture(u32, u32, Vec<u8>),
    Sampler(Sampler),
}

impl Owned {
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

/// The words of a `// bind G:B …` line: floats, or integers marked `u` or `i`.
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

/// What a shader of the corpus is given: what its `// bind` lines say, a small image, and samplers that differ.
pub fn resources(source: &str, program: &Program) -> Vec<(u32, u32, Owned)> {
    let make = |b: &iridule_vm::Binding| {
        let owned = match b.kind {
            BindingKind::Uniform { size } => {
                let bytes = bound_words(source, b.group, b.binding);
                Owned::Uniform(bytes.unwrap_or_else(|| vec![0; size as usize]))
            }
            BindingKind::Texture => {
                let texels =
                    (0..16 * 8 * 4u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
                Owned::Texture(16, 8, texels)
            }
            BindingKind::Sampler if b.group == 0 => Owned::Sampler(Sampler {
                u: AddressMode::Repeat,
                v: AddressMode::MirrorRepeat,
                filter: FilterMode::Linear,
            }),
            BindingKind::Sampler => Owned::Sampler(Sampler {
                u: AddressMode::MirrorRepeat,
                v: AddressMode::ClampToEdge,
                filter: FilterMode::Nearest,
            }),
        };
        (b.group, b.binding, owned)
    };
    program.bindings.iter().map(make).collect()
}

pub fn compiled(name: &str, source: &str) -> Program {
    match iridule_wgsl::compile(source, &iridule_wgsl::Options::default()) {
        Ok(compiled) => compiled.program,
        Err(refused) => {
            let text: String = refused.iter().map(|d| d.render(name, source)).collect();
            panic!("{text}\n{source}")
        }
    }
}

/// The picture of a program on one level.
pub fn painted(
    program: &Program,
    resources: &[(u32, u32, Owned)],
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

/// The first pixel in which two pictures are not the same bits.
pub fn difference(a: &[f32], b: &[f32], size: Size) -> Option<String> {
    let at = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits())?;
    let (pixel, channel) = (at / 4, at % 4);
    let (x, y) = (pixel % size.width as usize, pixel / size.width as usize);
    Some(format!("pixel ({x}, {y}) channel {channel}: {:?} and {:?}", a[at], b[at]))
}
