//! The documents against the programs: every command line that they show is one that lastbit or xtask takes, and every link leads on.

mod grammar;
mod links;
mod markdown;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};

use grammar::Grammar;
use markdown::Document;

/// Folders whose documents are checked, where they exist: Markdown files, notebooks and the forms for issues.
const FOLDERS: [&str; 11] = [
    "",
    "docs",
    "docs/results",
    "peers",
    "python",
    "fuzz",
    "core",
    "native",
    "web",
    ".github",
    ".github/ISSUE_TEMPLATE",
];
/// Flags that documents name alone and that belong to other programs.
const OTHER_FLAGS: [(&str, &str); 7] = [
    ("--array", "sbatch"),
    ("--constraint", "sbatch"),
    ("--cpus-per-task", "sbatch"),
    ("--gres", "sbatch"),
    ("--locked", "cargo install"),
    ("--mem", "sbatch"),
    ("--requeue", "sbatch"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `(path from the root, text)` of every document.
fn documents() -> Vec<(String, String)> {
    let mut documents = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let Some(text) = markdown_of(&path) else { continue };
            let name = path.file_name().unwrap().to_str().unwrap();
            documents.push((if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }, text));
        }
    }
    documents.sort();
    documents
}

/// The Markdown in a file; `None` if it is no document.
fn markdown_of(path: &Path) -> Option<String> {
    let text = || fs::read_to_string(path).unwrap();
    match path.extension()?.to_str()? {
        "md" => Some(text()),
        // The texts of a form stand at any depth.
        "yml" => Some(text().lines().map(|line| format!("{}\n", line.trim_start())).collect()),
        "ipynb" => {
            let notebook: serde_json::Value = serde_json::from_str(&text()).unwrap();
            let cells = notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "markdown");
            let lines = cells.flat_map(|cell| cell["source"].as_array().unwrap());
            Some(lines.map(|line| line.as_str().unwrap()).collect::<Vec<_>>().concat())
        }
        _ => None,
    }
}

/// The grammar of both programs. That of xtask is the text of its help and the table of its stages.
fn grammar() -> Grammar {
    let source = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    let (_, help) = source.split_once("Developer commands of lastbit.").unwrap();
    let (help, _) = help.split_once("\"\n").unwrap();
    let source = fs::read_to_string(root().join("xtask/src/test.rs")).unwrap();
    let stages = source.lines().filter_map(|line| line.trim().strip_prefix("Stage { name: \"")?.split('"').next());
    Grammar::new(lastbit::command(), help, stages.map(str::to_owned).collect())
}

/// The commands of a document that are wrong, as `line: command: reason`, and the number of all commands.
fn wrong_commands(grammar: &Grammar, text: &str) -> (Vec<String>, usize) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for code in Document::read(text).code {
        let mut outcomes = Vec::new();
        for shown in shell::commands(&code.text) {
            outcomes.push(grammar.check(&shown, code.is_block));
        }
        let words: Vec<String> = code.text.split_whitespace().map(str::to_owned).collect();
        let first = words.first().and_then(|word| word.split('=').next());
        let is_other = first.is_some_and(|word| OTHER_FLAGS.iter().any(|(flag, _)| word == *flag));
        if !code.is_block && outcomes.is_empty() && !is_other && grammar.is_fragment(&words) {
            outcomes.push(grammar.check_fragment(&words));
        }
        count += outcomes.len();
        let reasons = outcomes.into_iter().filter_map(Result::err);
        wrong.extend(reasons.map(|reason| format!("{}: `{}`: {reason}", code.line, code.text)));
    }
    (wrong, count)
}

#[test]
fn every_command_of_the_documents_is_accepted() {
    let grammar = grammar();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, text) in documents() {
        let (found, commands) = wrong_commands(&grammar, &text);
        wrong.extend(found.iter().map(|line| format!("{name}:{line}")));
        count += commands;
    }
    assert!(wrong.is_empty(), "{} of {count} commands:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 200, "only {count} commands were found");
}

#[test]
fn notebooks_and_forms_are_read() {
    let documents = documents();
    for (name, command) in [
        ("python/figure2.ipynb", "lastbit reproduce fig2 --quick"),
        (".github/ISSUE_TEMPLATE/certificate.yml", "lastbit certify --adapter NAME"),
        (".github/ISSUE_TEMPLATE/bug.yml", "lastbit certify --quick"),
    ] {
        let (_, text) = documents.iter().find(|(known, _)| known == name).unwrap();
        assert!(Document::read(text).code.iter().any(|code| code.text.starts_with(command)), "{name}");
    }
}

/// The examples under the help of lastbit's commands.
#[test]
fn every_example_of_the_help_is_accepted() {
    fn texts(command: &clap::Command, all: &mut Vec<String>) {
        let notes = [command.get_after_help(), command.get_after_long_help()];
        all.extend(notes.into_iter().flatten().map(ToString::to_string));
        command.get_subcommands().for_each(|command| texts(command, all));
    }
    let mut all = Vec::new();
    texts(&lastbit::command(), &mut all);
    let lines = all.iter().flat_map(|text| text.lines()).map(|line| line.trim().trim_start_matches("Example: "));
    let examples: Vec<&str> = lines.filter(|line| line.starts_with("lastbit ")).collect();
    let (wrong, count) = wrong_commands(&grammar(), &format!("```\n{}\n```\n", examples.join("\n")));
    assert!(
        wrong.is_empty() && count == examples.len() && count >= 10,
        "{count} of {examples:?}:\n{}",
        wrong.join("\n")
    );
}

/// Each bad text is refused, at its line; each good one is accepted and counted.
#[test]
fn the_check_finds_wrong_commands() {
    let grammar = grammar();
    let bad = [
        ("```\nlastbit train --nett resnet8 --out runs/x\n```", 2, "--nett"),
        ("```sh\nlastbit train --net resnet8 \\\n  --out runs/x \\\n  --no-such\n```", 2, "--no-such"),
        ("    cargo run --release -- train --net resnet7 --out x", 1, "resnet7"),
        ("```\nlastbit train --net resnet8\n```", 2, "--out"),
        ("```\nlastbit verify\n```", 2, "required"),
        ("text `lastbit nonsense` text", 1, "nonsense"),
        ("text\nover `lastbit reproduce\nfig2 --quik` text", 2, "--quik"),
        ("`lastbit reproduce fig5 --quick`", 1, "fig5"),
        ("`lastbit reproduce NAME --dry-runn`", 1, "--dry-runn"),
        ("`lastbit train --steps many`", 1, "many"),
        ("`target/release/lastbit certify --adaptor NAME`", 1, "--adaptor"),
        ("| a | `srun lastbit train --resum` |", 1, "--resum"),
        ("```\nLASTBIT_ADAPTER=processor lastbit train --bogus --out x\n```", 2, "--bogus"),
        ("```\nmkdir -p x && srun -n 1 lastbit train --bogus --out x | tee log\n```", 2, "--bogus"),
        ("```\nparallel 'lastbit train --bogus --seed {}' ::: 1 2\n```", 2, "--bogus"),
        ("```\nsbatch --gres=gpu:1 --wrap='srun lastbit train --bogus --out x'\n```", 2, "--bogus"),
        (
            "```yaml\ncommand: [\"lastbit\", \"train\", \"--bogus\", \"--ks\", \"1,3\", \"--out\", \"x\"]\n```",
            2,
            "--bogus",
        ),
        ("```yaml\nargs: [sh, -c, \"lastbit train --bogus --out x\"]\n```", 2, "--bogus"),
        ("`--no-such-flag`", 1, "--no-such-flag"),
        ("`compare --endz`", 1, "--endz"),
        ("`reproduce --adaptors 0,1`", 1, "--adaptors"),
        ("```\nlastbit report runs/x --page-url\n```", 2, "--page-url"),
        ("`fig2 --quik`", 1, "--quik"),
        ("`bench --pears`", 1, "--pears"),
        ("`cargo xtask tets`", 1, "tets"),
        ("`cargo xtask test browsers`", 1, "browsers"),
        ("`cargo xtask soak --hours 1`", 1, "--hours"),
        ("`cargo xtask soak --kills`", 1, "--kills needs a value"),
        ("`cargo xtask bench --filtr x`", 1, "--filtr"),
        ("`cargo xtask bench --peers --net resnet20 --fast`", 1, "--fast"),
        ("```\ncargo xtask hardware report\n```", 2, "arguments"),
    ];
    for (text, line, reason) in bad {
        let (wrong, _) = wrong_commands(&grammar, text);
        assert_eq!(wrong.len(), 1, "{text}: {wrong:?}");
        assert!(wrong[0].starts_with(&format!("{line}: ")) && wrong[0].contains(reason), "{text}: {wrong:?}");
    }
    let good = [
        "```\nlastbit train --net resnet8 --ks 1,3,2 \\\n    --steps N --out FOLDER   # a comment with --flags\n```",
        "`lastbit train --resume` continues",
        "`lastbit reproduce NAME [--quick] --out FOLDER`",
        "`lastbit reproduce NAME --dry-run`",
        "`lastbit train --ks 1,3 --epochs $EPOCHS`",
        "a `lastbit report` in passing",
        "`cargo xtask hardware report RESULTS...`",
        "`cargo xtask test [STAGE...]`",
        "`cargo xtask bench --filter conv3x3`",
        "`--adapter processor`",
        "`data fetch cifar10`",
        "`bench --peers`",
        "`reproduce --adapters 0,1`",
        "`report --page-url`",
        "```\nfor s in 1 2; do lastbit train --seed $s --out runs/$s >log 2>&1; done\n```",
    ];
    for text in good {
        let (wrong, count) = wrong_commands(&grammar, text);
        assert!(wrong.is_empty() && count == 1, "{text}: {count}, {wrong:?}");
    }
    let none = [
        "`lastbit-core`",
        "`lastbit`",
        "```python\nlastbit train --bogus\n```",
        "`git --version`",
        "`--`",
        "lastbit train --bogus",
    ];
    for text in none {
        let (wrong, count) = wrong_commands(&grammar, text);
        assert!(wrong.is_empty() && count == 0, "{text}: {count}, {wrong:?}");
    }
}
