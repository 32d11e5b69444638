//! The entry point: what a pixel is given, and which of its results is the picture.

use std::collections::HashMap;

use iridule_vm::{Binding, Opcode};
use naga::valid::ModuleInfo;
use naga::{BuiltIn, EntryPoint, Module, ScalarKind, TypeInner};

use super::{Facts, Lowering, Result, Stop, Val, Words, key};
use crate::diagnostic::Diagnostic;
use crate::shape::Shape;
use crate::ssa::{Builder, Id};

/// How often lowering may start again. Each time a fact is learnt, of which there are finitely many.
const MAX_ATTEMPTS: usize = 2000;

/// A shader as straight values.
pub(crate) struct Lowered {
    pub b: Builder,
    pub color: [Id; 4],
    pub discarded: Id,
    pub bindings: Vec<Binding>,
    pub warnings: Vec<Diagnostic>,
}

/// Lowers an entry point of a valid module without overrides.
pub(crate) fn lower(
    module: &Module,
    info: &ModuleInfo,
    index: usize,
    source: &str,
) -> std::result::Result<Lowered, Diagnostic> {
    let mut facts = Facts::default();
    for _ in 0..MAX_ATTEMPTS {
        let mut lowering = Lowering {
            module,
            info,
            source,
            facts,
            b: Builder::default(),
            env: Vec::new(),
            globals: HashMap::new(),
            bindings: Vec::new(),
            instances: Vec::new(),
            frames: Vec::new(),
            mask: None,
            depth: 0,
            discarded: 0,
            texel: None,
            span: naga::Span::UNDEFINED,
            warnings: Vec::new(),
        };
        match lowering.entry(index) {
            Ok((color, discarded)) => {
                let Lowering { b, bindings, warnings, .. } = lowering;
                let bindings = bindings.into_iter().map(|(_, binding)| binding).collect();
                return Ok(Lowered { b, color, discarded, bindings, warnings });
            }
            Err(Stop::Refused(diagnostic)) => return Err(diagnostic),
            Err(Stop::Again) => facts = lowering.facts,
        }
    }
    Err(Diagnostic::error("this shader's control flow is too intricate", naga::Span::UNDEFINED)
        .help("split its loops into functions of their own, or nest them less"))
}

impl<'m> Lowering<'m> {
    fn entry(&mut self, index: usize) -> Result<([Id; 4], Id)> {
        let module: &'m Module = self.module;
        let entry = &module.entry_points[index];
        let no = self.b.bool(false);
        self.discarded = self.new_words(1, no);
        if reads_textures(module) {
            self.texel = Some(self.new_locals(4)?);
        }
        self.bind_resources(index)?;
        self.make_private_variables()?;
        let arguments = self.arguments(entry)?;
        let info: &'m ModuleInfo = self.info;
        let value = self.inlined(&entry.function, info.get_entry_point(index), arguments, key(0, 0))?;
        let color = self.color(entry, &value)?;
        let discarded = self.read_word(self.discarded)?;
        Ok((color, discarded))
    }

    /// Gives each resource that the entry point names a slot, by group and binding, used in the end or not: what a
    /// host binds must not depend on what was folded.
    fn bind_resources(&mut self, index: usize) -> Result<()> {
        let used = self.info.get_entry_point(index);
        let mut named: Vec<_> = self
            .module
            .global_variables
            .iter()
            .filter(|(handle, variable)| !used[*handle].is_empty() && variable.binding.is_some())
            .map(|(handle, variable)| (variable.binding, handle))
            .collect();
        named.sort_by_key(|(binding, _)| binding.map(|b| (b.group, b.binding)));
        for (_, handle) in named {
            self.span = self.module.global_variables.get_span(handle);
            self.slot(handle)?;
        }
        Ok(())
    }

    fn arguments(&mut self, entry: &EntryPoint) -> Result<Vec<Val>> {
        let mut values = Vec::new();
        for argument in &entry.function.arguments {
            let mut all = Vec::new();
            match (&argument.binding, &self.module.types[argument.ty].inner) {
                (Some(binding), _) => self.input(binding, &mut all)?,
                (None, TypeInner::Struct { members, .. }) => {
                    for member in members {
                        match &member.binding {
                            Some(binding) => self.input(binding, &mut all)?,
                            None => return self.unexpected("an input without binding"),
                        }
                    }
                }
                _ => return self.unexpected("an input without binding"),
            }
            values.push(Val::Words(all.into()));
        }
        Ok(values)
    }

    /// An input of a pixel of a picture that fills its target: nearest depth, front facing, one sample.
    fn input(&mut self, binding: &naga::Binding, out: &mut Vec<Id>) -> Result<()> {
        match binding {
            naga::Binding::BuiltIn(BuiltIn::Position { .. }) => {
                let x = self.b.emit(Opcode::PositionX, &[], 0, 0);
                let y = self.b.emit(Opcode::PositionY, &[], 0, 0);
                let (zero, one) = (self.b.bits(0), self.b.f32(1.0));
                out.extend([x, y, zero, one]);
            }
            naga::Binding::BuiltIn(BuiltIn::FrontFacing) => out.push(self.b.bool(true)),
            naga::Binding::BuiltIn(BuiltIn::SampleIndex | BuiltIn::PrimitiveIndex) => {
                out.push(self.b.bits(0))
            }
            naga::Binding::BuiltIn(BuiltIn::SampleMask) => out.push(self.b.bits(1)),
            naga::Binding::BuiltIn(_) => {
                return self.refuse(
                    "this builtin input is not given to a style's shaders",
                    "use @builtin(position), front_facing, sample_index or sample_mask",
                );
            }
            naga::Binding::Location { location, .. } => {
                return self.refuse(
                    format!("@location({location}) is an input, but no vertex shader comes before"),
                    "compute it from @builtin(position), which is in pixels from the top left",
                );
            }
        }
        Ok(())
    }

    /// The words of `@location(0)` as red, green, blue and alpha.
    fn color(&mut self, entry: &EntryPoint, value: &Words) -> Result<[Id; 4]> {
        let module: &'m Module = self.module;
        let Some(result) = &entry.function.result else {
            return self.refuse(
                "the entry point returns nothing",
                "return the pixel's colour: `-> @location(0) vec4f`",
            );
        };
        let is_color = |binding: &Option<naga::Binding>| {
            matches!(binding, Some(naga::Binding::Location { location: 0, blend_src: None | Some(0), .. }))
        };
        let found = match &module.types[result.ty].inner {
            _ if is_color(&result.binding) => Some((0, result.ty)),
            TypeInner::Struct { members, .. } => {
                let at = members.iter().position(|m| is_color(&m.binding));
                at.and_then(|at| {
                    let part = Shape::Composite(result.ty).part(module, u32::try_from(at).ok()?)?;
                    Some((part.words as usize, members[at].ty))
                })
            }
            _ => None,
        };
        let Some((at, ty)) = found else {
            return self
                .refuse("no result is @location(0)", "return the pixel's colour: `-> @location(0) vec4f`");
        };
        let Some(shape) = Shape::of_type(module, ty) else { return self.unexpected("a result of this type") };
        let (zero, one) = (self.b.bits(0), self.b.f32(1.0));
        let mut color = [zero, zero, zero, one];
        for n in 0..shape.words(module) as usize {
            color[n] = match shape.scalar().map(|s| s.kind) {
                Some(ScalarKind::Sint) => self.b.op(Opcode::FromI, &[value[at + n]]),
                Some(ScalarKind::Uint) => self.b.op(Opcode::FromU, &[value[at + n]]),
                _ => value[at + n],
            };
        }
        Ok(color)
    }
}

fn reads_textures(module: &Module) -> bool {
    let mut functions =
        module.functions.iter().map(|(_, f)| f).chain(module.entry_points.iter().map(|e| &e.function));
    functions.any(|f| {
        f.expressions.iter().any(|(_, e)| {
            matches!(e, naga::Expression::ImageSample { .. } | naga::Expression::ImageLoad { .. })
        })
    })
}
