//! The tools that building a style needs: the WGSL compiler, the image decoders, the font reader.

use iridule_style::author::{Compiled, Workshop};
use iridule_wgsl::{Diagnostic, Options};

/// The WGSL compiler of `iridule-wgsl` and what `iridule-raster` reads.
#[derive(Debug, Clone, Copy)]
pub struct StyleTools;

impl Workshop for StyleTools {
    fn compile(&self, path: &str, module: &str) -> Result<Compiled, String> {
        let all = |found: &[Diagnostic]| found.iter().map(|one| one.render(path, module)).collect::<Vec<_>>();
        match iridule_wgsl::compile(module, &Options::default()) {
            Ok(compiled) => {
                Ok(Compiled { program: compiled.program.encode(), warnings: all(&compiled.warnings) })
            }
            Err(faults) => Err(format!("{path} is not a shader layer:\n{}", all(&faults).join("\n"))),
        }
    }

    fn measure(&self, picture: &[u8]) -> Result<(u32, u32), String> {
        let info = iridule_raster::image::inspect(picture).map_err(|why| why.to_string())?;
        Ok((info.width, info.height))
    }

    fn read_font(&self, font: &[u8]) -> Result<(), String> {
        iridule_raster::text::admit(font).map_err(|why| why.to_string())
    }
}
