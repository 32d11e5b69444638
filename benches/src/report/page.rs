//! The page of a report, drawn from the parts in its folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use minijinja::{Environment, context};

use super::{Part, figure};

/// Draws `index.html` of all parts in the folder, and says where it is.
pub(super) fn draw(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        if file.extension() == Some("json".as_ref()) {
            let part: Part = serde_json::from_slice(&fs::read(&file)?)
                .with_context(|| format!("{} is of another version; delete it", file.display()))?;
            parts.push(part);
        }
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    let page = folder.join("index.html");
    fs::write(&page, html(&parts)?).with_context(|| page.display().to_string())?;
    Ok(page)
}

fn html(parts: &[Part]) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page.html"))?;
    environment.add_filter("figure", figure);
    let parts: Vec<_> = parts.iter().map(shown).collect();
    Ok(environment.get_template("page.html")?.render(context! { parts })?)
}

fn shown(part: &Part) -> minijinja::Value {
    let sections: Vec<_> = part
        .sections
        .iter()
        .map(|section| {
            let most = section.rows.iter().map(|row| row.spread().1).fold(f64::MIN_POSITIVE, f64::max);
            let rows = section.rows.iter().map(|row| {
                let (low, high) = row.spread();
                let share = |value: f64| 100.0 * value / most;
                let more = section.more_names().into_iter().map(|name| {
                    let more = row.more.iter().find(|more| more.0 == name);
                    more.map_or_else(String::new, |more| more.1.clone())
                });
                context! {
                    case => row.case.clone(), ours => row.case.starts_with("iridule"),
                    median => row.median(), low, high,
                    wide => share(row.median()), from => share(low), to => share(high),
                    more => more.collect::<Vec<_>>(),
                }
            });
            let bars = section.bars.iter().map(|bar| context! { met => bar.is_met(), said => bar.said() });
            context! {
                title => section.title.clone(), about => section.about.clone(), unit => section.unit.name(),
                names => section.more_names().into_iter().map(str::to_owned).collect::<Vec<_>>(),
                rows => rows.collect::<Vec<_>>(), bars => bars.collect::<Vec<_>>(),
                plots => section.plots.clone(), skipped => section.skipped.clone(),
            }
        })
        .collect();
    context! {
        command => part.command.clone(), machine => part.machine.to_string(), rounds => part.rounds,
        seconds => part.seconds, sections,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::Machine,
        report::{Bound, Row, Section},
    };

    #[test]
    fn a_page_shows_every_part_and_escapes_what_it_was_told() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let mut section =
                Section { title: format!("<{name}>"), about: "By `a < b`.".into(), ..Section::default() };
            section.rows = vec![Row::new("ours", vec![1.0]), Row::new("theirs", vec![4.0]).with("p99", "5")];
            section.hold("faster", ("ours", "theirs"), Bound::AtMost(0.5), "");
            section.plots = vec!["<svg>drawn</svg>".into()];
            let machine = Machine { processor: "P".into(), cores: 2, memory: 24, system: "linux".into() };
            let command = "cargo xtask bench a".into();
            let sections = vec![section];
            let part = Part { name: name.into(), command, seconds: 0, machine, rounds: 5, sections };
            part.save(folder.path()).unwrap();
        }
        let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
        for word in [
            "&lt;a&gt;",
            "&lt;b&gt;",
            "<code>a &lt; b</code>.",
            "<svg>drawn</svg>",
            "4.00",
            "p99",
            "faster: met, 0.250",
        ] {
            assert!(page.contains(word), "{word} is missing in\n{page}");
        }
    }
}
