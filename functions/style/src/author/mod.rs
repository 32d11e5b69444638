//! Reading what an artist writes: `style.toml` and the files beside it become a package. Publish time only.
//!
//! The TOML is `toml.rs`'s; what the numbers mean is checked once, by [`Manifest::check`]. Compiling a shader and
//! measuring a picture take crates that core does not know, so a [`Workshop`] does that.

mod toml;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use iridule_records::block;

use alloy_primitives::U256;
use cid::Cid;
use serde::Deserialize;

use crate::{
    manifest::{ContentSpec, File, Manifest},
    package, shader,
    template::Template,
};
use iridule_records::{
    block::Block,
    collection::{self, Collection},
    token::Tokens,
};
use iridule_scene::limits;

/// What building takes that core cannot do itself.
pub trait Workshop {
    /// Compiles a whole WGSL module. `path` is the author's file, for messages.
    ///
    /// # Errors
    /// What is wrong with it, with lines. Lines past the end of the author's file are of what was appended to it.
    fn compile(&self, path: &str, module: &str) -> Result<Compiled, String>;

    /// The width and height of a picture file, in pixels.
    ///
    /// # Errors
    /// What is wrong with it.
    fn measure(&self, picture: &[u8]) -> Result<(u32, u32), String>;

    /// Whether text can be set in a font file.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read_font(&self, font: &[u8]) -> Result<(), String>;
}

/// A compiled shader.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The bytes of a strip VM program.
    pub program: Vec<u8>,
    /// What runs here and may not in a browser or on a GPU, one message each, with lines.
    pub warnings: Vec<String>,
}

/// A workshop without tools: for styles of templates, fills and text in the fonts that come with Iridule.
#[derive(Debug, Clone, Copy)]
pub struct ByHand;

impl Workshop for ByHand {
    fn compile(&self, path: &str, _: &str) -> Result<Compiled, String> {
        Err(format!("{path}: shaders are not compiled here"))
    }

    fn measure(&self, _: &[u8]) -> Result<(u32, u32), String> {
        Err("pictures are not measured here".into())
    }

    fn read_font(&self, _: &[u8]) -> Result<(), String> {
        Err("fonts are not read here".into())
    }
}

/// A built package: its manifest's name and every block, the manifest's last.
#[derive(Debug, Clone)]
pub struct Package {
    /// The style's identity.
    pub cid: Cid,
    /// What `style.toml` said.
    pub manifest: Manifest,
    /// All blocks, each once.
    pub blocks: Vec<Block>,
    /// What the compiler of shaders warned of.
    pub warnings: Vec<String>,
}

/// Builds a package from the text of `style.toml` and a way to read the files that it names. `collection_toml`, where
/// there is one, gives overridden tokens their seeds.
///
/// The same input gives the same CID on every machine.
///
/// # Errors
/// A sentence that names the file, the part and, where there is one, the line.
pub fn build(
    style_toml: &str,
    collection_toml: Option<&str>,
    workshop: &impl Workshop,
    read: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Package, String> {
    let seed = |token: u64| {
        let collection =
            collection_toml.ok_or("overrides need a collection.toml, which gives tokens their seeds")?;
        let record = CollectionToml::read(collection)?;
        Ok(iridule_records::seed::Seed::derived(record.chain_id, record.contract()?, U256::from(token)).0.0)
    };
    let mut manifest = toml::parse(style_toml, seed).map_err(|why| format!("style.toml: {why}"))?;
    let mut packing = Packing { workshop, read, files: Vec::new(), blocks: Vec::new(), warnings: Vec::new() };
    let contents = packing.contents(&manifest)?;
    for (spec, content) in specs(&mut manifest).zip(contents) {
        *spec = content;
    }
    manifest.files = core::mem::take(&mut packing.files);
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    manifest.check().map_err(|why| format!("style.toml: {why}"))?;
    let Packing { mut blocks, warnings, .. } = packing;
    let block = Block::new(block::DAG_CBOR, manifest.encode()?)?;
    let cid = block.cid;
    blocks.push(block);
    Ok(Package { cid, manifest, blocks, warnings })
}

fn specs(manifest: &mut Manifest) -> impl Iterator<Item = &mut ContentSpec> {
    let masks = manifest.masks.iter_mut().map(|mask| &mut mask.layer);
    manifest.layers.iter_mut().chain(masks).map(|layer| &mut layer.content)
}

/// A package while its files come in.
struct Packing<'a, W, R> {
    workshop: &'a W,
    read: R,
    files: Vec<File>,
    blocks: Vec<Block>,
    warnings: Vec<String>,
}

impl<W: Workshop, R: FnMut(&str) -> Result<Vec<u8>, String>> Packing<'_, W, R> {
    /// Takes in every file that layers and masks name, and fills in what is only known from them.
    fn contents(&mut self, manifest: &Manifest) -> Result<Vec<ContentSpec>, String> {
        let layers = manifest.layers.iter().chain(manifest.masks.iter().map(|mask| &mask.layer));
        let mut all = Vec::new();
        for layer in layers {
            let blame = |why| format!("style.toml: layer {:?}: {why}", layer.name);
            let mut content = layer.content.clone();
            match &mut content {
                ContentSpec::Svg(svg) => {
                    let text = self.text(&svg.source)?;
                    let template = Template::compile(&text);
                    template
                        .and_then(|template| template.check(&manifest.names()))
                        .map_err(|why| format!("{}: {why}", svg.source))?;
                    self.add(&svg.source, text.into_bytes())?;
                }
                ContentSpec::Shader(shader) => {
                    for (_, picture) in &mut shader.images {
                        picture.pixels = self.picture(&picture.source)?;
                    }
                    let module = self.text(&shader.source)? + &shader::declarations(manifest, shader);
                    let Compiled { program, warnings } = self.workshop.compile(&shader.source, &module)?;
                    self.warnings.extend(warnings);
                    // Two layers may share a file and differ in their values, hence in their declarations.
                    if self.files.iter().any(|file| file.path == shader.program) {
                        shader.program = format!("{}.{}", shader.program, all.len());
                        shader.source = format!("{}.{}", shader.source, all.len());
                    }
                    self.add(&shader.source, module.into_bytes())?;
                    self.add(&shader.program, program)?;
                }
                ContentSpec::Image(image) => {
                    let mut pixels = 0;
                    for path in image.files(manifest).map_err(blame)? {
                        pixels = pixels.max(self.picture(&path)?);
                    }
                    image.pixels = pixels;
                }
                ContentSpec::Text(text) if !crate::manifest::FONTS.contains(&text.font.as_str()) => {
                    let font = (self.read)(&text.font)?;
                    self.workshop.read_font(&font).map_err(|why| format!("{}: {why}", text.font))?;
                    self.add(&text.font, font)?;
                }
                ContentSpec::Text(_) | ContentSpec::Fill(_) => {}
            }
            all.push(content);
        }
        Ok(all)
    }

    fn text(&mut self, path: &str) -> Result<String, String> {
        String::from_utf8((self.read)(path)?).map_err(|_| format!("{path}: not UTF-8"))
    }

    /// Takes in a picture file, and gives its pixels.
    fn picture(&mut self, path: &str) -> Result<u32, String> {
        let bytes = (self.read)(path)?;
        let (width, height) = self.workshop.measure(&bytes).map_err(|why| format!("{path}: {why}"))?;
        let pixels = width.checked_mul(height).filter(|pixels| u64::from(*pixels) <= limits::IMAGE_PIXELS);
        self.add(path, bytes)?;
        pixels.ok_or_else(|| {
            format!("{path}: {width} × {height} pixels; {} are the most", limits::IMAGE_PIXELS)
        })
    }

    /// Cuts a file into blocks; one that is there already is taken once.
    fn add(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), String> {
        if self.files.iter().any(|file| file.path == path) {
            return Ok(());
        }
        let (file, leaves) = package::split(path, &bytes)?;
        self.files.push(file);
        for leaf in leaves {
            if !self.blocks.contains(&leaf) {
                self.blocks.push(leaf);
            }
        }
        Ok(())
    }
}

/// `collection.toml`: everything of a record but its style and its history.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectionToml {
    name: String,
    description: String,
    chain_id: u64,
    contract: String,
    first: u64,
    supply: u64,
    #[serde(default)]
    tokens: Tokens,
}

impl CollectionToml {
    fn read(text: &str) -> Result<Self, String> {
        ::toml::from_str(text).map_err(|e| format!("collection.toml: {e}"))
    }

    fn contract(&self) -> Result<alloy_primitives::Address, String> {
        self.contract
            .parse()
            .map_err(|_| "collection.toml: contract is 0x and 40 hexadecimal digits".to_string())
    }
}

/// A collection's first record, by what `collection.toml` beside a style says.
///
/// # Errors
/// A sentence on what is wrong.
pub fn collection(slug: &str, collection_toml: &str, style: Cid) -> Result<Collection, String> {
    let toml = CollectionToml::read(collection_toml)?;
    let contract = toml.contract()?;
    let record = Collection {
        version: collection::VERSION,
        slug: slug.into(),
        name: toml.name,
        description: toml.description,
        chain_id: toml.chain_id,
        contract,
        first: toml.first,
        supply: toml.supply,
        tokens: toml.tokens,
        sequence: 1,
        style,
        canary: None,
        history: Vec::new(),
    };
    record.check().map_err(|why| format!("collection.toml: {why}"))?;
    Ok(record)
}
