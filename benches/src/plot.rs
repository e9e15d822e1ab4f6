//! Bars with their spread, as SVG.
//!
//! Rules of this room: figures in, text out; it paints its own ground, after the reader's choice, so that it reads on a light and on a dark page.

use std::fmt::Write;

use crate::statistics::Spread;

/// A group of bars: a heading, and a name and figure for each bar.
#[derive(Clone, Debug)]
pub struct Group {
    /// What was asked.
    pub heading: String,
    /// Who was asked, and the ratio to the measure.
    pub bars: Vec<(String, Spread)>,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 80.0;
const BAR: f64 = 16.0;
const STEP: f64 = 22.0;

const STYLE: &str = "<style>\n  .page { fill: #ffffff } text { fill: #1f2933 } .bar { fill: #bcccdc } .ours { fill: #62b0e8 } line { stroke: #52606d }\n  \
    @media (prefers-color-scheme: dark) {\n    .page { fill: #1c2128 } text { fill: #e4e7eb } .bar { fill: #616e7c } .ours { fill: #2680c2 } \
    line { stroke: #cbd2d9 }\n  }\n</style>\n";

/// One picture of all groups; a line marks the ratio of 1.
pub fn render(title: &str, groups: &[Group]) -> String {
    let most = groups
        .iter()
        .flat_map(|group| &group.bars)
        .map(|(_, spread)| spread.most)
        .fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let rows: usize = groups.iter().map(|group| group.bars.len() + 2).sum();
    let height = 50.0 + rows as f64 * STEP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<title>{title}</title>\n{STYLE}\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"600\">{title}</text>\n",
        title = escaped(title)
    );
    let mut top = 50.0;
    for group in groups {
        let bottom = top + (group.bars.len() as f64 + 1.0) * STEP - 4.0;
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<text x=\"12\" y=\"{:.0}\" font-weight=\"600\">{}</text>\n\
             <line x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{:.0}\" y2=\"{bottom:.0}\" stroke-dasharray=\"3 3\"/>\n",
            top + 12.0,
            escaped(&group.heading),
            top + 18.0,
            one = LEFT + scale
        );
        for (number, (name, spread)) in group.bars.iter().enumerate() {
            let y = top + (number as f64 + 1.0) * STEP;
            bar(&mut svg, y, scale, name, spread);
        }
        top = bottom + STEP + 4.0;
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, y: f64, scale: f64, name: &str, spread: &Spread) {
    let class = if name.starts_with("rwgi") { "bar ours" } else { "bar" };
    let end = LEFT + spread.median * scale;
    let middle = y + BAR / 2.0;
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" class=\"{class}\"/>\n\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>\n",
        LEFT - 6.0,
        y + 12.0,
        escaped(name),
        spread.median * scale,
        LEFT + spread.least * scale,
        LEFT + spread.most * scale,
        end.max(LEFT + spread.most * scale) + 6.0,
        y + 12.0,
        spread.median,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_bar_for_each_figure_and_escapes_its_text() {
        let spread = Spread { median: 1.0, least: 0.9, most: 1.1 };
        let bars = vec![("rwgi".to_owned(), spread), ("a<b".to_owned(), spread)];
        let svg = render("t", &[Group { heading: "h".to_owned(), bars }]);
        assert_eq!(svg.matches("height=\"16\"").count(), 2);
        assert!(svg.contains("a&lt;b") && svg.ends_with("</svg>\n"));
    }
}
