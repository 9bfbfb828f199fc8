//! Text as markup. The page is HTML that is also well-formed XML, so that any parser can read it.

/// Escapes untrusted text for use between tags and in attributes. Line breaks and tabs become spaces, characters that XML
/// forbids become U+FFFD.
pub fn escape(text: impl AsRef<str>) -> String {
    let mut escaped = String::with_capacity(text.as_ref().len());
    for c in text.as_ref().chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number as `shown`, with its exact value for programs.
pub fn data(value: f64, shown: impl AsRef<str>) -> String {
    if value.is_finite() { format!("<data value=\"{value}\">{}</data>", escape(shown)) } else { escape(shown) }
}

/// A table. `head` is text; the cells of `rows` are markup. The first cell of a row is its header.
pub fn table(class: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
    let row = |cells: &Vec<String>| {
        let cells = cells.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("<th scope=\"row\">{cell}</th>"),
            _ => format!("<td>{cell}</td>"),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"table\"><table class=\"{class}\">\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_is_harmless() {
        assert_eq!(escape("<b a=\"1\">'&'\u{1}\n"), "&lt;b a=&quot;1&quot;&gt;&#39;&amp;&#39;\u{fffd} ");
        assert_eq!(data(1e-9, "<"), "<data value=\"0.000000001\">&lt;</data>");
        assert_eq!(data(f64::NAN, "-"), "-");
    }
}
