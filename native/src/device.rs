//! Opens an adapter for a command, with the threads that compute and compile.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use clap::Args;
use lastbit_core::device::{AdapterChoice, Context, DeviceError, Family, Options, ShaderPath};
use lastbit_core::processor::Isa;
use lastbit_core::threads::Threads;
use pollster::block_on;

use crate::failure::Failure;
use crate::terminal::warn;

/// Environment variable that names the adapter if `--adapter` does not.
pub const ADAPTER_VARIABLE: &str = "LASTBIT_ADAPTER";
/// Environment variable that hands WGSL to the driver, as a browser does. The comparison with a browser sets it.
const WGSL_VARIABLE: &str = "LASTBIT_WGSL";
/// Environment variable with which tests choose an instruction set other than the processor's best.
const INSTRUCTIONS_VARIABLE: &str = "LASTBIT_INSTRUCTIONS";

/// Flags of every command that computes.
#[derive(Debug, Args)]
pub struct DeviceFlags {
    /// Number of threads that compute (on a GPU: that compile kernels); no bit depends on it [default: all of the machine]
    #[arg(long, global = true, value_name = "N", value_parser = thread_count, allow_negative_numbers = true)]
    threads: Option<usize>,
}

/// Largest value of `--threads`.
const MOST_THREADS: usize = 1024;

fn thread_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST_THREADS).contains(&count) => Ok(count),
        _ => Err(format!("give 1 to {MOST_THREADS} threads")),
    }
}

/// The threads that all devices of this process share.
static THREADS: OnceLock<Threads> = OnceLock::new();

/// Starts the threads that `--threads` asks for.
pub fn prepare(flags: &DeviceFlags) -> Result<(), Failure> {
    if let Some(count) = flags.threads {
        let threads = Threads::new(count).map_err(|error| {
            Failure::other(format!("--threads: cannot start {count} threads: {error}: give a smaller number"))
        })?;
        // This runs before any device opens, so the cell is empty.
        let _ = THREADS.set(threads);
    }
    Ok(())
}

/// Opens the device of the adapter that `--adapter` or the environment names, or else of the best one. Warns if the machine
/// has a GPU that Vulkan does not find.
pub fn open(adapter: Option<&str>) -> Result<Context, Failure> {
    let options = options(adapter)?;
    let is_named = options.adapter != AdapterChoice::Best;
    let named_by_variable = is_named && adapter.is_none();
    let context = block_on(Context::open(options)).map_err(|error| match error {
        DeviceError::UnknownAdapter { .. } if named_by_variable => {
            Failure::usage(format!("{ADAPTER_VARIABLE}: {error}"))
        }
        error => error.into(),
    })?;
    if !is_named
        && context.adapter().family != Family::Gpu
        && let Some(node) = gpu_node(Path::new("/dev"))
    {
        warn(hidden_gpu(&node, &context.adapter().name));
    }
    Ok(context)
}

/// The device file of a GPU under `dev`, as Linux names them.
fn gpu_node(dev: &Path) -> Option<PathBuf> {
    let starting_with = |folder: &str, start: &str| {
        let files = std::fs::read_dir(dev.join(folder)).ok()?.flatten().map(|file| file.path());
        files.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))).min()
    };
    // nvidia0, nvidia1, ...; a machine without a GPU may have nvidiactl.
    let nvidia = (0..16).map(|i| dev.join(format!("nvidia{i}"))).find(|file| file.exists());
    nvidia.or_else(|| starting_with("dri", "renderD"))
}

fn hidden_gpu(node: &Path, adapter: &str) -> String {
    format!(
        "this machine seems to have a GPU ({}), but Vulkan does not find it, so '{adapter}' computes: install the GPU's Vulkan \
         driver, its file in /usr/share/vulkan/icd.d, and libXext; in a container, also enable the graphics capability \
         (NVIDIA_DRIVER_CAPABILITIES=all); or name an adapter with --adapter",
        node.display()
    )
}

/// Options that open the adapter of `--adapter`, else that of [`ADAPTER_VARIABLE`], else the best one.
pub fn options(adapter: Option<&str>) -> Result<Options, Failure> {
    let named = adapter.map(str::to_owned).or_else(|| std::env::var(ADAPTER_VARIABLE).ok());
    let instructions = match std::env::var(INSTRUCTIONS_VARIABLE) {
        Ok(text) => {
            let wrong = |error: &dyn Display| Failure::usage(format!("{INSTRUCTIONS_VARIABLE}: {error}"));
            let isa: Isa = text.parse().map_err(|error| wrong(&error))?;
            isa.check().map_err(|error| wrong(&error))?;
            Some(isa)
        }
        Err(_) => None,
    };
    Ok(Options {
        adapter: named.map_or(AdapterChoice::Best, AdapterChoice::Named),
        threads: THREADS.get_or_init(Threads::default).clone(),
        instructions,
        shader_path: if std::env::var_os(WGSL_VARIABLE).is_some() { ShaderPath::Wgsl } else { ShaderPath::Spirv },
        patch: None,
    })
}

/// Builder of a thread that drives an adapter. Its stack is as large as a main thread's (8 MiB), which the compilers of drivers
/// expect.
pub fn thread_builder() -> thread::Builder {
    thread::Builder::new().stack_size(8 << 20)
}

/// The error if a thread for one of `--adapters` cannot start.
pub fn thread_failure(error: std::io::Error) -> Failure {
    Failure::other(format!(
        "--adapters: cannot start a thread for each adapter: {error}: end other programs, or use one adapter (--adapter)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted_from_one() {
        assert_eq!(thread_count("7"), Ok(7));
        for bad in ["0", "-1", "many", "1025"] {
            assert!(thread_count(bad).unwrap_err().contains("1 to 1024"), "{bad}");
        }
    }

    #[test]
    fn a_gpu_is_known_by_its_device_file() {
        let dev = std::env::temp_dir().join(format!("lastbit-dev-{}", std::process::id()));
        std::fs::create_dir_all(dev.join("dri")).unwrap();
        std::fs::write(dev.join("nvidiactl"), "").unwrap();
        std::fs::write(dev.join("dri/card0"), "").unwrap();
        assert_eq!(gpu_node(&dev), None);
        std::fs::write(dev.join("dri/renderD128"), "").unwrap();
        assert_eq!(gpu_node(&dev), Some(dev.join("dri/renderD128")));
        std::fs::write(dev.join("nvidia0"), "").unwrap();
        assert_eq!(gpu_node(&dev), Some(dev.join("nvidia0")));
        let warning = hidden_gpu(&dev.join("nvidia0"), "processor");
        // `tests/testsuite/common` recognises the warning by these words.
        assert!(warning.starts_with("this machine seems to have a GPU"), "{warning}");
        assert!(warning.contains("NVIDIA_DRIVER_CAPABILITIES"), "{warning}");
        std::fs::remove_dir_all(dev).unwrap();
    }
}
