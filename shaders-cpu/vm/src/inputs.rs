//! What a caller binds to a program: uniform bytes, textures, samplers.
//!
//! [`Inputs::bind`] matches resources with a program's bindings once; afterwards they are addressed by slot, and
//! no read can fail: bytes beyond a buffer's end are zeros.

use alloc::string::String;
use alloc::vec::Vec;

use crate::program::{BindingKind, Program};

/// How texels are stored, row by row from the top, four channels each.
#[derive(Clone, Copy, Debug)]
pub enum Texels<'a> {
    /// Bytes that stand for 0…1.
    Rgba8(&'a [u8]),
    /// Linear floats.
    Rgba32F(&'a [f32]),
}

/// A two-dimensional image of one level.
#[derive(Clone, Copy, Debug)]
pub struct Texture<'a> {
    /// Columns, 1 to 65535.
    pub width: u32,
    /// Rows, 1 to 65535.
    pub height: u32,
    /// `width * height` texels.
    pub texels: Texels<'a>,
}

/// What lies outside 0…1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AddressMode {
    /// The texel at the edge.
    #[default]
    ClampToEdge,
    /// The image again.
    Repeat,
    /// The image again, every other time reversed.
    MirrorRepeat,
}

/// How a value between texels is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FilterMode {
    /// The texel that contains the point.
    #[default]
    Nearest,
    /// The four nearest texels, weighted.
    Linear,
}

/// How a texture is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sampler {
    /// Horizontal addressing.
    pub u: AddressMode,
    /// Vertical addressing.
    pub v: AddressMode,
    /// Filter, for magnification and minification alike: there is one level.
    pub filter: FilterMode,
}

/// One thing a program can read.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// The bytes of a uniform buffer, in WGSL's uniform address space layout, little-endian.
    Uniform(&'a [u8]),
    /// A texture.
    Texture(Texture<'a>),
    /// A sampler.
    Sampler(Sampler),
}

/// Why resources do not fit a program. The name is the variable's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Nothing was bound.
    #[error("nothing is bound to @group({group}) @binding({binding}) `{name}`")]
    Missing {
        /// `@group`
        group: u32,
        /// `@binding`
        binding: u32,
        /// The variable's name.
        name: String,
    },
    /// Another kind of resource was bound.
    #[error("@group({group}) @binding({binding}) `{name}` is not a {expected}")]
    Kind {
        /// `@group`
        group: u32,
        /// `@binding`
        binding: u32,
        /// The variable's name.
        name: String,
        /// What the program expects.
        expected: &'static str,
    },
    /// A buffer or image is smaller than it must be.
    #[error("@group({group}) @binding({binding}) `{name}` holds {have} bytes and needs {need}")]
    Short {
        /// `@group`
        group: u32,
        /// `@binding`
        binding: u32,
        /// The variable's name.
        name: String,
        /// Bytes bound.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
}

/// The resources of one run, in the order of a program's bindings.
#[derive(Clone, Debug, Default)]
pub struct Inputs<'a> {
    slots: Vec<Resource<'a>>,
}

impl<'a> Inputs<'a> {
    /// Asks `find(group, binding)` for each resource that `program` reads.
    ///
    /// # Errors
    /// [`InputError`] names the first binding that has no resource, or one of another kind or size.
    pub fn bind(
        program: &Program,
        mut find: impl FnMut(u32, u32) -> Option<Resource<'a>>,
    ) -> Result<Self, InputError> {
        let mut slots = Vec::with_capacity(program.bindings.len());
        for b in &program.bindings {
            let (group, binding) = (b.group, b.binding);
            let name = || b.name.clone();
            let resource =
                find(group, binding).ok_or_else(|| InputError::Missing { group, binding, name: name() })?;
            let (have, need) = match (b.kind, resource) {
                (BindingKind::Uniform { size }, Resource::Uniform(bytes)) => (bytes.len(), size as usize),
                (BindingKind::Texture, Resource::Texture(t)) => {
                    let texels = (t.width as usize).saturating_mul(t.height as usize);
                    let have = match t.texels {
                        Texels::Rgba8(bytes) => bytes.len(),
                        Texels::Rgba32F(floats) => floats.len(),
                    };
                    (have, texels.saturating_mul(4).max(1))
                }
                (BindingKind::Sampler, Resource::Sampler(_)) => (0, 0),
                (kind, _) => {
                    let expected = match kind {
                        BindingKind::Uniform { .. } => "uniform buffer",
                        BindingKind::Texture => "texture",
                        BindingKind::Sampler => "sampler",
                    };
                    return Err(InputError::Kind { group, binding, name: name(), expected });
                }
            };
            if have < need {
                return Err(InputError::Short { group, binding, name: name(), have, need });
            }
            slots.push(resource);
        }
        Ok(Self { slots })
    }

    /// How many slots are filled.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The little-endian word at byte `at` of buffer `slot`; bytes beyond its end are zeros.
    pub(crate) fn uniform_word(&self, slot: u32, at: u32) -> u32 {
        let Some(Resource::Uniform(bytes)) = self.slots.get(slot as usize) else { return 0 };
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(bytes.get(at as usize..).unwrap_or_default()) {
            *to = *from;
        }
        u32::from_le_bytes(word)
    }

    /// The texture of `slot`.
    pub(crate) fn texture(&self, slot: u32) -> Option<&Texture<'a>> {
        match self.slots.get(slot as usize) {
            Some(Resource::Texture(texture)) => Some(texture),
            _ => None,
        }
    }

    /// The sampler of `slot`, or the default one.
    pub(crate) fn sampler(&self, slot: u32) -> Sampler {
        match self.slots.get(slot as usize) {
            Some(Resource::Sampler(sampler)) => *sampler,
            _ => Sampler::default(),
        }
    }
}
