//! What others install: the crates, checked as a registry would hand them out, and `cargo xtask dist`, the archive of a release.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{host, process};

/// The crates that are published, in the order in which they depend on each other.
const PUBLISHED: [&str; 2] = ["lastbit-core", "lastbit"];
/// Of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Packs the crates and checks that the program is built from their `.crate` files alone, in a folder outside the repository.
pub fn check() -> Result<()> {
    let mut package = process::command("cargo", &["package", "--quiet", "--no-verify", "--allow-dirty"]);
    for name in PUBLISHED {
        package.args(["--package", name]);
    }
    process::run(&mut package, LIMIT)?;
    let folder = std::env::temp_dir().join(format!("lastbit-packages-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let outcome = check_in(&folder);
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn check_in(folder: &Path) -> Result<()> {
    let packed = host::target_dir()?.join("package");
    for name in PUBLISHED {
        let file = packed.join(format!("{name}-{VERSION}.crate"));
        process::run(process::command("tar", &["-xzf"]).arg(file).arg("-C").arg(folder), LIMIT)?;
        for kept in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
            let kept = folder.join(format!("{name}-{VERSION}")).join(kept);
            if !kept.is_file() {
                bail!("the package of {name} lacks {}", kept.file_name().unwrap_or_default().display());
            }
        }
    }
    // The registry may not have this core yet. The path is relative to the folder in which Cargo runs.
    let [core, program] = PUBLISHED;
    let patch = format!("patch.crates-io.{core}.path='../{core}-{VERSION}'");
    // In the folder of the tests and with the features of `--examples`, most dependencies are those that the tests have compiled.
    let mut cargo =
        process::command("cargo", &["build", "--quiet", "--bin", program, "--examples", "--config", &patch]);
    let target = host::target_dir()?;
    cargo.arg("--target-dir").arg(target).env("CARGO_PROFILE_DEV_DEBUG", "false");
    process::run(cargo.current_dir(folder.join(format!("{program}-{VERSION}"))), LIMIT)?;
    let built = target.join("debug").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    let said = process::capture(&mut process::command(&built, &["--version"]), LIMIT)?;
    if said.trim() != format!("{program} {VERSION}") {
        bail!("the program of the package says '{}'", said.trim());
    }
    Ok(())
}

/// Flags of `cargo xtask dist`.
#[derive(Debug, PartialEq, Eq)]
struct Dist {
    target: String,
    /// The oldest glibc that the program shall run with. zig links it then, through cargo-zigbuild.
    glibc: Option<String>,
}

impl Dist {
    fn parse(flags: &[String]) -> Result<Self> {
        match flags {
            [target] if !target.starts_with('-') => Ok(Self { target: target.clone(), glibc: None }),
            [target, flag, glibc] if !target.starts_with('-') && flag == "--glibc" => {
                if !target.ends_with("-linux-gnu") {
                    bail!("--glibc is for targets that end in -linux-gnu, not for {target}");
                }
                Ok(Self { target: target.clone(), glibc: Some(glibc.clone()) })
            }
            _ => bail!(
                "dist takes a target and perhaps --glibc VERSION, as in: dist x86_64-unknown-linux-gnu --glibc 2.28"
            ),
        }
    }

    /// Name of the archive without its extension, and of the folder in it. `cargo binstall` knows the form (native/Cargo.toml).
    fn name(&self) -> String {
        format!("lastbit-{VERSION}-{}", self.target)
    }

    fn is_windows(&self) -> bool {
        self.target.contains("-windows-")
    }

    /// The command that builds the program.
    fn build(&self) -> Vec<String> {
        let (verb, target) = match &self.glibc {
            Some(glibc) => ("zigbuild", format!("{}.{glibc}", self.target)),
            None => ("build", self.target.clone()),
        };
        let words = [verb, "--locked", "--release", "--package", "lastbit", "--target", &target];
        words.map(str::to_owned).to_vec()
    }
}

/// Builds the program for a target and packs it with licences, manual pages and completions into `target/dist/`.
pub fn dist(flags: &[String]) -> Result<()> {
    let dist = Dist::parse(flags)?;
    if dist.glibc.is_some() && !process::succeeds("cargo", &["zigbuild", "--help"]) {
        bail!("--glibc needs cargo-zigbuild and zig: docs/RELEASING.md");
    }
    let mut build = process::command("cargo", &[]);
    if dist.is_windows() {
        // Without the redistributable of Visual C++ its run-time library is not there.
        let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", dist.target.replace('-', "_").to_uppercase());
        build.env(variable, "-C target-feature=+crt-static");
    }
    process::run(build.args(dist.build()), LIMIT)?;
    let (target, suffix) = (host::target_dir()?, if dist.is_windows() { ".exe" } else { "" });
    let program = target.join(&dist.target).join("release").join(format!("lastbit{suffix}"));
    let (home, name) = (target.join("dist"), dist.name());
    let folder = home.join(&name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("completions")).with_context(|| format!("cannot create {}", folder.display()))?;
    copy(&program, &folder.join(format!("lastbit{suffix}")))?;
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md", "CITATION.cff"] {
        copy(&process::root().join(file), &folder.join(file))?;
    }
    // The links of this one hold outside the repository.
    copy(&process::root().join("native/README.md"), &folder.join("README.md"))?;
    write_pages(&program, &folder)?;
    let archive = pack(&home, &name, dist.is_windows())?;
    println!("the archive is {}", archive.display());
    Ok(())
}

/// Manual pages and completions. Every machine's program writes the same, so another is built where this machine cannot run `program`.
fn write_pages(program: &Path, folder: &Path) -> Result<()> {
    let is_own = process::succeeds(program, &["--version"]);
    let lastbit = |arguments: &[&str]| match is_own {
        true => process::command(program, arguments),
        false => {
            let cargo = ["run", "--quiet", "--locked", "--release", "--package", "lastbit", "--"];
            process::command("cargo", &[&cargo, arguments].concat())
        }
    };
    process::run(lastbit(&["man", "--out"]).arg(folder.join("man/man1")), LIMIT)?;
    for (shell, file) in
        [("bash", "lastbit"), ("zsh", "_lastbit"), ("fish", "lastbit.fish"), ("powershell", "_lastbit.ps1")]
    {
        let script = process::capture(&mut lastbit(&["completions", shell]), LIMIT)?;
        let file = folder.join("completions").join(file);
        fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Packs the folder `name` in `home`: as `.tgz`, for Windows as `.zip`, which Windows' own tar writes.
fn pack(home: &Path, name: &str, is_zip: bool) -> Result<PathBuf> {
    let (form, extension) = if is_zip { ("-acf", "zip") } else { ("-czf", "tgz") };
    let archive = home.join(format!("{name}.{extension}"));
    let _ = fs::remove_file(&archive);
    let mut tar = process::command("tar", &[form]);
    // On macOS tar would add files for extended attributes.
    process::run(tar.arg(&archive).arg(name).current_dir(home).env("COPYFILE_DISABLE", "1"), LIMIT)?;
    Ok(archive)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Dist> {
        Dist::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn zig_builds_for_an_old_glibc() {
        let old = parse("x86_64-unknown-linux-gnu --glibc 2.28").unwrap();
        assert!(old.build().starts_with(&["zigbuild".to_owned()]));
        assert_eq!(old.build().last().unwrap(), "x86_64-unknown-linux-gnu.2.28");
        let mac = parse("aarch64-apple-darwin").unwrap();
        assert!(mac.build().starts_with(&["build".to_owned()]) && !mac.is_windows());
        assert!(parse("aarch64-apple-darwin --glibc 2.28").unwrap_err().to_string().contains("-linux-gnu"));
        assert!(Dist::parse(&[]).is_err());
        for line in ["--glibc 2.28", "a b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_version_is_that_of_the_workspace() {
        let has = |name: &str, text: &str, line: String| assert!(text.contains(&line), "{name} has no line `{line}`");
        let core = format!("\nlastbit-core = {{ path = \"core\", version = \"={VERSION}\" }}\n");
        has("Cargo.toml", include_str!("../../Cargo.toml"), core);
        has("CITATION.cff", include_str!("../../CITATION.cff"), format!("\nversion: {VERSION}\n"));
        has("www/package.json", include_str!("../../www/package.json"), format!("\n  \"version\": \"{VERSION}\",\n"));
        has("python/lastbit.py", include_str!("../../python/lastbit.py"), format!("\n__version__ = \"{VERSION}\"\n"));
    }

    /// The names that `cargo binstall` looks for, and the targets of the release workflow.
    #[test]
    fn binstall_finds_the_archives_of_the_release() {
        let manifest = include_str!("../../native/Cargo.toml");
        let workflow = include_str!("../../.github/workflows/release.yml");
        let value = |key: &str| {
            let line = manifest.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_start_matches(" = ").trim_matches('"').to_owned()
        };
        let targets: Vec<&str> = workflow.lines().filter_map(|line| line.trim().strip_prefix("- target: ")).collect();
        assert_eq!(targets.len(), 5);
        for extension in ["tgz", "zip"] {
            assert!(workflow.contains(&format!(" target/dist/lastbit-*.{extension}\n")), "{extension}");
        }
        for target in targets {
            let dist = parse(target).unwrap();
            let filled = |text: String| {
                let text = text.replace("{ name }", "lastbit").replace("{ version }", VERSION);
                text.replace("{ target }", target).replace("{ bin }", "lastbit")
            };
            let url = filled(value("pkg-url"));
            let file = url.rsplit('/').next().unwrap().replace("{ archive-suffix }", ".tgz");
            assert_eq!(file, format!("{}.tgz", dist.name()));
            assert_eq!(filled(value("bin-dir")), format!("{}/lastbit{{ binary-ext }}", dist.name()));
            let overrides = manifest.contains(&format!("overrides.{target}]\npkg-fmt = \"zip\""));
            assert_eq!(overrides, dist.is_windows(), "{target}");
        }
    }
}
