//! A run as a picture: each series in a panel of its own, above one axis of time.

use std::fmt::Write as _;

use crate::held::{SERIES, Sample, floor_and_mean, thirds};

const WIDTH: f64 = 860.0;
const PANEL: f64 = 74.0;
const GAP: f64 = 16.0;
/// Where the curves begin and end.
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 60.0;
/// More points than pixels show nothing.
const POINTS: usize = 700;

/// The picture, as SVG.
pub(crate) fn svg(samples: &[Sample]) -> String {
    let height = (PANEL + GAP) * SERIES.len() as f64 + 40.0;
    let end = samples.last().map_or(1.0, |sample| sample.at.as_secs_f64()).max(1.0);
    let x = |sample: &Sample| LEFT + sample.at.as_secs_f64() / end * (RIGHT - LEFT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (at, series) in SERIES.iter().enumerate() {
        let top = GAP + (PANEL + GAP) * at as f64;
        let most = samples.iter().map(|sample| sample.held[at]).fold(0.0, f64::max).max(1.0);
        let y = |value: f64| top + PANEL * (1.0 - value / most);
        let middle = top + PANEL / 2.0;
        let unit = if series.unit.is_empty() { String::new() } else { format!(", {}", series.unit) };
        let _ = writeln!(svg, "<text x=\"8\" y=\"{middle:.0}\">{}{unit}</text>", series.name);
        let mut label = |value: f64, y: f64| {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{y:.0}\" text-anchor=\"end\">{value:.0}</text>",
                LEFT - 6.0
            );
        };
        label(most, top + 10.0);
        label(0.0, top + PANEL);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{PANEL}\" fill=\"#f4f6f8\"/>",
            RIGHT - LEFT
        );
        let every = samples.len().div_ceil(POINTS).max(1);
        let points: Vec<String> = samples
            .iter()
            .step_by(every)
            .map(|sample| format!("{:.1},{:.1}", x(sample), y(sample.held[at])))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"1.2\"/>",
            points.join(" ")
        );
        // What is compared: the least of the first third and of the last.
        for third in thirds(samples) {
            let (Some(first), Some(last)) = (third.first(), third.last()) else { continue };
            let floor = floor_and_mean(third, at).0;
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {y:.1}H{:.1}\" stroke=\"#d1242f\" stroke-width=\"2\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#d1242f\">{floor:.0}</text>",
                x(first),
                x(last),
                x(last) + 4.0,
                y(floor) + 4.0,
                y = y(floor),
            );
        }
    }
    let base = height - 12.0;
    let minutes = (end / 60.0).max(1.0) as usize;
    for minute in (0..=minutes).step_by(minutes.div_ceil(12)) {
        let x = LEFT + minute as f64 * 60.0 / end * (RIGHT - LEFT);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{base}\" text-anchor=\"middle\">{minute} min</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

/// The same as a table in Markdown. `after` is what was left when everybody had gone.
pub(crate) fn table(samples: &[Sample], after: &Sample) -> String {
    let mut table = String::from(
        "| | before | least of the first third | least of the last | mean of the first | mean of the last | most | \
         when all had left |\n|---|---|---|---|---|---|---|---|\n",
    );
    let [first, last] = thirds(samples);
    for (at, series) in SERIES.iter().enumerate() {
        let ((least_first, mean_first), (least_last, mean_last)) =
            (floor_and_mean(first, at), floor_and_mean(last, at));
        let most = samples.iter().map(|sample| sample.held[at]).fold(0.0, f64::max);
        let values =
            [samples[0].held[at], least_first, least_last, mean_first, mean_last, most, after.held[at]];
        let values = values
            .map(|value| if series.unit == "MB" { format!("{value:.1}") } else { format!("{value:.0}") });
        let unit = if series.unit.is_empty() { String::new() } else { format!(", {}", series.unit) };
        let _ = writeln!(table, "| {}{unit} | {} |", series.name, values.join(" | "));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_picture_has_a_curve_and_two_floors_for_each_series() {
        let samples: Vec<Sample> = (0..60)
            .map(|at| Sample { at: Duration::from_secs(at), held: [at as f64; SERIES.len()] })
            .collect();
        let svg = svg(&samples);
        assert_eq!(svg.matches("<polyline").count(), SERIES.len());
        assert_eq!(svg.matches("<path").count(), 2 * SERIES.len());
        assert!(
            table(&samples, &samples[0])
                .contains("| memory, MB | 0.0 | 30.0 | 50.0 | 34.5 | 54.5 | 59.0 | 0.0 |")
        );
    }
}
