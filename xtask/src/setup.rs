//! Set-up: finds what a stage needs and this machine lacks. Installs it where that needs no permission (Debian as root, rustup
//! components); elsewhere prints exactly what to install.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::host::{self, Packages};
use crate::{process, toolchain, wasm};

const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
const NODE_MAJOR: u32 = 20;

/// A program or data set that stages need.
struct Need {
    what: &'static str,
    present: fn() -> bool,
    /// Debian's packages that provide it; empty if Debian's version is too old.
    debian: &'static [&'static str],
    /// What a user does on other systems, or if Debian has no such package.
    otherwise: &'static str,
}

/// Needed on a machine with a GPU as well: some tests name the software GPU.
const LLVMPIPE: Need = Need {
    what: "a software GPU (Mesa's llvmpipe)",
    present: host::has_llvmpipe,
    debian: &["mesa-vulkan-drivers", "libvulkan1"],
    otherwise: "install Mesa's Vulkan driver lavapipe and the Vulkan loader (Ubuntu: mesa-vulkan-drivers, libvulkan1; Fedora: \
                mesa-vulkan-drivers, vulkan-loader; Arch: vulkan-swrast, vulkan-icd-loader), and unset VK_DRIVER_FILES and \
                VK_ICD_FILENAMES, or point them to Mesa's lvp_icd file",
};

/// Creates the tests' virtual environment, if no Python has the modules yet.
const VENV: Need = Need {
    what: "a Python that creates virtual environments (modules venv and ensurepip)",
    present: || has_modules().is_ok_and(|has| has) || host::venv_python().is_some(),
    debian: &["python3-venv"],
    otherwise: "install Python 3.11 or newer with both (Ubuntu: python3-venv; elsewhere they usually come with Python)",
};

/// Installed only on Debian as root; elsewhere the demo downloads the images.
const FASHION_MNIST: Need = Need {
    what: "Fashion-MNIST",
    present: || Path::new("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz").is_file(),
    debian: &["dataset-fashion-mnist"],
    otherwise: "run `lastbit data fetch fashion-mnist`",
};

/// A test starts a cluster of one node. Installed only on Debian as root; elsewhere the test is listed as skipped.
const SLURM: Need = Need {
    what: "Slurm with munge",
    present: || host::packages() != Packages::DebianRoot || host::has_slurm(),
    debian: &["slurmctld", "slurmd", "slurm-client", "munge"],
    otherwise: "install Slurm's controller, node daemon and commands, and munge",
};

const NEEDS: [Need; 7] = [
    LLVMPIPE,
    Need {
        what: "Chromium",
        present: || host::chromium().is_some(),
        debian: &["chromium"],
        otherwise: "install Chromium or Chrome and put it on the PATH, or name its executable in CHROMIUM",
    },
    Need {
        what: "Node.js 20 or newer, with npm",
        present: || host::npm().is_some() && host::node_major().is_some_and(|major| major >= NODE_MAJOR),
        debian: &[],
        otherwise: "install Node.js 20 or newer and npm, and put both on the PATH",
    },
    Need {
        what: "a wasm32 toolchain",
        present: || toolchain::find(wasm::TARGET).or_else(|| toolchain::add_target(wasm::TARGET)).is_some(),
        debian: &toolchain::DEBIAN_PACKAGES,
        otherwise: "run `rustup target add wasm32-unknown-unknown`",
    },
    Need {
        what: "a Python with PyTorch",
        present: || host::torch().is_some(),
        debian: &["python3-torch"],
        otherwise: "install PyTorch for python3 (pip install torch), or name a Python that has it in LASTBIT_PYTHON",
    },
    VENV,
    SLURM,
];

/// How to get what is missing.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    Nothing,
    Install(Vec<&'static str>),
    ByHand(Vec<String>),
}

fn remedy(missing: &[&Need], packages: Packages) -> Remedy {
    if missing.is_empty() {
        return Remedy::Nothing;
    }
    let installable = |need: &&&Need| packages != Packages::Other && !need.debian.is_empty();
    let wanted: Vec<&str> = missing.iter().filter(installable).flat_map(|need| need.debian).copied().collect();
    let by_hand = missing.iter().filter(|need| !installable(need));
    let mut lines: Vec<String> =
        by_hand.map(|need| format!("no {}: {}", without_article(need), need.otherwise)).collect();
    if lines.is_empty() && packages == Packages::DebianRoot {
        return Remedy::Install(wanted);
    }
    if !wanted.is_empty() {
        let sudo = if packages == Packages::DebianRoot { "" } else { "sudo " };
        lines.push(format!("run `{sudo}apt-get install --no-install-recommends {}`", wanted.join(" ")));
    }
    Remedy::ByHand(lines)
}

fn without_article(need: &Need) -> &'static str {
    need.what.strip_prefix("a ").unwrap_or(need.what)
}

/// Installs everything that the stages need, or fails with what to install.
pub fn run() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        ensure_component(component, subcommand)?;
    }
    provide(&NEEDS.each_ref())?;
    provide_modules()?;
    println!("set-up: nothing is missing");
    Ok(())
}

/// Whether Pythons have the modules that tests use.
fn has_modules() -> Result<bool> {
    for modules in [&host::TENSORBOARD[..], &host::NOTEBOOK, &host::SCHEMAS] {
        if host::python_with(modules)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Installs the modules that tests use into a virtual environment: Debian lacks some of them.
fn provide_modules() -> Result<()> {
    if has_modules()? {
        return Ok(());
    }
    let modules = [&host::TENSORBOARD[..], &host::NOTEBOOK, &host::SCHEMAS].concat();
    println!("set-up: installing {} into a virtual environment", modules.join(", "));
    let own = host::test_python()?;
    let folder = own.parent().and_then(Path::parent).context("an environment has a folder for programs")?;
    if !process::succeeds(&own, &["-c", "import pip"]) {
        let python =
            host::venv_python().context("no Python that creates virtual environments; install python3-venv")?;
        // An existing environment is incomplete, or its Python is gone.
        process::run(process::command(python, &["-m", "venv", "--clear"]).arg(folder), INSTALL_LIMIT)?;
    }
    let pip = [&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], &modules[..]].concat();
    process::run(&mut process::command(&own, &pip), INSTALL_LIMIT)?;
    if !has_modules()? {
        bail!("the modules were installed, but are not found in '{}'", folder.display());
    }
    Ok(())
}

/// Installs what the demo needs beside a compiler, the images, on Debian as root. It needs no driver: without a GPU the processor
/// computes.
pub fn for_demo() -> Result<()> {
    if host::packages() == Packages::DebianRoot && provide(&[&FASHION_MNIST]).is_err() {
        println!("set-up: cannot install Debian's dataset-fashion-mnist; the demo looks for the images elsewhere");
    }
    Ok(())
}

/// Installs what the page is built with.
pub fn for_web() -> Result<()> {
    let [_, _, node, wasm, ..] = &NEEDS;
    provide(&[node, wasm])
}

/// Installs what the page is built with and shown in.
pub fn for_browser() -> Result<()> {
    let [_, chromium, node, wasm, ..] = &NEEDS;
    provide(&[chromium, node, wasm])
}

/// Installs the missing ones of `needs`, or fails with what to install.
fn provide(needs: &[&Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().copied().filter(|need| !(need.present)()).collect();
    match remedy(&missing, host::packages()) {
        Remedy::Nothing => {}
        Remedy::Install(packages) => install(&packages)?,
        Remedy::ByHand(lines) => bail!("{}", lines.join("; ")),
    }
    let still = missing.iter().filter(|need| !(need.present)());
    let still: Vec<String> = still.map(|need| format!("{}: {}", need.what, need.otherwise)).collect();
    if !still.is_empty() {
        bail!("still missing after the installation: {}", still.join("; "));
    }
    Ok(())
}

fn ensure_component(component: &str, subcommand: &str) -> Result<()> {
    let present = || process::succeeds("cargo", &[subcommand, "--version"]);
    if present() {
        return Ok(());
    }
    println!("set-up: {component} is missing; trying `rustup component add {component}`");
    let mut rustup = process::command("rustup", &["component", "add", component]);
    if process::run(&mut rustup, Duration::from_secs(180)).is_err() || !present() {
        bail!("no {component}: install it for the Rust in use (`rustup component add {component}`)");
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    println!("set-up: installing {}", packages.join(", "));
    let apt_get = |arguments: &[&str]| {
        let mut command = process::command("apt-get", arguments);
        process::run(command.env("DEBIAN_FRONTEND", "noninteractive"), INSTALL_LIMIT)
    };
    apt_get(&["update", "--quiet"])?;
    // `--no-remove`: if packages conflict, the choice is the user's.
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends", "--no-remove"];
    arguments.extend(packages);
    apt_get(&arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(indices: &[usize]) -> Vec<&'static Need> {
        const STATIC: &[Need] = &NEEDS;
        indices.iter().map(|&index| &STATIC[index]).collect()
    }

    #[test]
    fn nothing_missing_needs_nothing() {
        for packages in [Packages::DebianRoot, Packages::Debian, Packages::Other] {
            assert_eq!(remedy(&[], packages), Remedy::Nothing);
        }
    }

    #[test]
    fn root_on_debian_installs_all_at_once() {
        let wanted = vec![
            "mesa-vulkan-drivers",
            "libvulkan1",
            "chromium",
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            "rust-web-clippy",
            "binutils-mingw-w64-x86-64",
            "python3-venv",
        ];
        assert_eq!(remedy(&needs(&[0, 1, 3, 5]), Packages::DebianRoot), Remedy::Install(wanted));
    }

    #[test]
    fn a_user_on_debian_gets_one_command() {
        let lines = vec!["run `sudo apt-get install --no-install-recommends chromium`".to_owned()];
        assert_eq!(remedy(&needs(&[1]), Packages::Debian), Remedy::ByHand(lines));
    }

    #[test]
    fn what_debian_lacks_is_reported_before_anything_is_installed() {
        let Remedy::ByHand(lines) = remedy(&needs(&[1, 2]), Packages::DebianRoot) else { panic!("must be by hand") };
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("no Node.js 20 or newer, with npm: install"), "{}", lines[0]);
        assert_eq!(lines[1], "run `apt-get install --no-install-recommends chromium`");
    }

    #[test]
    fn elsewhere_every_need_has_its_own_line() {
        let Remedy::ByHand(lines) = remedy(&needs(&[0, 1, 2, 3, 4, 5]), Packages::Other) else {
            panic!("must be by hand")
        };
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| !line.contains("apt-get")));
    }
}
