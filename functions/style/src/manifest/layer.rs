//! Layers as a manifest says them, with the values that follow from traits and gauges still open.
//!
//! How they are filled in is [`crate::style`]'s; what they cost is [`crate::plan`]'s.

use alloc::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Drawn, File, Manifest, at_most};
use crate::{
    expression::{Colour, Expression, Number, Phrase, no_such},
    limits,
};
use iridule_scene::{
    scene::{Align, Blend, Channel},
    variant::Fit,
};

/// A layer, or a mask, as a manifest says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// What it is called in messages.
    pub name: String,
    /// Whether it is there; without one it always is.
    pub when: Option<Expression>,
    /// How its colours meet those below.
    pub blend: Blend,
    /// 0 to 1; what falls outside is cut.
    pub opacity: Number,
    /// Where it is moved to; none leaves it.
    pub transform: Option<TransformSpec>,
    /// The mask that it shows through, by name.
    pub mask: Option<String>,
    /// What it shows.
    pub content: ContentSpec,
}

/// A mask: a layer that is not seen itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSpec {
    /// What it shows. Its name is how layers call it.
    pub layer: LayerSpec,
    /// What of it counts.
    pub channel: Channel,
}

/// Scaled, then rotated, both about the origin, then moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformSpec {
    /// Canvas units.
    pub translate: [Number; 2],
    /// Degrees, clockwise.
    pub rotate: Number,
    /// Factors.
    pub scale: [Number; 2],
    /// What stays where it is, canvas units.
    pub origin: [Number; 2],
}

/// What a layer shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ContentSpec {
    /// An SVG template.
    Svg(SvgSpec),
    /// A fragment shader.
    Shader(ShaderSpec),
    /// A picture file.
    Image(ImageSpec),
    /// A colour or gradient.
    Fill(FillSpec),
    /// Text.
    Text(TextSpec),
}

/// An SVG template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvgSpec {
    /// The file of the template.
    pub source: String,
    /// Most steps that the template may take to expand. The static cost counts on them.
    pub steps: u32,
    /// Longest document that it may expand to, bytes. The static cost counts on it.
    pub bytes: u32,
    /// Most elements in that document. The static cost counts on them.
    pub elements: u32,
    /// How often a pixel is painted over, on average; at least 1. The static cost counts on it.
    pub overdraw: u32,
}

/// A fragment shader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShaderSpec {
    /// The file of the whole WGSL module, its declarations included.
    pub source: String,
    /// The file of the program that it was compiled to.
    pub program: String,
    /// Operations that a pixel may take on average. The static cost counts on them.
    pub ops: u32,
    /// More numbers for it, by name.
    pub values: Vec<(String, Number)>,
    /// Pictures that it samples: a name and a file each.
    pub images: Vec<(String, PictureFile)>,
}

/// A picture file and its size, which the static cost counts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureFile {
    /// The file.
    pub source: String,
    /// Its pixels; it may have no more.
    pub pixels: u32,
}

/// A picture file, drawn into a rectangle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// The file. `{name}` stands for the option of that trait, in the form of [`file_name`].
    pub source: String,
    /// Options that have no picture: the layer is not there then.
    pub blank: Vec<String>,
    /// Where it lies: x, y, width, height; none is the whole canvas.
    pub area: Option<[Number; 4]>,
    /// How it fills the rectangle.
    pub fit: Fit,
    /// Pixels of the largest of its files. The static cost counts on them.
    pub pixels: u32,
}

/// A painted rectangle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillSpec {
    /// Where it lies, as for an image.
    pub area: Option<[Number; 4]>,
    /// The radius of its corners.
    pub radius: Number,
    /// What it is painted with.
    pub paint: PaintSpec,
}

/// A colour or gradient. Coordinates as in [`iridule_scene::scene::Paint`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the variants and fields of scene::Paint, still open")]
pub enum PaintSpec {
    Solid(Colour),
    Linear { line: [Number; 4], stops: Vec<(Number, Colour)> },
    Radial { circle: [Number; 3], stops: Vec<(Number, Colour)> },
    Conic { turn: [Number; 3], stops: Vec<(Number, Colour)> },
}

/// Text, set inside a rectangle. Fields as in [`iridule_scene::scene::Text`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of scene::Text, still open")]
pub struct TextSpec {
    pub text: Phrase,
    /// `regular`, `bold`, or a font file.
    pub font: String,
    pub area: Option<[Number; 4]>,
    pub size: Number,
    pub least_size: Number,
    pub lines: u32,
    pub line_height: Number,
    pub align: Align,
    pub valign: Align,
    pub colour: Colour,
}

/// The names of the bundled fonts.
pub const FONTS: [&str; 2] = ["regular", "bold"];

/// An option's text as it stands in file names: in lowercase, runs of what is neither letter nor digit as one `-`.
#[must_use]
pub fn file_name(option: &str) -> String {
    let mut name = String::with_capacity(option.len());
    for c in option.chars() {
        if c.is_alphanumeric() {
            name.extend(c.to_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').into()
}

impl ImageSpec {
    /// The file for these options, which `option` gives by the name of a trait. `None` when one of them is blank.
    ///
    /// # Errors
    /// A sentence, for a name that `option` does not know.
    pub fn file(&self, option: impl Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
        let mut path = String::new();
        let mut rest = self.source.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or("no } closes a { in source")?;
            let chosen = option(name).ok_or_else(|| format!("{name} in source is no choice or palette"))?;
            if self.blank.contains(&chosen) {
                return Ok(None);
            }
            path.push_str(before);
            path.push_str(&file_name(&chosen));
            rest = behind;
        }
        path.push_str(rest);
        Ok(Some(path))
    }

    /// The traits that the source names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.source.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
    }

    /// Every file that it may show.
    ///
    /// # Errors
    /// A sentence, for a name that is no choice, or for too many combinations.
    pub fn files(&self, manifest: &Manifest) -> Result<Vec<String>, String> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.dedup();
        let mut combinations: Vec<Vec<(&str, String)>> = alloc::vec![Vec::new()];
        for name in names {
            let options = manifest.options(name)?;
            if combinations.len() * options.len() > limits::FILES * 4 {
                return Err("its source names too many combinations of options".into());
            }
            let mut more = Vec::with_capacity(combinations.len() * options.len());
            for one in &combinations {
                more.extend(options.iter().map(|option| [&one[..], &[(name, option.clone())]].concat()));
            }
            combinations = more;
        }
        let mut files = Vec::new();
        for chosen in combinations {
            let option =
                |name: &str| chosen.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
            files.extend(self.file(option)?);
        }
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }
}

impl Manifest {
    /// The options of a choice or palette trait.
    fn options(&self, name: &str) -> Result<Vec<String>, String> {
        let found = self.traits.iter().find(|t| t.name == name);
        match found.map(|t| &t.draw) {
            Some(Drawn::Choice(options)) => Ok(options.iter().map(|o| o.value.clone()).collect()),
            Some(Drawn::Palette(options)) => Ok(options.iter().map(|o| o.value.clone()).collect()),
            Some(_) => Err(format!("{name} is no choice, so it cannot name a file")),
            None => Err(no_such("trait", name, self.traits.iter().map(|t| t.name.as_str()))),
        }
    }

    /// The names that layers may use.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let traits = self.traits.iter().map(|t| t.name.as_str());
        traits.chain(self.gauges.iter().map(|g| g.name.as_str())).collect()
    }

    pub(super) fn check_layers(&self) -> Result<(), String> {
        let names = self.names();
        for (at, mask) in self.masks.iter().enumerate() {
            let blame = |why: String| format!("mask {:?}: {why}", mask.layer.name);
            if mask.layer.mask.is_some() {
                return Err(blame("a mask has no mask of its own".into()));
            }
            if self.masks[..at].iter().any(|other| other.layer.name == mask.layer.name) {
                return Err(blame("there are two of this name".into()));
            }
            self.check_layer(&mask.layer, &names).map_err(blame)?;
        }
        for layer in &self.layers {
            self.check_layer(layer, &names).map_err(|why| format!("layer {:?}: {why}", layer.name))?;
        }
        Ok(())
    }

    fn check_layer(&self, layer: &LayerSpec, names: &[&str]) -> Result<(), String> {
        if layer.name.is_empty() || layer.name.len() > limits::NAME_BYTES {
            return Err(format!("its name has 1 to {} bytes", limits::NAME_BYTES));
        }
        layer.when.iter().try_for_each(|when| when.check(names)).map_err(|why| format!("when: {why}"))?;
        layer.opacity.check(names).map_err(|why| format!("opacity: {why}"))?;
        if let Some(TransformSpec { translate, rotate, scale, origin }) = &layer.transform {
            let all = translate.iter().chain([rotate]).chain(scale).chain(origin);
            numbers(all, names).map_err(|why| format!("transform: {why}"))?;
        }
        if let Some(mask) = &layer.mask {
            let masks = || self.masks.iter().map(|mask| mask.layer.name.as_str());
            if !masks().any(|known| known == mask) {
                return Err(no_such("mask", mask, masks()));
            }
        }
        self.check_content(&layer.content, names)
    }

    fn check_content(&self, content: &ContentSpec, names: &[&str]) -> Result<(), String> {
        match content {
            ContentSpec::Svg(svg) => {
                self.file(&svg.source)?;
                between("steps", svg.steps, 1, limits::TEMPLATE_STEPS)?;
                between("bytes", svg.bytes, 1, limits::SVG_BYTES)?;
                between("elements", svg.elements, 1, limits::SVG_ELEMENTS)?;
                between("overdraw", svg.overdraw, 1, 64)
            }
            ContentSpec::Shader(shader) => {
                self.file(&shader.source)?;
                self.file(&shader.program)?;
                between("ops", shader.ops, 1, limits::SHADER_OPS)?;
                at_most("values", shader.values.len(), limits::TRAITS)?;
                at_most("images", shader.images.len(), limits::SHADER_IMAGES)?;
                for (name, value) in &shader.values {
                    super::is_name(name)?;
                    if names.contains(&name.as_str()) {
                        return Err(format!("values: {name} is a trait or gauge already"));
                    }
                    value.check(names).map_err(|why| format!("values: {name}: {why}"))?;
                }
                for (name, picture) in &shader.images {
                    super::is_name(name)?;
                    self.file(&picture.source)?;
                    picture_fits(picture.pixels)?;
                }
                Ok(())
            }
            ContentSpec::Image(image) => {
                for file in image.files(self)? {
                    self.file(&file)
                        .map_err(|why| format!("{why}; give it, or name its option in blank = […]"))?;
                }
                picture_fits(image.pixels)?;
                area(image.area.as_ref(), names)
            }
            ContentSpec::Fill(fill) => {
                area(fill.area.as_ref(), names)?;
                fill.radius.check(names).map_err(|why| format!("radius: {why}"))?;
                let (line, stops): (&[Number], _) = match &fill.paint {
                    PaintSpec::Solid(colour) => return colour.check(names),
                    PaintSpec::Linear { line, stops } => (line, stops),
                    PaintSpec::Radial { circle, stops } => (circle, stops),
                    PaintSpec::Conic { turn, stops } => (turn, stops),
                };
                numbers(line, names).map_err(|why| format!("fill: {why}"))?;
                if !(2..=limits::STOPS).contains(&stops.len()) {
                    return Err(format!("a gradient has 2 to {} stops", limits::STOPS));
                }
                stops.iter().try_for_each(|(offset, colour)| {
                    offset.check(names)?;
                    colour.check(names)
                })
            }
            ContentSpec::Text(text) => {
                text.text.check(names)?;
                if !FONTS.contains(&text.font.as_str()) {
                    self.file(&text.font)?;
                }
                area(text.area.as_ref(), names)?;
                numbers([&text.size, &text.least_size, &text.line_height], names)?;
                between("lines", text.lines, 1, limits::TEXT_LINES)?;
                text.colour.check(names)
            }
        }
    }

    fn file(&self, path: &str) -> Result<&File, String> {
        let found = self.files.iter().find(|file| file.path == path);
        found.ok_or_else(|| format!("{path:?} is not among the package's files"))
    }
}

fn numbers<'a>(all: impl IntoIterator<Item = &'a Number>, names: &[&str]) -> Result<(), String> {
    all.into_iter().try_for_each(|number| number.check(names))
}

fn area(area: Option<&[Number; 4]>, names: &[&str]) -> Result<(), String> {
    numbers(area.into_iter().flatten(), names).map_err(|why| format!("area: {why}"))
}

fn between(what: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{what} is {least} to {most}, not {value}"))
    }
}

fn picture_fits(pixels: u32) -> Result<(), String> {
    if pixels == 0 || u64::from(pixels) > limits::IMAGE_PIXELS {
        return Err(format!("a picture of {pixels} pixels; 1 to {} are painted", limits::IMAGE_PIXELS));
    }
    Ok(())
}

impl LayerSpec {
    /// The files that are needed before any token is known: templates, programs, fonts.
    pub fn loaded(&self) -> Option<&str> {
        match &self.content {
            ContentSpec::Svg(svg) => Some(&svg.source),
            ContentSpec::Shader(shader) => Some(&shader.program),
            ContentSpec::Text(text) => (!FONTS.contains(&text.font.as_str())).then_some(&text.font),
            ContentSpec::Image(_) | ContentSpec::Fill(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_file_names() {
        for (option, name) in [("None", "none"), ("Round Eyes!", "round-eyes"), (" É 2 ", "é-2"), ("--", "")]
        {
            assert_eq!(file_name(option), name);
        }
    }

    #[test]
    fn a_source_stands_for_its_options() {
        let image = ImageSpec {
            source: "a/{hat}-{size}.png".into(),
            blank: alloc::vec!["None".into()],
            area: None,
            fit: Fit::Contain,
            pixels: 1,
        };
        let file = |hat: &str| {
            image.file(|name| match name {
                "hat" => Some(hat.into()),
                "size" => Some("Very Big".into()),
                _ => None,
            })
        };
        assert_eq!(file("Crown"), Ok(Some("a/crown-very-big.png".into())));
        assert_eq!(file("None"), Ok(None));
        assert_eq!(image.names().collect::<Vec<_>>(), ["hat", "size"]);
        assert!(ImageSpec { source: "{hut}".into(), ..image }.file(|_| None).unwrap_err().contains("hut"));
    }
}
