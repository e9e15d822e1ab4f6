//! Markdown into HTML, as much of it as the repository's documents use: headings, paragraphs, lists, tables, quotes, code,
//! emphasis, links.
//!
//! Rules of this room: it writes no tag but its own and escapes all text; what it does not know stays as it was written.

use super::html::{escape, push_text};

/// Turns a document into HTML; `link` gives the address of a link's target, or `None` for a target that is not served.
pub(super) fn html(text: &str, link: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            out.push_str("<pre tabindex=\"0\"><code>");
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                push_text(&mut out, line);
                out.push('\n');
            }
            out.push_str("</code></pre>\n");
            continue;
        }
        // A comment says something to tools.
        if line.trim().is_empty() || line.starts_with("<!--") {
            continue;
        }
        if let Some(title) = line.trim_start_matches('#').strip_prefix(' ')
            && line.starts_with('#')
        {
            heading(&mut out, line.len() - title.len() - 1, title, link);
            continue;
        }
        // Every other block goes on until an empty line or another kind of block.
        let mut block = vec![line];
        while let Some(next) = lines.next_if(|next| !next.trim().is_empty() && !begins(next)) {
            block.push(next);
        }
        match line.as_bytes() {
            [b'|', ..] => table(&mut out, &block, link),
            [b'-' | b'*', b' ', ..] => list(&mut out, "ul", &block, link),
            [b'0'..=b'9', b'.', b' ', ..] => list(&mut out, "ol", &block, link),
            [b'>', ..] => {
                let quoted: Vec<_> =
                    block.iter().map(|line| line.trim_start_matches(['>', ' '])).collect();
                wrap(&mut out, "blockquote", &quoted.join("\n"), link);
            }
            _ => wrap(&mut out, "p", &block.join("\n"), link),
        }
    }
    out
}

/// Whether a line ends the block before it without an empty line between them.
fn begins(line: &str) -> bool {
    line.starts_with("```") || line.starts_with("# ") || line.starts_with("##")
}

fn wrap(out: &mut String, tag: &str, text: &str, link: &dyn Fn(&str) -> Option<String>) {
    out.push_str(&format!("<{tag}>"));
    inline(out, text, link);
    out.push_str(&format!("</{tag}>\n"));
}

/// A heading with its anchor: the one that it names (`{#REQ-RESP-03}`), else one made of its words, as mdBook makes it.
fn heading(out: &mut String, level: usize, text: &str, link: &dyn Fn(&str) -> Option<String>) {
    let named = text.strip_suffix('}').and_then(|text| text.split_once(" {#"));
    let (title, anchor) = match named {
        Some((title, anchor)) => (title, anchor.to_owned()),
        None => (text, slug(text)),
    };
    out.push_str(&format!("<h{level} id=\"{}\">", escape(&anchor)));
    inline(out, title, link);
    out.push_str(&format!("</h{level}>\n"));
}

fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn list(out: &mut String, tag: &str, block: &[&str], link: &dyn Fn(&str) -> Option<String>) {
    let mut items: Vec<String> = Vec::new();
    for line in block {
        let marked = match line.split_once(' ') {
            Some(("-" | "*", text)) => Some(text),
            Some((number, text)) if number.strip_suffix('.').is_some_and(is_number) => Some(text),
            _ => None,
        };
        match (marked, items.last_mut()) {
            (Some(text), _) => items.push(text.to_owned()),
            (None, Some(item)) => *item = format!("{item}\n{}", line.trim_start()),
            (None, None) => {}
        }
    }
    out.push_str(&format!("<{tag}>\n"));
    for item in items {
        wrap(out, "li", &item, link);
    }
    out.push_str(&format!("</{tag}>\n"));
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn table(out: &mut String, block: &[&str], link: &dyn Fn(&str) -> Option<String>) {
    out.push_str("<div class=\"scroll\" tabindex=\"0\"><table class=\"prose\">\n");
    for (place, line) in block.iter().enumerate() {
        // The second line only says that the first one is a heading.
        if place == 1 {
            continue;
        }
        out.push_str("<tr>");
        for cell in cells(line) {
            wrap(out, if place == 0 { "th" } else { "td" }, cell.trim(), link);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

/// The cells of a row; a bar that stands in code or behind a backslash divides nothing.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim().trim_start_matches('|');
    let line = line.strip_suffix('|').unwrap_or(line);
    let (mut cells, mut begin, mut code, mut escaped) = (Vec::new(), 0, false, false);
    for (place, byte) in line.bytes().enumerate() {
        match byte {
            b'`' => code = !code,
            b'|' if !code && !escaped => {
                cells.push(&line[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    cells.push(&line[begin..]);
    cells
}

/// What stands within a block: code, links, emphasis, and text.
fn inline(out: &mut String, text: &str, link: &dyn Fn(&str) -> Option<String>) {
    let mut rest = text;
    while let Some(place) = rest.find(['`', '!', '[', '*', '\\']) {
        push_text(out, &rest[..place]);
        rest = &rest[place..];
        let after = code(out, rest)
            .or_else(|| picture(out, rest))
            .or_else(|| anchor(out, rest, link))
            .or_else(|| emphasis(out, rest, "**", "strong", link))
            .or_else(|| emphasis(out, rest, "*", "em", link))
            .or_else(|| literal(out, rest));
        rest = after.unwrap_or_else(|| {
            out.push_str(&rest[..1]); // one of the five that means nothing here; none needs escaping
            &rest[1..]
        });
    }
    push_text(out, rest);
}

fn code<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let ticks = &text[..text.len() - text.trim_start_matches('`').len()];
    let (code, rest) = text[ticks.len()..].split_once(ticks).filter(|_| !ticks.is_empty())?;
    out.push_str("<code>");
    push_text(out, if ticks.len() > 1 { code.trim() } else { code });
    out.push_str("</code>");
    Some(rest)
}

/// A picture: what it shows, in words; pictures are not served.
fn picture<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let (words, rest) = text.strip_prefix("![")?.split_once("](")?;
    let (_, rest) = rest.split_once(')').filter(|_| !words.contains('['))?;
    out.push_str("<em>");
    push_text(out, words);
    out.push_str("</em>");
    Some(rest)
}

fn anchor<'a>(
    out: &mut String,
    text: &'a str,
    link: &dyn Fn(&str) -> Option<String>,
) -> Option<&'a str> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, rest) = rest.split_once(')').filter(|_| !label.contains('['))?;
    match link(target) {
        Some(address) => {
            out.push_str(&format!("<a href=\"{}\">", escape(&address)));
            inline(out, label, link);
            out.push_str("</a>");
        }
        None => inline(out, label, link),
    }
    Some(rest)
}

fn emphasis<'a>(
    out: &mut String,
    text: &'a str,
    mark: &str,
    tag: &str,
    link: &dyn Fn(&str) -> Option<String>,
) -> Option<&'a str> {
    let (inner, rest) = text.strip_prefix(mark)?.split_once(mark)?;
    if inner.is_empty() || inner.starts_with(char::is_whitespace) {
        return None;
    }
    out.push_str(&format!("<{tag}>"));
    inline(out, inner, link);
    out.push_str(&format!("</{tag}>"));
    Some(rest)
}

/// A character that a backslash robs of its meaning.
fn literal<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let rest = text.strip_prefix('\\')?;
    let mark = rest.chars().next().filter(char::is_ascii_punctuation)?;
    push_text(out, &rest[..mark.len_utf8()]);
    Some(&rest[mark.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        html(text, &|target| (target != "unknown.md").then(|| format!("/doc/{target}")))
    }

    #[test]
    fn blocks() {
        assert_eq!(render("# A `b` c\n"), "<h1 id=\"a-b-c\">A <code>b</code> c</h1>\n");
        assert_eq!(render("### REQ-X-1 {#REQ-X-1}"), "<h3 id=\"REQ-X-1\">REQ-X-1</h3>\n");
        assert_eq!(render("one\ntwo\n\nthree"), "<p>one\ntwo</p>\n<p>three</p>\n");
        assert_eq!(render("- a\n  b\n- c"), "<ul>\n<li>a\nb</li>\n<li>c</li>\n</ul>\n");
        assert_eq!(render("1. a\n2. b"), "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n");
        assert_eq!(render("> a\n> b"), "<blockquote>a\nb</blockquote>\n");
        assert_eq!(render("<!-- for tools -->\na"), "<p>a</p>\n");
        let fenced = "<pre tabindex=\"0\"><code># &lt;b&gt; `x`\n\n</code></pre>\n<p>y</p>\n";
        assert_eq!(render("```rust\n# <b> `x`\n\n```\ny"), fenced);
    }

    #[test]
    fn tables() {
        let table = render("| a | `b|c` |\n|---|---|\n| **d** | e\\|f |");
        assert!(table.contains("<th>a</th>\n<th><code>b|c</code></th>"), "{table}");
        assert!(table.contains("<td><strong>d</strong></td>\n<td>e|f</td>"), "{table}");
        assert!(!table.contains("---"), "{table}");
    }

    #[test]
    fn text_within_a_block() {
        for (text, html) in [
            ("[The `x`\ny](a.md#b) z", "<a href=\"/doc/a.md#b\">The <code>x</code>\ny</a> z"),
            ("[gone](unknown.md).", "gone."),
            ("a ![b <c>](d.svg)!", "a <em>b &lt;c&gt;</em>!"),
            (
                "*em* and **strong**, 2 * 3 * 4",
                "<em>em</em> and <strong>strong</strong>, 2 * 3 * 4",
            ),
            ("`a < b` & \\*c\\*", "<code>a &lt; b</code> &amp; *c*"),
            ("`` a`b `` `open [x] (y)", "<code>a`b</code> `open [x] (y)"),
        ] {
            assert_eq!(render(text), format!("<p>{html}</p>\n"), "{text}");
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        let hostile = "<script>x</script> [\"><img>](\"><img>) `<b>` **<i>**\n\n| <u> |\n|-|\n\n# <s> {#\"><s>}";
        let html = render(hostile);
        for tag in ["<script", "<img", "<b>", "<i>", "<u>", "<s>"] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
    }
}
