//! `lastbit certify`: checks which promises a device keeps, and writes its certificate.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Args;
use lastbit_core::certify::{self, Certificate, Event, Promise, Settings};
use lastbit_core::device::{Context, Family};
use lastbit_core::record::Shader;
use lastbit_core::{arithmetic, bench};
use pollster::block_on;

use crate::certificate;
use crate::failure::Failure;
use crate::run::known_tiles;
use crate::terminal::print_line;
use crate::{device, host_memory};

/// Flags of `certify`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Adapter by index or part of its name (see `lastbit adapters`) [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    /// Check fewer networks, and measure no speed
    #[arg(long)]
    quick: bool,
    /// Folder for certificate.json and certificate.html; it must be empty or missing
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Fault injector for tests: flip a bit of what this shader wrote
    #[arg(long, value_name = "SHADER", hide = true, value_parser = shader)]
    fault: Option<Shader>,
}

fn shader(name: &str) -> Result<Shader, String> {
    let found = Shader::ALL.iter().find(|shader| shader.name() == name);
    found.copied().ok_or_else(|| format!("there is no shader '{name}'"))
}

/// Checks every promise, prints each as it is checked, and writes the certificate. The exit code is 1 if one is broken.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    check_empty(&arguments.out)?;
    let context = Rc::new(device::open(arguments.adapter.as_deref())?);
    if let Some(bytes) = host_memory::budget().filter(|_| context.adapter().uses_host_memory()) {
        context.set_memory_budget(bytes);
    }
    let adapter = context.adapter();
    let arithmetic = block_on(arithmetic::probe(&context))?;
    print_line(format!("{} ({}): {}", adapter.name, adapter.driver, arithmetic));
    let settings = Settings {
        quick: arguments.quick,
        tuned: if adapter.has_tiles() { known_tiles(&context) } else { Vec::new() },
        threads: device::options(None)?.threads,
        fault: arguments.fault,
    };
    // The files say at any time what is known, so that a lost device or a signal leaves the promises that were checked.
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| Failure::given("create the folder", &arguments.out, &error))?;
    let mut certified = Certificate::new(adapter.into(), arithmetic, arguments.quick, certificate::today());
    let page = certificate::write(&certified, &arguments.out)?;
    let mut subject = String::new();
    let mut show = |event: Event<'_>| match event {
        Event::Subject(name) => {
            print_line(format!("        {name}"));
            name.clone_into(&mut subject);
        }
        Event::Promise(promise) => {
            lines(&promise).iter().for_each(print_line);
            subject.clear();
            certified.promises.push(promise);
            // If this fails, the next one may not, and the last one counts.
            let _ = certificate::write(&certified, &arguments.out);
        }
    };
    let checked = block_on(certify::run(&context, arithmetic, &settings, &mut show));
    match &checked {
        Ok(()) => certified.finish(),
        Err(error) if subject.is_empty() => certified.unfinished = Some(error.to_string()),
        Err(error) => certified.unfinished = Some(format!("{error}, in {subject}")),
    }
    let written = certificate::write(&certified, &arguments.out);
    if let Err(error) = checked {
        print_line(format!("unfinished certificate: {}", page.display()));
        return Err(error.into());
    }
    written?;
    if !arguments.quick {
        certified.set_speed(&measure(&context)?);
        certificate::write(&certified, &arguments.out)?;
    }
    print_line(format!("certificate: {}", page.display()));
    Ok(if certified.kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Refuses a folder with anything in it: a certificate of another device may be there.
fn check_empty(folder: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!("--out: '{}' is not empty: give another folder", folder.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::given("use the folder", folder, &error)),
    }
}

/// The lines of a promise: whether it is kept, what was checked, the exception, the first failures.
fn lines(promise: &Promise) -> Vec<String> {
    let Promise { name, kept, exception, checked, seconds, failures, failure_count, .. } = promise;
    let word = match kept {
        true if promise.is_excepted() => "except",
        true => "kept  ",
        false => "BROKEN",
    };
    let mut lines = vec![format!("{word}  {name}: {checked} ({seconds:.1} s)")];
    lines.extend(exception.iter().map(|exception| format!("        exception: {exception}")));
    lines.extend(failures.iter().map(|failure| format!("        {failure}")));
    let listed = failures.len() as u64;
    if *failure_count > listed {
        lines.push(format!("        and {} more failures", failure_count - listed));
    }
    lines
}

/// Measures each operation once.
fn measure(context: &Rc<Context>) -> Result<bench::Report, Failure> {
    let defaults = bench::Options::for_adapter(context);
    // A software GPU would take minutes with the usual batch.
    let samples = if context.adapter().family == Family::SoftwareGpu { 4 } else { defaults.samples };
    let options = bench::Options { samples, repeats: 1, ..defaults };
    print_line("        speed");
    Ok(block_on(bench::run(Rc::clone(context), &options, |_| {}))?)
}
