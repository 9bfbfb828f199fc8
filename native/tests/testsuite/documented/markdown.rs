//! What the checks of the documents need from a Markdown file: its code, its links and its headings.

/// A command line of a code block (lines joined where one ends in `\`), or a span of inline code (joined where it wraps).
#[derive(Debug, PartialEq)]
pub struct Code {
    pub line: usize,
    pub text: String,
    pub is_block: bool,
}

/// The target of a link or of an image.
#[derive(Debug, PartialEq)]
pub struct Link {
    pub line: usize,
    pub target: String,
}

/// A file, read.
#[derive(Debug, Default)]
pub struct Document {
    pub code: Vec<Code>,
    pub links: Vec<Link>,
    /// The anchors that GitHub makes of the headings.
    pub anchors: Vec<String>,
}

/// Languages of code blocks that hold no command line.
const OTHER_LANGUAGES: [&str; 8] = ["python", "json", "html", "toml", "rust", "bibtex", "text", "csv"];
/// A span of inline code, or a link, does not cross the beginning of such a line.
const STARTS: [&str; 6] = ["|", "#", "- ", "* ", "> ", "<"];

impl Document {
    pub fn read(text: &str) -> Self {
        let mut document = Self::default();
        // The marker and language of the code block that is open.
        let mut fence: Option<(&str, &str)> = None;
        let mut joined = String::new();
        let mut paragraph: Vec<(usize, &str)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim();
            let marker = ["```", "~~~"].into_iter().find(|marker| trimmed.starts_with(marker));
            match (fence, marker) {
                (Some((open, _)), Some(marker)) if open == marker => fence = None,
                (Some((_, language)), _) => {
                    if !OTHER_LANGUAGES.contains(&language) {
                        document.code_line(number, trimmed, &mut joined);
                    }
                }
                (None, Some(marker)) => {
                    document.paragraph(&std::mem::take(&mut paragraph));
                    fence = Some((marker, trimmed[marker.len()..].trim()));
                }
                (None, None) => {
                    let is_number = trimmed.split_once(". ").is_some_and(|(n, _)| n.parse::<u32>().is_ok());
                    if trimmed.is_empty() || is_number || STARTS.iter().any(|start| trimmed.starts_with(start)) {
                        document.paragraph(&std::mem::take(&mut paragraph));
                    }
                    if line.starts_with("    ") && !trimmed.starts_with('`') {
                        document.code_line(number, trimmed, &mut joined);
                    }
                    document.heading(trimmed);
                    if !trimmed.is_empty() {
                        paragraph.push((number, line));
                    }
                }
            }
        }
        document.paragraph(&paragraph);
        document
    }

    /// A line of a code block; `joined` has the lines before it that end in `\`.
    fn code_line(&mut self, number: usize, line: &str, joined: &mut String) {
        let before = joined.lines().count();
        match line.strip_suffix('\\') {
            Some(start) => *joined = format!("{joined}{} \n", start.trim()),
            None => {
                let text = (std::mem::take(joined) + line).replace('\n', "");
                self.code.push(Code { line: number - before, text, is_block: true });
            }
        }
    }

    fn heading(&mut self, line: &str) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            return;
        }
        let kept = title.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        // The second heading of a name gets -1, the third -2.
        let count = self.anchors.iter().filter(|known| known.strip_prefix(&anchor).is_some_and(is_repeat)).count();
        self.anchors.push(if count == 0 { anchor } else { format!("{anchor}-{count}") });
    }

    /// Inline code and links of consecutive lines.
    fn paragraph(&mut self, lines: &[(usize, &str)]) {
        let text = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let line_at = |at: usize| lines[0].0 + text[..at].matches('\n').count();
        // The text without its code, byte for byte at the same places.
        let mut plain = text.clone();
        let mut at = 0;
        while let Some(begin) = text[at..].find('`').map(|found| at + found) {
            let ticks = text[begin..].len() - text[begin..].trim_start_matches('`').len();
            let inside = begin + ticks;
            let end = find_ticks(&text[inside..], ticks).map(|found| inside + found);
            at = inside;
            if let Some(end) = end {
                let code = text[inside..end].replace("\\|", "|").split_whitespace().collect::<Vec<_>>().join(" ");
                self.code.push(Code { line: line_at(begin), text: code, is_block: false });
                plain.replace_range(begin..end + ticks, &" ".repeat(end + ticks - begin));
                at = end + ticks;
            }
        }
        for (opening, closing) in [("](", ")"), ("src=\"", "\""), ("srcset=\"", "\""), ("href=\"", "\"")] {
            for (begin, _) in plain.match_indices(opening) {
                let inside = &plain[begin + opening.len()..];
                let target = inside.split(closing).next().unwrap_or_default();
                let target = target.split_whitespace().next().unwrap_or_default().to_owned();
                self.links.push(Link { line: line_at(begin), target });
            }
        }
    }
}

/// `""`, `"-1"`, `"-2"`, ...
fn is_repeat(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok())
}

/// Where a run of exactly `ticks` backticks begins.
fn find_ticks(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(begin) = text[at..].find('`').map(|found| at + found) {
        let length = text[begin..].len() - text[begin..].trim_start_matches('`').len();
        if length == ticks {
            return Some(begin);
        }
        at = begin + length;
    }
    None
}
