//! The part of a document that is generated: sections, one for each device, in the order of their names.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- hardware report -->\n";
const END: &str = "<!-- end of the hardware report -->";
const DEVICE: &str = "<!-- device: ";
const DEVICE_END: &str = " -->\n";

/// The document with `section` for the device `key`. If it has one that `replaces` does not give up, it is returned unchanged.
///
/// # Errors
/// If the document has no place for generated sections.
pub fn set(document: &str, key: &str, section: &str, replaces: fn(&str, &str) -> bool) -> Result<String> {
    let missing = || format!("it has no lines '{}' and '{END}', between which sections are written", BEGIN.trim_end());
    let (head, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (generated, tail) = rest.split_once(END).with_context(missing)?;
    let mut sections = BTreeMap::new();
    for part in generated.split(DEVICE).skip(1) {
        let (key, text) = part.split_once(DEVICE_END).context("a section's first line is damaged")?;
        sections.insert(key.to_owned(), text.trim().to_owned());
    }
    // Two hyphens would end the comment.
    let key = key.replace("--", "- -").replace(['\n', '\r'], " ");
    let section = section.trim();
    if sections.get(&key).is_some_and(|old| !replaces(old, section)) {
        return Ok(document.to_owned());
    }
    sections.insert(key, section.to_owned());
    let generated: String =
        sections.iter().map(|(key, text)| format!("{DEVICE}{key}{DEVICE_END}\n{text}\n\n")).collect();
    Ok(format!("{head}{BEGIN}{generated}{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "# Title\n\n<!-- hardware report -->\n<!-- end of the hardware report -->\nTail.\n";

    #[test]
    fn sections_are_sorted_and_replaced() {
        let set = |text: &str, key, section| set(text, key, section, |_, _| true).unwrap();
        let two = set(&set(EMPTY, "b", "of b\n"), "a", "of a");
        let expected = "# Title\n\n<!-- hardware report -->\n<!-- device: a -->\n\nof a\n\n<!-- device: b -->\n\nof b\n\n\
            <!-- end of the hardware report -->\nTail.\n";
        assert_eq!(two, expected);
        assert_eq!(set(&two, "a", "of a"), two);
        assert_eq!(set(&two, "b", "new"), expected.replace("of b", "new"));
        let odd = set(EMPTY, "a -- b\nc", "odd");
        assert_eq!(set(&odd, "a -- b\nc", "odd"), odd);
        assert!(odd.contains("<!-- device: a - - b c -->\n"));
    }

    #[test]
    fn a_section_may_be_kept_and_a_document_without_a_place_is_refused() {
        let one = set(EMPTY, "a", "old", |_, _| true).unwrap();
        assert_eq!(set(&one, "a", "new", |old, new| (old, new) != ("old", "new")).unwrap(), one);
        assert!(
            set("# Title\n", "a", "new", |_, _| true).unwrap_err().to_string().contains("<!-- hardware report -->")
        );
    }
}
