//! A page made of sections, as HTML and as text.
//!
//! Rules of this room: it thinks; every text is escaped; the page needs nothing but itself.

use std::fmt::Write;

/// A part of the page.
pub(crate) struct Section {
    title: &'static str,
    content: Content,
}

enum Content {
    Text(String),
    List(Vec<String>),
    Code(String),
}

impl Section {
    pub(crate) fn text(title: &'static str, text: &str) -> Self {
        Self { title, content: Content::Text(text.to_owned()) }
    }

    pub(crate) fn list(title: &'static str, items: Vec<String>) -> Self {
        Self { title, content: Content::List(items) }
    }

    pub(crate) fn code(title: &'static str, text: &str) -> Self {
        Self { title, content: Content::Code(text.to_owned()) }
    }
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}\
h1{font-size:1.5rem}h2{font-size:1rem;margin:1.5rem 0 .25rem}pre{overflow:auto;padding:.75rem;border:1px solid #7775;font-size:.85rem}\
p.note{opacity:.75}li,p{overflow-wrap:anywhere}";

/// The page as HTML.
pub(crate) fn html(title: &str, note: &str, sections: &[Section]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n",
        escaped(title)
    );
    for section in sections {
        // Writing to a string does not fail.
        let _ = writeln!(page, "<section><h2>{}</h2>", escaped(section.title));
        let _ = match &section.content {
            Content::Text(text) => writeln!(page, "<p>{}</p>", escaped(text)),
            Content::Code(text) => writeln!(page, "<pre>{}</pre>", escaped(text)),
            Content::List(items) => {
                let items: String =
                    items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
                writeln!(page, "<ul>{items}</ul>")
            }
        };
        page.push_str("</section>\n");
    }
    let _ = writeln!(page, "<p class=\"note\">{}</p></body></html>", escaped(note));
    page
}

/// The page as text.
pub(crate) fn plain(title: &str, note: &str, sections: &[Section]) -> String {
    let mut page = format!("{title}\n");
    for section in sections {
        let _ = writeln!(page, "\n{}:", section.title);
        let _ = match &section.content {
            Content::Text(text) | Content::Code(text) => writeln!(page, "{}", text.trim_end()),
            Content::List(items) => writeln!(page, "{}", items.join("\n")),
        };
    }
    let _ = writeln!(page, "\n{note}");
    page
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            character if character.is_control() => safe.push('\u{fffd}'),
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let attack = "</pre><script>alert('\"&')</script>\u{1b}[31m";
        let sections = [
            Section::text("a", attack),
            Section::code("b", attack),
            Section::list("c", vec![attack.to_owned()]),
        ];
        let page = html(attack, attack, &sections);
        assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 6);
        assert!(plain("t", "n", &sections).contains(attack), "text is text");
    }
}
