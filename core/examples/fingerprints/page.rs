//! The tables of docs/FINGERPRINTS.md. The test that compares them with the program's tables includes this file, too.

use std::fmt::Write as _;

use lastbit_core::processor::Class;
use lastbit_core::published::Published;

/// Lines between which the table of all runs is.
const MARKS: [&str; 2] = ["<!-- `cargo xtask fingerprints` writes from here -->\n", "<!-- to here -->\n"];
/// Lines between which the table of the page's runs is.
const PAGE_MARKS: [&str; 2] = ["<!-- and from here -->\n", "<!-- to there -->\n"];

/// The document with the tables of these runs in the place of the old ones; `None` if it has no marks.
pub fn replace(document: &str, runs: &[Published], of_page: &[Published]) -> Option<String> {
    let document = between(document, MARKS, &table(runs))?;
    between(&document, PAGE_MARKS, &table(of_page))
}

fn between(document: &str, marks: [&str; 2], text: &str) -> Option<String> {
    let (before, rest) = document.split_once(marks[0])?;
    let (_, after) = rest.split_once(marks[1])?;
    Some([before, marks[0], text, marks[1], after].concat())
}

fn table(runs: &[Published]) -> String {
    let mut text = String::new();
    for run in runs {
        let quick = run.quick.map(|steps| format!(", quick form: {steps}")).unwrap_or_default();
        let _ = write!(text, "\n### {}\n\nSteps: {}{quick}.\n\n", run.name, run.config.steps.unwrap_or(0));
        let _ = write!(text, "```sh\n{}\n```\n\n", run.command_line());
        let ks = run.config.ks.iter().map(|k| format!("k = {k}: loss | fingerprint"));
        let _ = writeln!(text, "| step | class | {} |", ks.collect::<Vec<_>>().join(" | "));
        let _ = writeln!(text, "| --- | --- |{}", " --- | --- |".repeat(run.config.ks.len()));
        for index in 0..run.steps.len() {
            for class in Class::ALL {
                let Some(found) = run.of(class).get(index) else { continue };
                let replicas = found.loss.iter().zip(&found.fingerprints);
                let cells = replicas.map(|(loss, fingerprint)| format!("`{loss}` | `{fingerprint}`"));
                let cells = cells.collect::<Vec<_>>().join(" | ");
                let _ = writeln!(text, "| {} | {} | {cells} |", found.step, class.name());
            }
        }
    }
    text.push('\n');
    text
}
