//! Links, anchors and images of the documents.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::markdown::Document;
use super::{documents, root};

/// The links of `documents` that lead nowhere, as `file:line: target: reason`, and the number of links inside the repository.
fn dead_links(documents: &[(String, String)], exists: impl Fn(&Path) -> bool) -> (Vec<String>, usize) {
    let read: BTreeMap<&str, Document> =
        documents.iter().map(|(name, text)| (name.as_str(), Document::read(text))).collect();
    let (mut dead, mut count) = (Vec::new(), 0);
    for (name, document) in &read {
        for link in &document.links {
            if link.target.contains("://") || link.target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let target = if file.is_empty() { Some(PathBuf::from(name)) } else { resolve(name, file) };
            let reason = match &target {
                None => Some("leads out of the repository"),
                Some(target) if !exists(target) => Some("no such file"),
                Some(_) if anchor.is_empty() => None,
                Some(target) => match target.to_str().and_then(|target| read.get(target)) {
                    Some(document) if document.anchors.iter().any(|known| known == anchor) => None,
                    Some(_) => Some("no such heading"),
                    None => Some("an anchor into a file that is no document"),
                },
            };
            dead.extend(reason.map(|reason| format!("{name}:{}: {}: {reason}", link.line, link.target)));
        }
    }
    (dead, count)
}

/// The path from the root of `target`, which the document `name` links.
fn resolve(name: &str, target: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).parent()?.join(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            part => path.push(part),
        }
    }
    Some(path)
}

#[test]
fn every_link_and_image_of_the_documents_is_there() {
    let (dead, count) = dead_links(&documents(), |path| root().join(path).exists());
    assert!(dead.is_empty(), "{} of {count} links:\n{}", dead.len(), dead.join("\n"));
    assert!(count > 100, "only {count} links were found");
}

#[test]
fn the_check_finds_dead_links() {
    let text = "# One `head`, two\n[a](b.md#two)\n[wraps\nover](none.md) ![](x.png) <img src=\"y.png\">\n\
        [c](#one-head-two) [d](#one-head)\n`[e](f)`\n```\n[g](h)\n```\n[i](https://example.org/#j) [k](../../out.md)\n";
    let other = "# Two\n# Two\n[l](../a.md) [m](b.md#two-1) [n](#two-2)\n".to_owned();
    let documents = [("a.md".to_owned(), text.to_owned()), ("d/b.md".to_owned(), other)];
    let is_there = |path: &Path| ["a.md", "d/b.md", "x.png"].contains(&path.to_str().unwrap());
    let (dead, count) = dead_links(&documents, is_there);
    let expected = [
        "a.md:2: b.md#two: no such file",
        "a.md:4: none.md: no such file",
        "a.md:10: ../../out.md: leads out of the repository",
        "a.md:4: y.png: no such file",
        "a.md:5: #one-head: no such heading",
        "d/b.md:3: #two-2: no such heading",
    ];
    let mut expected: Vec<&str> = expected.to_vec();
    expected.sort_unstable();
    let mut dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    dead.sort_unstable();
    assert_eq!(dead, expected);
    assert_eq!(count, 10);
}
