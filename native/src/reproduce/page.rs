//! Output of a reproduction: csv files, `.svg` files, `verdict.json`, and one page with everything.

use serde_json::json;

use super::figure;
use super::findings::{Agreement, Cell, Claim, Findings, Table};
use super::{Experiment, plain};
use crate::failure::Failure;
use crate::report::html::{data, escape, table};
use crate::report::numbers::{count, list, number, thousands};
use crate::report::{document, section};
use crate::run::{Environment, RunFolder};

/// Name of the page.
pub const REPORT_FILE: &str = "report.html";
/// Name of the file with the claims as JSON.
pub const VERDICT_FILE: &str = "verdict.json";
const STYLE: &str = include_str!("page.css");

/// Everything that the files contain.
pub struct Report<'a> {
    /// What was reproduced.
    pub experiment: &'a dyn Experiment,
    /// True for the quick size.
    pub is_quick: bool,
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
        let verdict = serde_json::to_string_pretty(&self.verdict()).map_err(Failure::other)?;
        folder.write(VERDICT_FILE, format!("{verdict}\n").as_bytes())?;
        folder.write(REPORT_FILE, self.page()?.as_bytes())
    }

    fn verdict(&self) -> serde_json::Value {
        json!({
            "experiment": self.experiment.name(),
            "size": if self.is_quick { "quick" } else { "full" },
            "command": self.command,
            "environment": self.environment,
            "claims": self.findings.claims,
        })
    }

    fn page(&self) -> Result<String, Failure> {
        let Findings { claims, figures, tables, methods } = self.findings;
        let title = self.experiment.title();
        let mut body = self.head(&title);
        body += &section("verdict", "The verdict", &verdict(claims));
        let figures: String = figures.iter().map(figure::Figure::markup).collect();
        if !figures.is_empty() {
            body += &section("figures", "Figures", &figures);
        }
        let shown: String = tables.iter().filter(|table| table.is_shown).map(shown).collect();
        if !shown.is_empty() {
            body += &section("tables", "Tables", &shown);
        }
        let methods: String = methods.iter().map(|text| format!("<p>{}</p>\n", escape(text))).collect();
        body += &section("methods", "Methods, and what they leave open", &methods);
        body += &section("again", "Run it again", &self.again()?);
        Ok(document(&title, &format!("{}{STYLE}", figure::STYLE), &body, ""))
    }

    fn head(&self, title: &str) -> String {
        let claims = &self.findings.claims;
        let n = |agreement| claims.iter().filter(|claim| claim.agrees == agreement).count() as u64;
        let (yes, no, open) = (n(Agreement::Yes), n(Agreement::No), n(Agreement::CannotTell));
        let (class, word) = match (no, open) {
            (0, 0) => ("green", "Agrees"),
            (0, _) => ("none", "Agrees, with open claims"),
            _ => ("red", "Disagrees in part"),
        };
        let mut parts = vec![format!("{yes} of {} hold in this run", count(claims.len() as u64, "claim"))];
        if no > 0 {
            parts.push(format!("{no} {}", if no == 1 { "does not" } else { "do not" }));
        }
        if open > 0 {
            parts.push(format!("{open} cannot be decided by these data"));
        }
        let size = if self.is_quick {
            "This is the quick size, made for a machine without a GPU. It shows the effect; the paper's numbers need the full size."
        } else {
            "This is the full size, as published unless a flag below says otherwise."
        };
        let broken = match self.environment.broken.as_slice() {
            [] => String::new(),
            broken => format!(
                "<p class=\"lamp red\"><b><i aria-hidden=\"true\"></i>The adapter fails the self-test</b> <span>{}. Equal bits \
                 depend on this promise: statements about bits and controls may be wrong.</span></p>\n",
                escape(broken.join("; "))
            ),
        };
        format!(
            "<header>\n<p class=\"eyebrow\">lastbit · the paper, reproduced · {} · {} size</p>\n<h1>{}</h1>\n<p class=\"lamp \
             {class}\"><b><i aria-hidden=\"true\"></i>{word}</b> <span>{}.</span></p>\n{broken}<p \
             class=\"notice\">{size}</p>\n</header>\n",
            escape(self.experiment.name()),
            if self.is_quick { "quick" } else { "full" },
            escape(title),
            escape(list(&parts)),
        )
    }

    fn again(&self) -> Result<String, Failure> {
        let Environment { version, adapter, driver, backend, software, .. } = self.environment;
        let software = if *software { " (software: the processor does the work)" } else { "" };
        let mut rows = vec![
            ("lastbit", version.clone()),
            ("adapter", format!("{adapter}{software}")),
            ("driver", format!("{driver}, {backend}")),
        ];
        if !self.origins.is_empty() {
            rows.push(("images", self.origins.join("; ")));
        }
        let rows: Vec<Vec<String>> = rows.iter().map(|(what, value)| vec![(*what).to_owned(), escape(value)]).collect();
        let settings = self.experiment.settings()?;
        let settings: Vec<Vec<String>> = settings
            .iter()
            .map(|(key, value)| vec![format!("<code>--{}</code>", escape(key)), escape(plain(value))])
            .collect();
        Ok(format!(
            "<pre><code id=\"command\">{}</code></pre>\n<p>Adapters and drivers round differently, so another machine gives other bits; \
             the findings should be the same.</p>\n<h3>Made with</h3>\n{}<h3>Settings</h3>\n{}<h3>Files</h3>\n{}",
            escape(self.command),
            table("facts", &["", ""], &rows),
            table("facts", &["", ""], &settings),
            self.files(),
        ))
    }

    /// Links to the data files.
    fn files(&self) -> String {
        let link =
            |file: String, what: &str| format!("<li><a href=\"{0}\">{0}</a>: {1}</li>\n", escape(file), escape(what));
        let tables = self.findings.tables.iter().map(|table| link(format!("{}.csv", table.name), &table.title));
        let figures = self.findings.figures.iter().map(|figure| link(format!("{}.svg", figure.name), &figure.title));
        let verdict = link(VERDICT_FILE.to_owned(), "the claims above as JSON");
        format!("<ul>\n{}{}{verdict}</ul>\n", tables.collect::<String>(), figures.collect::<String>())
    }
}

fn verdict(claims: &[Claim]) -> String {
    let row = |claim: &Claim| {
        let class = match claim.agrees {
            Agreement::Yes => "yes",
            Agreement::No => "no",
            Agreement::CannotTell => "open",
        };
        vec![
            escape(&claim.about),
            escape(&claim.paper),
            escape(&claim.found),
            format!("<span class=\"agrees {class}\">{}</span>", claim.agrees.word()),
            escape(&claim.certainty),
        ]
    };
    let head = ["claim", "what the paper found", "what this run found", "agrees", "how sure one can be"];
    table("claims", &head, &claims.iter().map(row).collect::<Vec<_>>())
}

fn shown(sheet: &Table) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => escape(text),
        Cell::Number(value) if value.is_finite() => data(*value, number(*value)),
        Cell::Whole(value) => thousands(*value),
        Cell::Number(_) | Cell::Empty => "–".to_owned(),
    };
    let head: Vec<&str> = sheet.columns.iter().map(|(_, head)| head.as_str()).collect();
    let rows: Vec<Vec<String>> = sheet.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let note =
        if sheet.note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>\n", escape(&sheet.note)) };
    format!(
        "<div id=\"table-{}\"><h3>{}</h3>\n{}{note}</div>\n",
        escape(&sheet.name),
        escape(&sheet.title),
        table("numbers", &head, &rows)
    )
}
