//! `cargo xtask bench --peers`: compares lastbit with Burn, PyTorch and TensorFlow.js on this machine. All train the same network
//! from the same weights on the same batch, in turns, for several rounds; the result is one table. What each trains is checked
//! before it is timed. A peer that is absent or fails gets a line of the table with the reason.

mod budget;
mod child;
mod contender;
mod lastbit;
mod limited;
mod options;
mod reference;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

pub use limited::Comparison;
pub use options::is_net;
pub use table::{Table, median};

use crate::{host, process, setup, site};
use budget::Budget;
use contender::{Contender, Platform, Runner};
use lastbit::Lastbit;
use options::{Options, Peer};
use reference::Reference;
use table::Adapter;

const BUILD_LIMIT: Duration = Duration::from_secs(90 * 60);
/// Samples in the browser's batch: SwiftShader trains them in some seconds.
const BROWSER_BATCH: u32 = 8;
/// Share of a budget after which no further round begins.
const LAST_ROUND: f64 = 0.85;
const ONLY_RESNETS: &str = "only lastbit and PyTorch train VGG16 here";

/// Measures and writes `peers.md` and `peers.json`.
pub fn run(flags: &[String]) -> Result<()> {
    let options = Options::parse(flags)?;
    let work = host::target_dir()?.join("peers");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    process::run(
        &mut process::command("cargo", &["build", "--release", "--quiet", "--package", "lastbit"]),
        BUILD_LIMIT,
    )?;
    let program = host::target_dir()?.join(format!("release/lastbit{}", std::env::consts::EXE_SUFFIX));
    let lastbits: Vec<_> = options.adapters.iter().map(|name| Lastbit::new(&program, name.as_deref())).collect();
    let adapters = lastbits.iter().map(Lastbit::measure).collect::<Result<Vec<_>>>()?;
    let reference = |batch| Reference::make(&lastbits[0], &work, &options.net, batch, Budget::default());
    let (native, small) = (reference(options.batch)?, reference(BROWSER_BATCH)?);
    let mut contenders = Vec::new();
    for (index, (lastbit, Adapter { name, .. })) in lastbits.iter().zip(&adapters).enumerate() {
        // Peers that train one network are compared with one replica.
        let single = (index == 0 && options.replicas > 1).then_some(1);
        for replicas in single.into_iter().chain([options.replicas]) {
            contenders.push(Contender::lastbit(lastbit, (index, name), &work, &native, replicas));
        }
    }
    if options.wants(Peer::Burn) {
        contenders.push(Contender::new("Burn", Platform::Native, &native, 1, || burn(&work, &native, options.install)));
    }
    if options.wants(Peer::PyTorch) {
        contenders.extend(pytorch(&work, &native, &options));
    }
    if options.wants(Peer::TensorFlowJs) {
        let browser = set_up_browser(&options.net, options.install);
        for (name, framework) in [("lastbit, the page", "lastbit"), ("TensorFlow.js", "tfjs")] {
            contenders.push(Contender::new(name, Platform::Browser, &small, 1, || {
                let chromium = browser.as_ref().map_err(|reason| anyhow::anyhow!("{reason:#}"))?;
                let files = [&small.weights, &small.images];
                let mut node = process::command("node", &["peers/tfjs/peer.mjs", framework]);
                node.arg(chromium).args([&small.net, &small.batch.to_string()]);
                node.args(files.into_iter().filter(|_| framework == "tfjs"));
                Runner::start(node, &work, framework)
            }));
        }
    }
    let table = take_turns(&options.net, options.rounds, &lastbits, adapters, contenders, Budget::default())?;
    println!("\n{}", table.markdown());
    for (name, text) in [("peers.md", table.markdown()), ("peers.json", serde_json::to_string_pretty(&table)? + "\n")] {
        let file = work.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("peers: wrote {}", file.display());
    }
    Ok(())
}

/// Lets the contenders take turns for a number of rounds, and measures the adapters' FMA rates in each. Rounds after the first that
/// counts are left out if most of the budget is spent.
fn take_turns(
    net: &str,
    rounds: usize,
    lastbits: &[Lastbit],
    mut adapters: Vec<Adapter>,
    mut contenders: Vec<Contender>,
    budget: Budget,
) -> Result<Table> {
    let mut rates = vec![Vec::new(); adapters.len()];
    let mut counted = 0;
    // Round 0 warms up and determines the number of steps in a turn.
    for round in 0..=rounds {
        if round > 1 && budget.is_spent(LAST_ROUND) {
            println!("peers: no time left for round {round} of {rounds}");
            break;
        }
        println!("peers: round {round} of {rounds}");
        for (rates, lastbit) in rates.iter_mut().zip(lastbits).filter(|_| round > 0) {
            rates.extend(lastbit.measure()?.fma_gflops);
        }
        for contender in &mut contenders {
            contender.take_turn(round);
        }
        counted = round;
    }
    for (adapter, rates) in adapters.iter_mut().zip(&rates) {
        adapter.fma_gflops = median(rates);
    }
    let rows = contenders.iter().map(|contender| contender.measurement(&adapters)).collect();
    Ok(Table::new(net.to_owned(), counted, adapters, rows))
}

/// Starts Burn's program, built from its own lock file. It is built only with `--install`, or if it was built before.
fn burn(work: &Path, reference: &Reference, install: bool) -> Result<Runner> {
    anyhow::ensure!(options::is_resnet(&reference.net), ONLY_RESNETS);
    let folder = work.join("burn");
    let program = folder.join(format!("release/lastbit-peer-burn{}", std::env::consts::EXE_SUFFIX));
    if install || program.is_file() {
        let mut cargo = process::command("cargo", &["build", "--release", "--quiet", "--locked"]);
        cargo.arg("--target-dir").arg(&folder).arg("--manifest-path").arg("peers/burn/Cargo.toml");
        process::run(&mut cargo, BUILD_LIMIT)?;
    }
    anyhow::ensure!(program.is_file(), "not built: `cargo xtask bench --peers --install` builds it");
    let mut command = process::command(&program, &[&reference.net, &reference.batch.to_string()]);
    command.args([&reference.weights, &reference.images]);
    Runner::start(command, work, "burn")
}

/// PyTorch as the paper's authors use it, and in its fastest form; on CUDA, both also with TF32.
fn pytorch<'a>(work: &Path, reference: &'a Reference, options: &Options) -> Vec<Contender<'a>> {
    let python = python(work, options.install);
    let precisions: &[&str] =
        if python.as_ref().is_ok_and(|python| has_cuda(python)) { &["float32", "tf32"] } else { &["float32"] };
    let mut contenders = Vec::new();
    for precision in precisions {
        for mode in ["eager", "best"] {
            let platform = Platform::Native;
            contenders.push(Contender::new("PyTorch", platform, reference, options.replicas, || {
                let python = python.as_ref().map_err(|reason| anyhow::anyhow!("{reason:#}"))?;
                start_pytorch(python, work, reference, options.replicas, [mode, precision])
            }));
        }
    }
    contenders
}

/// Starts PyTorch's program with `replicas` networks.
fn start_pytorch(
    python: &Path,
    work: &Path,
    reference: &Reference,
    replicas: u32,
    [mode, precision]: [&str; 2],
) -> Result<Runner> {
    let mut command = process::command(python, &["-B", "peers/pytorch/peer.py", &reference.net]);
    command.args([reference.batch, replicas].map(|number| number.to_string()));
    command.args([&reference.weights, &reference.images]).args([mode, precision]);
    Runner::start(command, work, &format!("pytorch-{mode}-{precision}"))
}

/// True if PyTorch computes on a GPU with this Python.
fn has_cuda(python: &Path) -> bool {
    process::succeeds(python, &["-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
}

/// A Python with PyTorch: the one that LASTBIT_PYTHON names, else the one that `--install` creates, else the one on the PATH.
fn python(work: &Path, install: bool) -> Result<PathBuf> {
    let folder = work.join("venv");
    let scripts = if cfg!(windows) { "Scripts" } else { "bin" };
    let own = folder.join(scripts).join(format!("python{}", std::env::consts::EXE_SUFFIX));
    let on_path = process::find_program(&["python3", "python"]);
    let known = [std::env::var_os("LASTBIT_PYTHON").map(PathBuf::from), Some(own.clone()), on_path.clone()];
    let has_torch = |python: &PathBuf| process::succeeds(python, &["-c", "import torch"]);
    if let Some(found) = known.into_iter().flatten().find(has_torch) {
        return Ok(found);
    }
    let remedy =
        "no Python with PyTorch: `cargo xtask bench --peers --install` installs one, or name one in LASTBIT_PYTHON";
    let base = on_path.filter(|_| install).context(remedy)?;
    process::run(process::command(base, &["-m", "venv"]).arg(&folder), BUILD_LIMIT)?;
    process::run(
        &mut process::command(&own, &["-m", "pip", "install", "-r", "peers/pytorch/requirements.txt"]),
        BUILD_LIMIT,
    )?;
    Ok(own)
}

/// The path of Chromium; also makes sure that TensorFlow.js is installed and the page is built.
fn set_up_browser(net: &str, install: bool) -> Result<PathBuf> {
    anyhow::ensure!(options::is_resnet(net), ONLY_RESNETS);
    let chromium = host::chromium().context("no Chromium: install it, or name its executable in CHROMIUM")?;
    let folder = process::root().join("peers/tfjs");
    if install && !folder.join("node_modules").is_dir() {
        let npm = host::npm().context("no npm: install Node.js")?;
        process::run(process::command(npm, &["ci", "--ignore-scripts"]).current_dir(&folder), BUILD_LIMIT)?;
    }
    anyhow::ensure!(
        folder.join("node_modules").is_dir(),
        "not installed: `cargo xtask bench --peers --install` installs it into peers/tfjs/node_modules"
    );
    if install || !process::root().join("www/dist/index.html").is_file() {
        setup::for_browser()?;
        site::build()?;
    }
    Ok(chromium)
}
