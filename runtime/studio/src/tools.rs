//! The tools that building takes beyond core: the WGSL compiler and the picture decoders.

use iridule_core::author::Workshop;
use iridule_wgsl::Options;

/// The WGSL compiler of `iridule-wgsl` and the decoders of `iridule-raster`.
#[derive(Debug, Clone, Copy)]
pub struct Tools;

impl Workshop for Tools {
    fn compile(&self, path: &str, module: &str) -> Result<Vec<u8>, String> {
        match iridule_wgsl::compile(module, &Options::default()) {
            Ok(compiled) => Ok(compiled.program.encode()),
            Err(faults) => {
                let faults: Vec<String> = faults.iter().map(|fault| fault.render(path, module)).collect();
                Err(faults.join("\n"))
            }
        }
    }

    fn measure(&self, picture: &[u8]) -> Result<(u32, u32), String> {
        let info = iridule_raster::image::inspect(picture).map_err(|why| why.to_string())?;
        Ok((info.width, info.height))
    }
}
