//! Curves over two axes, drawn as SVG.

use anyhow::{Context as _, anyhow};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use super::figure;

/// Width and height of a plot.
const SIZE: (u32, u32) = (860, 380);
/// One colour for each curve, in turn: distinct for most eyes (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(40, 40, 40),
];

/// A curve, by name.
pub struct Curve {
    pub name: String,
    /// From the left to the right.
    pub points: Vec<(f64, f64)>,
}

/// An axis: what it shows, and whether equal steps are equal ratios. Such an axis shows positive values only.
#[derive(Clone, Copy)]
pub struct Axis<'a> {
    pub name: &'a str,
    pub logarithmic: bool,
}

/// Draws curves over two axes, with a legend.
///
/// # Errors
/// When there is nothing to draw.
pub fn curves(title: &str, x: Axis<'_>, y: Axis<'_>, curves: &[Curve]) -> anyhow::Result<String> {
    let range = |axis: Axis<'_>, of: fn(&(f64, f64)) -> f64| -> anyhow::Result<(f64, f64)> {
        let seen = curves.iter().flat_map(|curve| &curve.points).map(of);
        let seen: Vec<f64> = seen.filter(|value| !axis.logarithmic || *value > 0.0).collect();
        let low = seen.iter().copied().reduce(f64::min).context("no point to draw")?;
        let high = seen.iter().copied().reduce(f64::max).context("no point to draw")?;
        Ok(if axis.logarithmic {
            (low * 0.8, high * 1.25)
        } else {
            (low.min(0.0), high * 1.05 + f64::EPSILON)
        })
    };
    let (across, up) = (range(x, |point| point.0)?, range(y, |point| point.1)?);
    let mut svg = String::new();
    let (wide, tall) = (across.0..across.1, up.0..up.1);
    match (x.logarithmic, y.logarithmic) {
        (false, false) => draw(&mut svg, title, (x, y), curves, wide, tall),
        (true, false) => draw(&mut svg, title, (x, y), curves, wide.log_scale(), tall),
        (false, true) => draw(&mut svg, title, (x, y), curves, wide, tall.log_scale()),
        (true, true) => draw(&mut svg, title, (x, y), curves, wide.log_scale(), tall.log_scale()),
    }
    .map_err(|why| anyhow!("{why}"))?;
    Ok(svg)
}

fn draw<X, Y>(
    svg: &mut String,
    title: &str,
    (x, y): (Axis<'_>, Axis<'_>),
    curves: &[Curve],
    across: X,
    up: Y,
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(across, up)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x.name).y_desc(y.name).label_style(("sans-serif", 12)).light_line_style(TRANSPARENT);
    mesh.x_label_formatter(&|value| figure(*value)).y_label_formatter(&|value| figure(*value)).draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let shown = curve.points.iter().copied();
        let shown: Vec<_> =
            shown.filter(|p| (!x.logarithmic || p.0 > 0.0) && (!y.logarithmic || p.1 > 0.0)).collect();
        let line = LineSeries::new(shown, colour.stroke_width(2)).point_size(3);
        let mark = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3));
        chart.draw_series(line)?.label(&curve.name).legend(mark);
    }
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::UpperLeft).label_font(("sans-serif", 12));
    legend.background_style(WHITE.mix(0.85)).border_style(BLACK.mix(0.2)).draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_curve_stands_in_the_picture_by_name_and_nothing_is_an_error() {
        let axis = |logarithmic| Axis { name: "how far", logarithmic };
        let curve = |name: &str, points: &[(f64, f64)]| Curve { name: name.into(), points: points.into() };
        let both = [curve("one", &[(1.0, 1.0), (10.0, 100.0)]), curve("two", &[(0.0, 0.0), (10.0, 3.0)])];
        for logarithmic in [false, true] {
            let svg = curves("a title", axis(true), axis(logarithmic), &both).unwrap();
            for word in ["<svg", "a title", "how far", "one", "two"] {
                assert!(svg.contains(word), "{word} is missing");
            }
        }
        assert!(curves("", axis(false), axis(false), &[]).is_err());
    }
}
