//! Reading a file: naga's parser and validator, overrides, and the choice of an entry point.

use std::borrow::Cow;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, Span, TypeInner};

use crate::Options;
use crate::diagnostic::Diagnostic;

/// A valid module without overrides, and the entry point to compile.
pub(crate) struct Front {
    pub module: Module,
    pub info: ModuleInfo,
    pub entry: usize,
}

fn capabilities() -> Capabilities {
    Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::MULTISAMPLED_SHADING
        | Capabilities::PRIMITIVE_INDEX
        | Capabilities::DUAL_SOURCE_BLENDING
        | Capabilities::CUBE_ARRAY_TEXTURES
}

/// Parses, validates, and settles what is open.
pub(crate) fn front(source: &str, options: &Options) -> Result<Front, Vec<Diagnostic>> {
    let settings =
        naga::front::wgsl::Options { capabilities: capabilities(), ..naga::front::wgsl::Options::new() };
    let parsed = naga::front::wgsl::Frontend::new_with_options(settings).parse(source);
    let module = parsed.map_err(|error| {
        let mut labels = error.labels();
        let (span, label) = labels.next().unwrap_or((Span::UNDEFINED, ""));
        let notes: Vec<&str> = error.notes().collect();
        let help = if notes.is_empty() { label.to_owned() } else { notes.join("; ") };
        let diagnostic = Diagnostic::error(error.message(), span);
        vec![if help.is_empty() { diagnostic } else { diagnostic.help(help) }]
    })?;
    let info = Validator::new(ValidationFlags::all(), capabilities()).validate(&module).map_err(|error| {
        let span = error.spans().next().map_or(Span::UNDEFINED, |(span, _)| *span);
        let mut message = error.as_inner().to_string();
        let mut cause = std::error::Error::source(error.as_inner());
        while let Some(next) = cause {
            message = format!("{message}: {next}");
            cause = next.source();
        }
        vec![Diagnostic::error(message, span)]
    })?;
    let name = choose(&module, options).map_err(|refused| vec![refused])?;
    refuse_outside(&module).map_err(|refused| vec![refused])?;
    let constants = options.overrides.iter().cloned().collect();
    let stage = Some((ShaderStage::Fragment, name.as_str()));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, stage, &constants)
        .map(|(module, info): (Cow<'_, Module>, Cow<'_, ModuleInfo>)| {
            (module.into_owned(), info.into_owned())
        })
        .map_err(|error| {
            let help = "give every `override` a default, or a value";
            vec![Diagnostic::error(error.to_string(), Span::UNDEFINED).help(help)]
        })?;
    let entry = module.entry_points.iter().position(|e| e.stage == ShaderStage::Fragment && e.name == name);
    let entry = entry.ok_or_else(|| vec![Diagnostic::error("the entry point is gone", Span::UNDEFINED)])?;
    Ok(Front { module, info, entry })
}

/// The name of the fragment entry point that is asked for, or of the only one.
fn choose(module: &Module, options: &Options) -> Result<String, Diagnostic> {
    let fragments = module.entry_points.iter().filter(|e| e.stage == ShaderStage::Fragment);
    let names: Vec<&str> = fragments.map(|e| e.name.as_str()).collect();
    let listed = || format!("its fragment entry points are: {}", names.join(", "));
    match (&options.entry, &names[..]) {
        (_, []) => Err(Diagnostic::error("this file has no fragment entry point", Span::UNDEFINED)
            .help("write `@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f`")),
        (Some(name), names) if names.contains(&name.as_str()) => Ok(name.clone()),
        (Some(name), _) => {
            Err(Diagnostic::error(format!("there is no fragment entry point `{name}`"), Span::UNDEFINED)
                .help(listed()))
        }
        (None, [name]) => Ok((*name).to_owned()),
        (None, _) => {
            let preferred = names.iter().find(|name| **name == "main");
            preferred.map(|name| (*name).to_owned()).ok_or_else(|| {
                Diagnostic::error("this file has several fragment entry points", Span::UNDEFINED)
                    .help(format!("name one; {}", listed()))
            })
        }
    }
}

/// Refuses resources that no picture's shader has.
fn refuse_outside(module: &Module) -> Result<(), Diagnostic> {
    for (handle, variable) in module.global_variables.iter() {
        let span = module.global_variables.get_span(handle);
        let refused = |what: &str, help: &str| {
            let name = variable.name.as_deref().unwrap_or("?");
            Err(Diagnostic::error(format!("`{name}` is {what}, which a style's shader cannot use"), span)
                .help(help))
        };
        match variable.space {
            AddressSpace::Storage { .. } => {
                return refused("a storage buffer", "use `var<uniform>`, or put the data into a texture");
            }
            AddressSpace::WorkGroup => {
                return refused("workgroup memory", "use `var<private>`: pixels do not share memory");
            }
            AddressSpace::Immediate | AddressSpace::TaskPayload => {
                return refused(
                    "in an address space of other stages",
                    "use `var<uniform>` or `var<private>`",
                );
            }
            AddressSpace::Handle => {
                if let TypeInner::Image { class: naga::ImageClass::Storage { .. }, .. } =
                    module.types[variable.ty].inner
                {
                    return refused("a storage texture", "return the colour from the entry point instead");
                }
            }
            _ => {}
        }
    }
    Ok(())
}
