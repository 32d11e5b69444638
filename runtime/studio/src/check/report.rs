//! The report as people read it.

use std::fmt;

use iridule_style::{
    limits,
    plan::{Plan, Reason},
};

use super::CheckReport;

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, bytes) = self.files;
        writeln!(f, "{}  {}", self.name, self.cid)?;
        writeln!(f, "{files} files, {} kB", bytes.div_ceil(1000))?;

        let name = self.layers.iter().map(|layer| layer.name.chars().count()).max().unwrap_or(0).max(5);
        writeln!(f, "\n{:name$}  kind    shown  {:58}  cost", "layer", "used of declared")?;
        for layer in &self.layers {
            let used = layer.used.iter().map(|(declared, used, unit)| format!("{used} of {declared} {unit}"));
            let used = used.collect::<Vec<_>>().join(", ");
            writeln!(
                f,
                "{:name$}  {:6}  {:>3} %  {:58}  {}",
                layer.name,
                layer.kind,
                layer.shown,
                used,
                CostShare(layer.cost)
            )?;
        }

        writeln!(f, "\nwidth     how            cost")?;
        for (width, plan, cost) in &self.sizes {
            let how = match plan {
                Plan::Paint => "painted",
                Plan::Derive => "derived",
                Plan::Escalate(
                    Reason::Cost(_)
                    | Reason::Pixels(_)
                    | Reason::Files(_)
                    | Reason::Format(_)
                    | Reason::Lossy(_),
                ) => "by an origin",
            };
            writeln!(f, "{width:>5} px  {how:13}  {}", CostShare(*cost))?;
        }

        let (tokens, states, painted) = self.examined;
        writeln!(f, "\nlooked at {tokens} tokens in {states} states each, and painted {painted} pictures")?;
        for finding in &self.findings {
            writeln!(f, "\nworth a look: {finding}")?;
        }
        if self.findings.is_empty() {
            writeln!(f, "nothing to complain of")?;
        }
        Ok(())
    }
}

/// Cost units, with their share of what an edge spends on a picture.
struct CostShare(u64);

impl fmt::Display for CostShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.0.saturating_mul(1000) / limits::EDGE_COST;
        write!(f, "{:>4}.{} %", thousandths / 10, thousandths % 10)
    }
}
