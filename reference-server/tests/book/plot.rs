//! The plot of the README: instructions for a request, as bars.
//!
//! Rules of this room: the figures are those of `benches/results/instructions.json`, with machine and day; it paints its own ground, so
//! that it reads on a light and on a dark page.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use super::documents::{bless, root};

/// Who is shown, and what that is.
const BARS: [(&str, &str, &str); 3] = [
    ("hyper-per-core", "hyper", "bare, with a timer for heads"),
    ("exchange-per-core", "hyper + rwgi::Exchange", "the contract, and nothing else"),
    ("rwgi-per-core", "rwgi-server", "the whole server, every limit on"),
];

fn svg(figures: &Value) -> String {
    let of = |name: &str| figures["instructions"][name]["plaintext"].as_f64().unwrap();
    let most = BARS.iter().map(|(name, ..)| of(name)).fold(0.0, f64::max);
    let mut text = String::from(concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 212" role="img" font-family="system-ui, sans-serif" font-size="14">"#,
        "\n<title>Instructions for a keep-alive GET</title>\n<style>\n",
        "  .page { fill: #ffffff } text { fill: #1f2933 } .small { font-size: 12px } .bar { fill: #bcccdc } .ours { fill: #62b0e8 }\n",
        "  @media (prefers-color-scheme: dark) {\n",
        "    .page { fill: #1c2128 } text { fill: #e4e7eb } .bar { fill: #616e7c } .ours { fill: #2680c2 }\n  }\n</style>\n",
        "<rect class=\"page\" width=\"800\" height=\"212\" rx=\"8\"/>\n",
        "<text x=\"20\" y=\"30\" font-weight=\"600\">Instructions in user space for a keep-alive GET of 13 bytes</text>\n",
    ));
    for (place, (name, title, what)) in BARS.into_iter().enumerate() {
        let (y, count) = (52 + 44 * place, of(name));
        let class = if name == "rwgi-per-core" { "bar ours" } else { "bar" };
        let _ = writeln!(
            text,
            "<text x=\"20\" y=\"{}\">{title}</text><text class=\"small\" x=\"20\" y=\"{}\">{what}</text>\
             <rect class=\"{class}\" x=\"230\" y=\"{y}\" width=\"{:.0}\" height=\"30\" rx=\"3\"/>\
             <text x=\"{:.0}\" y=\"{}\">{count:.0}</text>",
            y + 13,
            y + 28,
            500.0 * count / most,
            238.0 + 500.0 * count / most,
            y + 20,
        );
    }
    let facts = |name: &str| figures["circumstances"][name].as_str().unwrap();
    let _ = writeln!(
        text,
        "<text class=\"small\" x=\"20\" y=\"198\">{} on {}, {}, {}</text>\n</svg>",
        facts("date"),
        facts("processor"),
        facts("compiler").split(" (").next().unwrap(),
        figures["valgrind"].as_str().unwrap(),
    );
    text
}

#[test]
fn the_plot_is_drawn_from_the_last_measurement() {
    let figures = fs::read(root().join("benches/results/instructions.json")).unwrap();
    let made = svg(&serde_json::from_slice(&figures).unwrap());
    let path = root().join("spec/src/instructions.svg");
    if bless() {
        fs::write(&path, &made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "stale: RWGI_BLESS=1 cargo test -p rwgi-server --test book writes it anew"
    );
}
