//! Texture builtins of WGSL §17.7, over images of one level.

use std::rc::Rc;

use iridule_vm::Opcode;
use naga::{
    Expression, GlobalVariable, Handle, ImageClass, ImageDimension, ImageQuery, SampleLevel, TypeInner,
};

use super::place::words;
use super::{Lowering, Result, Val, Words};
use crate::ssa::Id;

impl Lowering<'_> {
    pub(super) fn texture(&mut self, handle: Handle<Expression>) -> Result<Words> {
        match self.here().function.expressions[handle] {
            Expression::ImageSample {
                image,
                sampler,
                gather,
                coordinate,
                offset,
                level,
                clamp_to_edge,
                depth_ref: None,
                array_index: None,
            } => {
                let (image, sampler) = (self.image(image)?, self.handle(sampler)?);
                if gather.is_none() && matches!(level, SampleLevel::Auto | SampleLevel::Bias(_)) {
                    self.in_uniform_flow("sampling at a level chosen by derivatives");
                }
                let aux = self.slot(image)? | self.slot(sampler)? << 16;
                let mut at = self.value(coordinate)?;
                if clamp_to_edge {
                    at = self.away_from_edge(image, &at)?;
                }
                let zero = self.b.bits(0);
                let offset = match offset {
                    Some(offset) => self.value(offset)?,
                    None => Rc::new([zero, zero]),
                };
                let operands = [at[0], at[1], offset[0], offset[1]];
                match gather {
                    None => self.texel(Opcode::TextureSample, &operands, aux),
                    Some(channel) => {
                        self.texel(Opcode::TextureGather, &operands, aux | (channel as u32) << 30)
                    }
                }
            }
            Expression::ImageLoad { image, coordinate, array_index: None, sample: None, .. } => {
                let image = self.image(image)?;
                let slot = self.slot(image)?;
                let at = self.value(coordinate)?;
                self.texel(Opcode::TextureLoad, &[at[0], at[1]], slot)
            }
            Expression::ImageQuery { image, query } => {
                let image = self.image(image)?;
                let slot = self.slot(image)?;
                match query {
                    ImageQuery::Size { .. } => Ok(self.size(slot)),
                    ImageQuery::NumLevels => Ok(Rc::new([self.b.bits(1)])),
                    _ => self.unexpected("this query"),
                }
            }
            _ => self.refuse(
                "comparison and array texture reads are not supported",
                "sample a texture_2d<f32> and compare the result",
            ),
        }
    }

    fn size(&mut self, slot: u32) -> Words {
        let width = self.b.emit(Opcode::TextureWidth, &[], 0, slot);
        let height = self.b.emit(Opcode::TextureHeight, &[], 0, slot);
        Rc::new([width, height])
    }

    /// `textureSampleBaseClampToEdge`: at least half a texel from each edge.
    fn away_from_edge(&mut self, image: Handle<GlobalVariable>, at: &Words) -> Result<Words> {
        let slot = self.slot(image)?;
        let size = self.size(slot);
        let (half, one) = (self.b.f32(0.5), self.b.f32(1.0));
        Ok(words(2, |n| {
            let texels = self.b.op(Opcode::FromU, &[size[n]]);
            let margin = self.b.op(Opcode::Div, &[half, texels]);
            let end = self.b.op(Opcode::Sub, &[one, margin]);
            self.b.op(Opcode::Clamp, &[at[n], margin, end])
        }))
    }

    /// Reads four channels, through local memory.
    fn texel(&mut self, code: Opcode, operands: &[Id], aux: u32) -> Result<Words> {
        let base = match self.texel {
            Some(base) => base,
            None => return self.unexpected("this texture read"),
        };
        self.b.memory(code, operands, base, aux);
        Ok((base..base + 4).map(|word| self.b.memory(Opcode::LocalRead, &[], word, 0)).collect())
    }

    fn handle(&mut self, expression: Handle<Expression>) -> Result<Handle<GlobalVariable>> {
        match self.expression(expression)? {
            Val::Handle(global) => Ok(global),
            _ => self.refuse("arrays of textures are not supported", "declare a variable for each texture"),
        }
    }

    /// A texture variable, if it is of the supported kind.
    fn image(&mut self, expression: Handle<Expression>) -> Result<Handle<GlobalVariable>> {
        let global = self.handle(expression)?;
        let class = match self.module.types[self.module.global_variables[global].ty].inner {
            TypeInner::Image { dim: ImageDimension::D2, arrayed: false, class } => Some(class),
            _ => None,
        };
        match class {
            Some(ImageClass::Sampled { kind: naga::ScalarKind::Float, multi: false }) => Ok(global),
            _ => self.refuse(
                "only texture_2d<f32> can be read",
                "bind each layer, face or slice as a texture_2d<f32> of its own",
            ),
        }
    }
}
