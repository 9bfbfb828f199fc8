//! The developer commands of lastbit, `cargo xtask VERB`. Each verb has a module; the other modules are shared.

mod browser;
mod demo;
mod foreign;
mod hardware;
mod host;
mod images;
mod packages;
mod peers;
mod process;
mod setup;
mod signals;
mod site;
mod soak;
mod test;
mod times;
mod toolchain;
mod wasm;

use std::process::ExitCode;

fn help() -> String {
    let stages = test::stage_names().join(" ");
    format!(
        "\
Developer commands of lastbit.

    cargo xtask demo              builds lastbit, trains a small network on real images for two minutes, on a GPU or on the
                                  processor, and prints where the report is; needs no driver and no root
    cargo xtask test [STAGE...]   runs everything that CI checks, cheapest first, and stops at the first failure: installs what
                                  is missing, then checks format, the page's functions, lints, types for Windows and macOS,
                                  documentation, tests (on a GPU or the processor; the important ones also on a software GPU), the
                                  Python reader with its notebook, the crates as others install them, and the page in a real
                                  browser. Lists skipped tests and the slowest tests at the end; in CI a skipped test is a failure.
                                  With stage names, only those stages run, in this order: {stages}
    cargo xtask web [--serve]     builds the page as a static site into www/dist/; with --serve, serves it on this machine
    cargo xtask bench [FLAG...]   builds with optimisation and runs `lastbit bench` with the flags
    cargo xtask bench --web [--memory-steps N]
                                  measures the page in Chromium: time to the first point, throughput against the native program,
                                  frame rate, memory; with --memory-steps N, only memory, over N steps of the one-layer network
    cargo xtask bench --peers [--install] [--net NAME] [--batch-size N] [--replicas N] [--adapters NAME,NAME] [--rounds N]
                              [--only burn,pytorch,tfjs]
                                  compares lastbit with Burn, PyTorch and TensorFlow.js: all train the same network from the same
                                  weights, in turns, and one table shows the results. --net takes a ResNet or vgg16 (lastbit and
                                  PyTorch only). --adapters names the adapters that lastbit runs on (default: the best one; peers
                                  are compared with the first). --install fetches and builds the peers (gigabytes); without it
                                  only installed peers run
    cargo xtask fingerprints      computes the published fingerprints on the processor, and writes them into the program's table and
                                  into docs/FINGERPRINTS.md; after a change of docs/ORDER.md, or of the runs in the table
    cargo xtask dist TARGET [--glibc VERSION]
                                  builds the archive of a release for TARGET, such as aarch64-apple-darwin: the program with
                                  licences, manual pages and completions, into target/dist/; --glibc links with the symbols of an
                                  older glibc (needs cargo-zigbuild)
    cargo xtask soak [--minutes N] [--kills N] [--program PATH]
                                  runs what takes too long for CI: kills a run 20 times at random moments and compares it with an
                                  undisturbed one, then trains for an hour and watches memory, handles and the control lamp
    cargo xtask hardware pack [FOLDER] [--data PATH]
                                  makes one folder for a machine with a GPU and without Rust: lastbit, its tests, the peers, and a
                                  program that runs them there, as `FOLDER/run RESULTS`. --data packs CIFAR-10 (the archive or a
                                  folder with its files) or an image folder; without it, runs train on made-up images
    cargo xtask hardware run RESULTS [STAGE...] [FLAG...]
                                  packs this checkout and runs it on this machine; `FOLDER/run help` lists stages and flags
    cargo xtask hardware report RESULTS... [--docs FOLDER]
                                  turns folders of results into sections of DEVICES.md, HARDWARE.md and PERFORMANCE.md in docs/
    cargo xtask help              prints this text

Set CHROMIUM to the browser's executable if it is not on the PATH."
    )
}

/// The example of the core that writes the published fingerprints.
fn fingerprints() -> anyhow::Result<()> {
    let arguments = ["run", "--quiet", "--package", "lastbit-core", "--example", "fingerprints"];
    process::run(&mut process::command("cargo", &arguments), std::time::Duration::from_secs(60 * 60))
}

/// `lastbit bench`, built with optimisation.
fn bench(flags: &[String]) -> anyhow::Result<()> {
    let mut cargo = process::command("cargo", &["run", "--release", "--quiet", "--package", "lastbit", "--", "bench"]);
    process::run(cargo.args(flags), std::time::Duration::from_secs(60 * 60))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if hardware::is_packed() {
        return hardware::packed(&arguments);
    }
    let (verb, rest) = match arguments.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match verb {
        "demo" if rest.is_empty() => demo::run(),
        "demo" => {
            eprintln!(
                "xtask: demo takes no flags, not '{}'; `lastbit train` has flags for every setting",
                rest.join(" ")
            );
            return ExitCode::from(2);
        }
        "test" => test::run(rest),
        times::PROGRAM_VERB => times::run_program(rest),
        "web" => site::run(rest),
        "bench" if rest.first().is_some_and(|flag| flag == "--web") => browser::bench(&rest[1..]),
        "bench" if rest.first().is_some_and(|flag| flag == "--peers") => peers::run(&rest[1..]),
        "bench" => bench(rest),
        "fingerprints" => fingerprints(),
        "soak" => soak::run(rest),
        "dist" => packages::dist(rest),
        "hardware" => match hardware::verb(rest) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        "help" | "-h" | "--help" => {
            println!("{}", help());
            return ExitCode::SUCCESS;
        }
        unknown => {
            eprintln!("xtask: unknown verb '{unknown}'; `cargo xtask help` lists the verbs");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
