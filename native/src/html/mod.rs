//! Pages: what reports and reproductions have in common. A page is one self-contained file, HTML that is also well-formed XML, so
//! that any parser can read it. Markup is written with [`maud`], which escapes text.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

/// Colours for light and dark, as variables.
pub const THEME: &str = include_str!("theme.css");
const STYLE: &str = include_str!("page.css");

/// A self-contained page. `style` is appended to the style sheet that all pages share.
pub fn document(title: &str, style: &str, header: &Markup, sections: &[Markup], script: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped("<meta charset=\"utf-8\"/>"))
                (PreEscaped("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"))
                (PreEscaped("<meta name=\"color-scheme\" content=\"light dark\"/>"))
                title { (title) " – lastbit" }
                style { (PreEscaped(THEME)) (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                main { (header) @for section in sections { (section) } }
                (script)
            }
        }
    };
    without_control_characters(page.into_string() + "\n")
}

/// Replaces control characters by U+FFFD. They may occur in text that was read from files, and XML forbids them.
pub fn without_control_characters(markup: String) -> String {
    let is_forbidden =
        |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}');
    if markup.contains(is_forbidden) { markup.replace(is_forbidden, "\u{fffd}") } else { markup }
}

/// A section with its heading. `id` is unique in the page.
pub fn section(id: &str, title: &str, content: impl Render) -> Markup {
    html! {
        section id={ (id) "-section" } aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            (content)
        }
    }
}

/// The head of a page: a line above the heading, the heading, and more below it.
pub fn header(above: impl Render, heading: impl Render, below: impl Render) -> Markup {
    html! { header { p.eyebrow { "lastbit · " (above) } h1 { (heading) } (below) } }
}

/// Colour of a lamp, and its CSS class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// What must hold, holds.
    Green,
    /// What must hold, does not.
    Red,
    /// Nothing was tested.
    Off,
}

/// A lamp with its label, and what it means.
pub fn lamp(light: Light, label: &str, meaning: impl Render) -> Markup {
    let class = match light {
        Light::Green => "green",
        Light::Red => "red",
        Light::Off => "none",
    };
    html! { p.lamp.(class) { b { i aria-hidden="true" {} (label) } " " span { (meaning) } } }
}

/// A warning in the head of a page.
pub fn notice(text: &str) -> Markup {
    html! { p.notice { (prose(text)) } }
}

/// A paragraph in place of content that there is not.
pub fn absent(text: impl Render) -> Markup {
    html! { p.absent { (text) } }
}

/// A remark in small type.
pub fn note(text: impl Render) -> Markup {
    html! { p.note { (text) } }
}

/// Makes the spaces in `k = 3` non-breaking.
pub fn prose(text: impl AsRef<str>) -> String {
    text.as_ref().replace("k = ", "k\u{a0}=\u{a0}")
}

/// A number as `shown`, with its exact value for programs.
pub fn number(value: f64, shown: impl Render) -> Markup {
    html! { @if value.is_finite() { data value=(value) { (shown) } } @else { (shown) } }
}

/// Short text of a program, such as a flag or a hash.
pub fn code(text: impl Render) -> Markup {
    html! { code { (text) } }
}

/// A cell of a table.
pub fn cell(content: impl Render) -> Markup {
    content.render()
}

/// A table. The first cell of a row is its header.
pub fn table(class: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="table" {
            table class=(class) {
                thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                tbody {
                    @for cells in rows {
                        tr {
                            @for (column, cell) in cells.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_is_harmless() {
        let page = document("<b a=\"1\">'&'\u{1}", "", &html! {}, &[], &html! {});
        assert!(page.contains("<title>&lt;b a=&quot;1&quot;&gt;'&amp;'\u{fffd} – lastbit</title>"), "{page}");
        assert_eq!(number(1e-9, "<").into_string(), "<data value=\"0.000000001\">&lt;</data>");
        assert_eq!(number(f64::NAN, "-").into_string(), "-");
    }
}
