//! Output of a reproduction: csv files, `.svg` files, `verdict.json`, and one page with everything.

use maud::{Markup, html};
use serde_json::json;

use super::experiment::Experiment;
use super::findings::{Agreement, Cell, Claim, Findings, Table};
use super::flags::flag_text;
use super::folder::VERDICT_FILE;
use crate::failure::Failure;
use crate::html::{self, Light, cell, code, document, header, lamp, note, notice, section, table};
use crate::numbers::{count, list, number, thousands};
use crate::plot::DRAWING_STYLE;
use crate::run::{Environment, REPORT_FILE, RunFolder};

const STYLE: &str = include_str!("page.css");

/// Everything that the files contain.
pub struct Report<'a> {
    /// What was reproduced.
    pub experiment: &'a dyn Experiment,
    /// The command that repeats it.
    pub command: &'a str,
    /// Version, adapter and driver of the reproduction.
    pub environment: &'a Environment,
    /// Origins of the runs' images.
    pub origins: Vec<String>,
    /// The results.
    pub findings: &'a Findings,
}

impl Report<'_> {
    /// Writes all files.
    pub fn write(&self, folder: &RunFolder) -> Result<(), Failure> {
        for table in &self.findings.tables {
            folder.write(&format!("{}.csv", table.name), table.csv().as_bytes())?;
        }
        for figure in &self.findings.figures {
            folder.write(&format!("{}.svg", figure.name), figure.file().as_bytes())?;
        }
        let verdict = serde_json::to_string_pretty(&self.verdict()?).map_err(Failure::other)?;
        folder.write(VERDICT_FILE, format!("{verdict}\n").as_bytes())?;
        folder.write(REPORT_FILE, self.page()?.as_bytes())
    }

    fn verdict(&self) -> Result<serde_json::Value, Failure> {
        Ok(json!({
            "experiment": self.experiment.name(),
            "size": if self.experiment.is_quick() { "quick" } else { "full" },
            "changes": self.experiment.changes()?,
            "command": self.command,
            "environment": self.environment,
            "claims": self.findings.claims,
        }))
    }

    fn page(&self) -> Result<String, Failure> {
        let Findings { claims, figures, tables, methods } = self.findings;
        let title = self.experiment.title();
        let mut sections = vec![section("verdict", "The verdict", verdict(claims, self.experiment.wording().claimed))];
        if !figures.is_empty() {
            let drawings = html! { @for figure in figures { (figure.drawing()) } };
            sections.push(section("figures", "Figures", drawings));
        }
        if tables.iter().any(|table| table.is_shown) {
            let shown = html! { @for table in tables.iter().filter(|table| table.is_shown) { (shown(table)) } };
            sections.push(section("tables", "Tables", shown));
        }
        let methods = html! { @for text in methods { p { (text) } } };
        sections.push(section("methods", "Methods, and what they leave open", methods));
        sections.push(section("again", "Run it again", self.again()?));
        Ok(document(&title, &[DRAWING_STYLE, STYLE].concat(), &self.head(&title)?, &sections, &html! {}))
    }

    fn head(&self, title: &str) -> Result<Markup, Failure> {
        let claims = &self.findings.claims;
        let n = |agreement| claims.iter().filter(|claim| claim.agrees == agreement).count() as u64;
        let (yes, no, open) = (n(Agreement::Yes), n(Agreement::No), n(Agreement::CannotTell));
        let (light, word) = match (no, open) {
            (0, 0) => (Light::Green, "Agrees"),
            (0, _) => (Light::Off, "Agrees, with open claims"),
            _ => (Light::Red, "Disagrees in part"),
        };
        let mut parts = vec![format!("{yes} of {} hold in this run", count(claims.len() as u64, "claim"))];
        if no > 0 {
            parts.push(format!("{no} {}", if no == 1 { "does not" } else { "do not" }));
        }
        if open > 0 {
            parts.push(format!("{open} cannot be decided by these data"));
        }
        let wording = self.experiment.wording();
        let [size, use_of_it] = if self.experiment.is_quick() { wording.quick } else { wording.full };
        let changes = self.experiment.changed_flags()?;
        let except = if changes.is_empty() { String::new() } else { format!(", except for {}", list(&changes)) };
        let below = html! {
            (lamp(light, word, list(&parts) + "."))
            @if let broken @ [_, ..] = self.environment.broken.as_slice() {
                (lamp(Light::Red, "The adapter fails the self-test", broken.join("; ") + ". Equal bits depend on this promise: \
                    statements about bits and controls may be wrong."))
            }
            (notice(&format!("{size}{except}.{use_of_it}")))
            @for origin in self.origins.iter().filter(|origin| origin.starts_with("not ")) {
                (notice(&format!("The images are {origin}: with those, the numbers differ.")))
            }
        };
        let name = self.experiment.name();
        let above = format!("{} · {name} · {}", wording.kicker, self.experiment.size_text()?);
        Ok(header(above, title, below))
    }

    fn again(&self) -> Result<Markup, Failure> {
        let Environment { version, adapter, driver, backend, software, .. } = self.environment;
        let software = if *software { " (software: the processor does the work)" } else { "" };
        let mut made = vec![
            ("lastbit", version.clone()),
            ("adapter", format!("{adapter}{software}")),
            ("driver", format!("{driver}, {backend}")),
        ];
        if !self.origins.is_empty() {
            made.push(("images", self.origins.join("; ")));
        }
        let settings = self.experiment.settings()?;
        let settings = settings.iter().map(|(key, value)| vec![code(format!("--{key}")), cell(flag_text(value))]);
        Ok(html! {
            pre { code #command { (self.command) } }
            p {
                "Adapters and drivers round differently, so another machine gives other bits; the findings should be the same."
            }
            h3 { "Made with" }
            (table("facts", &["", ""], made.into_iter().map(|(what, value)| vec![cell(what), cell(value)])))
            h3 { "Settings" }
            (table("facts", &["", ""], settings))
            h3 { "Files" }
            (self.files())
        })
    }

    /// Links to the data files.
    fn files(&self) -> Markup {
        let tables = self.findings.tables.iter().map(|table| (format!("{}.csv", table.name), table.title.as_str()));
        let figures =
            self.findings.figures.iter().map(|figure| (format!("{}.svg", figure.name), figure.title.as_str()));
        let verdict = (VERDICT_FILE.to_owned(), "the claims above as JSON");
        html! {
            ul { @for (file, what) in tables.chain(figures).chain([verdict]) { li { a href=(file) { (file) } ": " (what) } } }
        }
    }
}

/// The claims as a table; `claimed` is the head of the column with what was to be tested.
fn verdict(claims: &[Claim], claimed: &str) -> Markup {
    let row = |claim: &Claim| {
        let class = match claim.agrees {
            Agreement::Yes => "yes",
            Agreement::No => "no",
            Agreement::CannotTell => "open",
        };
        let agrees = html! { span.agrees.(class) { (claim.agrees.word()) } };
        vec![cell(&claim.about), cell(&claim.paper), cell(&claim.found), agrees, cell(&claim.certainty)]
    };
    let head = ["claim", claimed, "what this run found", "agrees", "how sure one can be"];
    table("claims", &head, claims.iter().map(row))
}

fn shown(data: &Table) -> Markup {
    let content = |value: &Cell| match value {
        Cell::Text(text) => cell(text),
        Cell::Number(value) if value.is_finite() => html::number(*value, number(*value)),
        Cell::Whole(value) => cell(thousands(*value)),
        Cell::Number(_) | Cell::Empty => cell("–"),
    };
    let head: Vec<&str> = data.columns.iter().map(|(_, head)| head.as_str()).collect();
    html! {
        div id={ "table-" (data.name) } {
            h3 { (data.title) }
            (table("numbers", &head, data.rows.iter().map(|row| row.iter().map(content).collect())))
            @if !data.note.is_empty() { (note(&data.note)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ArgMatches;

    use super::super::edge::Edge;
    use super::super::fig2::Fig2;
    use super::super::flags::Flags;
    use super::super::lyapunov::Lyapunov;
    use super::super::poke::Poke;
    use super::super::sources::Sources;
    use super::*;

    fn page(experiment: &dyn Experiment) -> String {
        let environment: Environment = serde_json::from_value(json!({
            "version": "0", "adapter": "a", "driver": "d", "backend": "b", "software": true
        }))
        .unwrap();
        let claim = Claim {
            about: "a".to_owned(),
            paper: "p".to_owned(),
            found: "f".to_owned(),
            agrees: Agreement::Yes,
            certainty: "c".to_owned(),
        };
        let findings = Findings { claims: vec![claim], ..Findings::default() };
        let command = "lastbit reproduce";
        let (environment, findings) = (&environment, &findings);
        Report { experiment, command, environment, origins: Vec::new(), findings }.page().unwrap()
    }

    /// An experiment at both sizes.
    fn read<E: Flags + Experiment + 'static>() -> [Box<dyn Experiment>; 2] {
        let given: Option<&ArgMatches> = None;
        [true, false].map(|is_quick| -> Box<dyn Experiment> { Box::new(E::read(given, is_quick)) })
    }

    #[test]
    fn only_experiments_of_the_paper_claim_to_be_published() {
        let of_the_paper = ["the paper, reproduced", "what the paper found", "as published", "the paper's numbers"];
        let pages = |sizes: [Box<dyn Experiment>; 2]| sizes.map(|experiment| page(&*experiment));
        let says = |pages: &[String; 2]| of_the_paper.map(|text| pages.concat().contains(text));
        assert_eq!(says(&pages(read::<Fig2>())), [true; 4]);
        for experiment in [read::<Edge>(), read::<Lyapunov>(), read::<Poke>(), read::<Sources>()] {
            let name = experiment[0].name();
            let pages = pages(experiment);
            assert_eq!(says(&pages), [false; 4], "{name}");
            assert!(pages.iter().all(|page| page.contains("beyond the paper") && page.contains("what was claimed")));
        }
    }

    #[test]
    fn the_size_says_whether_flags_changed_it() {
        let size = |words: &[&str]| {
            let given = Fig2::command().try_get_matches_from([&["fig2"], words].concat()).unwrap();
            [true, false].map(|is_quick| {
                let experiment = Fig2::read(Some(&given), is_quick);
                // The top of the page names the flags.
                assert_eq!(page(&experiment).contains("except for --seeds 1 "), words.contains(&"1") && !is_quick);
                experiment.size_text().unwrap()
            })
        };
        assert_eq!(size(&[]), ["quick size", "full size"]);
        assert_eq!(size(&["--batch-size", "64"]), ["quick size, changed by flags", "full size, changed by flags"]);
        // The quick size's own seed.
        assert_eq!(size(&["--seeds", "1"]), ["quick size", "full size, changed by flags"]);
    }
}
