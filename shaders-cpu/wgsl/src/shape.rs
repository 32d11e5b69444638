//! How WGSL types lie in scalars and in uniform bytes.
//!
//! A value of any constructible type is a run of scalars, one 32-bit value each: vectors by component, matrices
//! by column, arrays by element, structs by member. In a uniform buffer it lies as WGSL §14.4.1 says.

use naga::{Handle, Module, Scalar, ScalarKind, Type, TypeInner, VectorSize};

/// A type, seen as scalars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Scalar(Scalar),
    Vector(VectorSize, Scalar),
    Matrix(VectorSize, VectorSize, Scalar),
    /// An array or struct.
    Composite(Handle<Type>),
}

/// One step into a value: the part's shape, and where it starts.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub shape: Shape,
    /// Scalars before it, per index.
    pub words: u32,
    /// Bytes before it in a uniform buffer, per index.
    pub bytes: u32,
}

/// The number of parts, and the distance between them, of a type that can be indexed at run time.
#[derive(Clone, Copy)]
pub(crate) struct Stride {
    pub count: u32,
    pub part: Part,
}

impl Shape {
    /// The shape of a type; `None` for one whose values are not scalars (textures, samplers, atomics).
    pub(crate) fn of(module: &Module, inner: &TypeInner, handle: Option<Handle<Type>>) -> Option<Self> {
        Some(match *inner {
            TypeInner::Scalar(scalar) => Self::Scalar(scalar),
            TypeInner::Vector { size, scalar } => Self::Vector(size, scalar),
            TypeInner::Matrix { columns, rows, scalar } => Self::Matrix(columns, rows, scalar),
            TypeInner::Pointer { base, .. } => {
                return Self::of(module, &module.types[base].inner, Some(base));
            }
            TypeInner::ValuePointer { size: Some(size), scalar, .. } => Self::Vector(size, scalar),
            TypeInner::ValuePointer { size: None, scalar, .. } => Self::Scalar(scalar),
            TypeInner::Array { .. } | TypeInner::Struct { .. } => Self::Composite(handle?),
            _ => return None,
        })
    }

    /// The shape of a named type.
    pub(crate) fn of_type(module: &Module, handle: Handle<Type>) -> Option<Self> {
        Self::of(module, &module.types[handle].inner, Some(handle))
    }

    /// How many scalars it is.
    pub(crate) fn words(self, module: &Module) -> u32 {
        match self {
            Self::Scalar(_) => 1,
            Self::Vector(size, _) => size as u32,
            Self::Matrix(columns, rows, _) => columns as u32 * rows as u32,
            Self::Composite(handle) => match &module.types[handle].inner {
                TypeInner::Array { base, size, .. } => {
                    let element = Self::of_type(module, *base).map_or(0, |s| s.words(module));
                    array_count(*size).saturating_mul(element)
                }
                TypeInner::Struct { members, .. } => members
                    .iter()
                    .map(|m| Self::of_type(module, m.ty).map_or(0, |s| s.words(module)))
                    .fold(0, u32::saturating_add),
                _ => 0,
            },
        }
    }

    /// The scalar all of it is made of; `None` for arrays and structs.
    pub(crate) fn scalar(self) -> Option<Scalar> {
        match self {
            Self::Scalar(scalar) | Self::Vector(_, scalar) | Self::Matrix(_, _, scalar) => Some(scalar),
            Self::Composite(_) => None,
        }
    }

    /// The part at a constant index.
    pub(crate) fn part(self, module: &Module, index: u32) -> Option<Part> {
        if let Self::Composite(handle) = self
            && let TypeInner::Struct { members, .. } = &module.types[handle].inner
        {
            let before = members.get(..index as usize)?;
            let words =
                before.iter().map(|m| Self::of_type(module, m.ty).map_or(0, |s| s.words(module))).sum();
            let member = members.get(index as usize)?;
            return Some(Part { shape: Self::of_type(module, member.ty)?, words, bytes: member.offset });
        }
        let stride = self.stride(module)?;
        let Part { shape, words, bytes } = stride.part;
        (index < stride.count).then_some(Part { shape, words: words * index, bytes: bytes * index })
    }

    /// What indexing at run time steps over; `None` for scalars and structs.
    pub(crate) fn stride(self, module: &Module) -> Option<Stride> {
        let width = |scalar: Scalar| u32::from(scalar.width);
        Some(match self {
            Self::Scalar(_) => return None,
            Self::Vector(size, scalar) => {
                let part = Part { shape: Self::Scalar(scalar), words: 1, bytes: width(scalar) };
                Stride { count: size as u32, part }
            }
            Self::Matrix(columns, rows, scalar) => {
                // A column of three is as long as one of four.
                let bytes = width(scalar) * if rows == VectorSize::Bi { 2 } else { 4 };
                let part = Part { shape: Self::Vector(rows, scalar), words: rows as u32, bytes };
                Stride { count: columns as u32, part }
            }
            Self::Composite(handle) => match module.types[handle].inner {
                TypeInner::Array { base, size, stride } => {
                    let shape = Self::of_type(module, base)?;
                    let part = Part { shape, words: shape.words(module), bytes: stride };
                    Stride { count: array_count(size), part }
                }
                _ => return None,
            },
        })
    }

    /// Every scalar in order, with its byte in a uniform buffer.
    pub(crate) fn scalars(self, module: &Module, at: u32, out: &mut Vec<(Scalar, u32)>) {
        if let Self::Scalar(scalar) = self {
            out.push((scalar, at));
            return;
        }
        for index in 0..self.parts(module) {
            if let Some(part) = self.part(module, index) {
                part.shape.scalars(module, at + part.bytes, out);
            }
        }
    }

    fn parts(self, module: &Module) -> u32 {
        match self {
            Self::Composite(handle) => match &module.types[handle].inner {
                TypeInner::Struct { members, .. } => u32::try_from(members.len()).unwrap_or(0),
                _ => self.stride(module).map_or(0, |s| s.count),
            },
            _ => self.stride(module).map_or(0, |s| s.count),
        }
    }
}

fn array_count(size: naga::ArraySize) -> u32 {
    match size {
        naga::ArraySize::Constant(count) => count.get(),
        naga::ArraySize::Pending(_) | naga::ArraySize::Dynamic => 0,
    }
}

/// Whether it is a 16-bit float, which is computed as an `f32` and rounded.
pub(crate) fn is_half(scalar: Scalar) -> bool {
    scalar.kind == ScalarKind::Float && scalar.width == 2
}
