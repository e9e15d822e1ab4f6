//! The table of phases as a picture.
//!
//! Rules of this room: which arrows there are comes out of the table; only where a phase stands on the page, and which arrow bends, is
//! said here. It paints its own ground, so that it reads on a light and on a dark page.

use std::fmt::Write as _;

use rwgi::protocol::Phase;

use super::arrows;

/// Half of a box.
const BOX: (f64, f64) = (54.0, 20.0);

/// Where a phase stands.
fn place(phase: Phase) -> (f64, f64) {
    match phase {
        Phase::Waiting => (100.0, 190.0),
        Phase::Started => (290.0, 190.0),
        Phase::Committed => (500.0, 190.0),
        Phase::Finished => (700.0, 190.0),
        Phase::Completed => (1010.0, 190.0),
        Phase::Failed => (290.0, 60.0),
        Phase::Abandoned => (500.0, 60.0),
        Phase::Aborted => (700.0, 60.0),
        Phase::Cancelled => (1010.0, 60.0),
        Phase::Answered => (290.0, 330.0),
        Phase::Upgraded => (290.0, 420.0),
    }
}

/// The way of an arrow that is not straight, and where its words stand.
fn bend(from: Phase, to: Phase) -> Option<(&'static str, f64, f64)> {
    Some(match (from, to) {
        (Phase::Started, Phase::Started) => ("M 318 210 C 325 250, 365 245, 344 204", 386.0, 246.0),
        (Phase::Committed, Phase::Committed) => {
            ("M 472 210 C 465 250, 425 245, 446 204", 456.0, 264.0)
        }
        (Phase::Committed, Phase::Completed) => {
            ("M 515 210 C 560 290, 930 290, 988 213", 860.0, 288.0)
        }
        (Phase::Answered, Phase::Completed) => {
            ("M 344 330 L 970 330 Q 1010 330, 1010 290 L 1010 213", 600.0, 322.0)
        }
        (Phase::Answered, Phase::Failed) => ("M 236 330 C -40 330, -40 60, 232 60", 62.0, 110.0),
        (Phase::Waiting, Phase::Upgraded) => ("M 84 210 C 84 370, 130 420, 232 420", 118.0, 392.0),
        (Phase::Upgraded, Phase::Completed) => {
            ("M 344 420 L 1000 420 Q 1040 420, 1040 380 L 1040 213", 620.0, 412.0)
        }
        (Phase::Upgraded, Phase::Aborted) => ("M 344 408 C 640 400, 840 260, 735 83", 560.0, 372.0),
        _ => return None,
    })
}

/// A straight way from box to box, and where its words stand.
fn straight(from: Phase, to: Phase) -> (String, f64, f64) {
    let ((x, y), (u, v)) = (place(from), place(to));
    let (dx, dy) = (u - x, v - y);
    // As far from the middle as the box's nearer edge is on the way.
    let edge = |(w, h): (f64, f64)| (w / dx.abs().max(1e-9)).min(h / dy.abs().max(1e-9));
    let (near, far) = (edge(BOX), edge((BOX.0 + 3.0, BOX.1 + 3.0)));
    let way = format!(
        "M {:.0} {:.0} L {:.0} {:.0}",
        x + dx * near,
        y + dy * near,
        u - dx * far,
        v - dy * far
    );
    let beside = if dx == 0.0 { 8.0 } else { 0.0 };
    (way, (x + u) / 2.0 + beside, (y + v) / 2.0 - 6.0)
}

/// The diagram as SVG; cancellation is a note, for it comes from everywhere.
pub fn svg() -> String {
    let mut text = String::from(concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1100 460" role="img" font-family="system-ui, sans-serif" font-size="14">"#,
        "\n<title>The phases of a response</title>\n<style>\n",
        "  .page { fill: #ffffff } text { fill: #1f2933 } .box { fill: #eef2f7; stroke: #52606d; stroke-width: 1.5 }\n",
        "  .end { stroke-width: 3.5 } .way { fill: none; stroke: #52606d; stroke-width: 1.5 } .tip { fill: #52606d }\n",
        "  .event { font-size: 12.5px; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }\n",
        "  @media (prefers-color-scheme: dark) {\n",
        "    .page { fill: #1c2128 } text { fill: #e4e7eb } .box { fill: #2d343e; stroke: #9aa5b1 }\n",
        "    .way { stroke: #9aa5b1 } .tip { fill: #9aa5b1 } .event { stroke: #1c2128 }\n",
        "  }\n</style>\n",
        r#"<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="tip" d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>"#,
        "\n<rect class=\"page\" width=\"1100\" height=\"460\" rx=\"8\"/>\n",
    ));
    for (from, events, to) in arrows() {
        let (way, x, y) = match bend(from, to) {
            Some((way, x, y)) => (way.to_owned(), x, y),
            None => straight(from, to),
        };
        let anchor = if place(from).0 == place(to).0 && from != to { "start" } else { "middle" };
        let _ = writeln!(
            text,
            "<g><title>{from:?} --&gt; {to:?}: {events}</title><path class=\"way\" marker-end=\"url(#tip)\" d=\"{way}\"/>\
             <text class=\"event\" x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{events}</text></g>"
        );
    }
    for phase in Phase::ALL {
        let (x, y) = place(phase);
        let class = if phase.is_end() { "box end" } else { "box" };
        let (left, top, width, height) = (x - BOX.0, y - BOX.1, 2.0 * BOX.0, 2.0 * BOX.1);
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{phase}</text>",
            y + 5.0
        );
    }
    text.push_str(
        "<text class=\"event\" x=\"1010\" y=\"104\" text-anchor=\"middle\">Cancel, from every</text>\
         <text class=\"event\" x=\"1010\" y=\"120\" text-anchor=\"middle\">phase but an end</text>\n\
         <text class=\"event\" x=\"1080\" y=\"448\" text-anchor=\"end\">a thick border is an end</text>\n</svg>\n",
    );
    text
}
