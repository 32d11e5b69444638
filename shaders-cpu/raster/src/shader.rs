//! A shader layer: its program, run by the strip VM over every pixel of the picture, or by a device in its stead.
//!
//! What it reads is fixed in [`iridule_scene::scene::binding`]. It gives straight sRGB-encoded RGBA, as a fragment shader
//! does on a GPU; here it is rounded to bytes and then premultiplied, and compositing goes on as for any other layer.
//! What runs it is a [`Shade`].

use core::fmt;

use iridule_scene::{
    limits,
    scene::{Shader, binding},
};
use iridule_vm::{
    AddressMode, Budget, DecodeError, FilterMode, InputError, Inputs, Machine, Program, Resource, RunError,
    Sampler, Size, Texels, Texture, VerifyError,
};
use resvg::tiny_skia::{Pixmap, Transform};

use crate::{
    compose::{Region, rows},
    image::{self, Picture},
};

/// What is wrong with a shader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The program's bytes are none.
    Decode(DecodeError),
    /// The program breaks a rule.
    Verify(VerifyError),
    /// The program reads what is not bound.
    Input(InputError),
    /// The program takes more operations than the layer declares.
    Run(RunError),
    /// One of its pictures is not admitted; the first is number 1.
    Image(usize, image::Fault),
    /// Its pictures have more pixels than one picture may have, all of them together.
    Images,
    /// The device that should have run it did not.
    Device(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(fault) => write!(f, "the program does not decode: {fault}"),
            Self::Verify(fault) => write!(f, "the program is refused: {fault}"),
            Self::Input(fault) => fault.fmt(f),
            Self::Run(fault) => fault.fmt(f),
            Self::Image(number, fault) => write!(f, "image {number}: {fault}"),
            Self::Images => {
                write!(f, "its images have more than {} pixels together", limits::IMAGE_PIXELS)
            }
            Self::Device(why) => write!(f, "the device: {why}"),
        }
    }
}

const fn sampler(mode: AddressMode) -> Resource<'static> {
    Resource::Sampler(Sampler { u: mode, v: mode, filter: FilterMode::Linear })
}

/// A shader with all that it reads.
#[derive(Debug)]
pub struct Job<'a> {
    /// Program, source and images.
    pub shader: &'a Shader,
    /// The uniform block, with the place of the picture filled in.
    pub uniforms: &'a [u8],
    /// The layer's images.
    pub images: &'a [Picture],
    /// What the layers below have painted, premultiplied. `None`: nothing.
    pub below: Option<&'a Pixmap>,
}

/// What runs shaders.
pub trait Shade {
    /// Runs one over every pixel of a picture, and leaves straight sRGB-encoded RGBA there.
    ///
    /// # Errors
    /// [`Fault`].
    fn shade(&self, job: &Job<'_>, picture: &mut Pixmap) -> Result<(), Fault>;
}

/// The strip VM, within the operations that a layer declares: the same bytes on every host.
#[derive(Debug, Clone, Copy)]
pub struct StripVm;

impl Shade for StripVm {
    fn shade(&self, job: &Job<'_>, picture: &mut Pixmap) -> Result<(), Fault> {
        let size = Size { width: picture.width(), height: picture.height() };
        run(job, &mut budget(job.shader, size), picture)
    }
}

/// Paints over every pixel of a transparent picture. `place` maps canvas units to pixels. `below` is what the program
/// sees of the layers below; without one, there are none.
///
/// # Errors
/// [`Fault`].
pub fn paint(
    shader: &Shader,
    place: Transform,
    below: Option<&Pixmap>,
    by: &dyn Shade,
    picture: &mut Pixmap,
) -> Result<Region, Fault> {
    let nothing = Region { left: 0, top: 0, right: 0, bottom: 0 };
    let Some(uniforms) = uniforms(shader, place, picture) else { return Ok(nothing) };
    let images = images(&shader.images)?;
    by.shade(&Job { shader, uniforms: &uniforms, images: &images, below }, picture)?;
    rows::premultiply(picture.data_mut());
    Ok(Region::whole(picture))
}

/// How many operations a pixel takes on average, in a picture of this many pixels across and down, with nothing below.
/// `place` maps canvas units to pixels.
///
/// # Errors
/// [`Fault`]; [`Fault::Run`] when it is more than the layer declares.
pub fn measure(shader: &Shader, place: Transform, width: u32, height: u32) -> Result<u32, Fault> {
    let Some(mut picture) = Pixmap::new(width, height) else { return Ok(0) };
    let size = Size { width, height };
    let all = budget(shader, size).left;
    let mut budget = Budget { left: all };
    let Some(uniforms) = uniforms(shader, place, &picture) else { return Ok(0) };
    let images = images(&shader.images)?;
    run(&Job { shader, uniforms: &uniforms, images: &images, below: None }, &mut budget, &mut picture)?;
    let one = Budget::per_pixel(size, 1).left.max(limits::SHADER_PIXELS);
    Ok(u32::try_from((all - budget.left).div_ceil(one)).unwrap_or(u32::MAX))
}

/// What the layer declares, for a picture of this size.
fn budget(shader: &Shader, size: Size) -> Budget {
    let least = limits::SHADER_PIXELS * u64::from(shader.ops);
    Budget { left: Budget::per_pixel(size, shader.ops).left.max(least) }
}

fn run(job: &Job<'_>, budget: &mut Budget, picture: &mut Pixmap) -> Result<(), Fault> {
    let Job { shader, uniforms, images, below } = job;
    let program = Program::decode(&shader.program).map_err(Fault::Decode)?;
    let machine = Machine::new(program).map_err(Fault::Verify)?;
    let size = Size { width: picture.width(), height: picture.height() };

    let bound = |wanted: u32| {
        machine.program().bindings.iter().any(|bound| bound.group == 0 && bound.binding == wanted)
    };
    let empty = match below {
        None if bound(binding::BELOW) => vec![0; size.values()],
        _ => Vec::new(),
    };
    let texture =
        |width, height, bytes| Resource::Texture(Texture { width, height, texels: Texels::Rgba8(bytes) });
    let find = |group: u32, wanted: u32| match (group, wanted) {
        (0, binding::TOKEN) => Some(Resource::Uniform(uniforms)),
        (0, binding::BELOW) => Some(texture(size.width, size.height, below.map_or(&*empty, Pixmap::data))),
        (0, binding::CLAMPED) => Some(sampler(AddressMode::ClampToEdge)),
        (0, binding::REPEATED) => Some(sampler(AddressMode::Repeat)),
        (0, wanted) => {
            let image = images.get(wanted.checked_sub(binding::IMAGES)? as usize)?;
            Some(texture(image.width, image.height, &image.pixels))
        }
        _ => None,
    };
    let inputs = Inputs::bind(machine.program(), find).map_err(Fault::Input)?;
    machine.paint_rgba8(&inputs, size, budget, picture.data_mut()).map_err(Fault::Run)
}

/// The uniform block with the place of the picture filled in; nothing for a layer without extent.
fn uniforms(shader: &Shader, place: Transform, picture: &Pixmap) -> Option<Vec<u8>> {
    let inverse = place.invert().filter(Transform::is_finite)?;
    let determinant = place.sx * place.sy - place.kx * place.ky;
    let side = crate::canvas::side;
    let fields: [f32; binding::PLACE_BYTES / 4] = [
        inverse.sx,
        inverse.kx,
        inverse.tx,
        0.0,
        inverse.ky,
        inverse.sy,
        inverse.ty,
        0.0,
        side(picture.width()),
        side(picture.height()),
        determinant.abs().sqrt(),
        0.0,
    ];
    let mut block = shader.uniforms.clone();
    for (to, field) in block.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
        *to = field.to_le_bytes();
    }
    Some(block)
}

/// The layer's pictures, straight RGBA.
fn images(files: &[impl AsRef<[u8]>]) -> Result<Vec<Picture>, Fault> {
    let mut left = limits::IMAGE_PIXELS;
    for (number, file) in (1..).zip(files) {
        let info = image::inspect(file.as_ref()).map_err(|fault| Fault::Image(number, fault))?;
        left = left.checked_sub(info.pixels()).ok_or(Fault::Images)?;
    }
    (1..)
        .zip(files)
        .map(|(number, file)| image::decode(file.as_ref()).map_err(|fault| Fault::Image(number, fault)))
        .collect()
}
