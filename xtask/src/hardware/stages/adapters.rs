//! Lists the adapters with their limits. NVIDIA's own tool adds the clocks, if it is there; nothing is set.

use std::time::Duration;

use anyhow::Result;

use crate::hardware::trial::Trial;
use crate::process;

const LIMIT: Duration = Duration::from_secs(60);
const QUERY: [&str; 2] = ["--query-gpu=name,driver_version,clocks.sm,clocks.max.sm,memory.total", "--format=csv"];

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    process::run(&mut trial.lastbit(&["adapters", "--limits"]), trial.patience())?;
    trial.note("adapters", crate::hardware::adapters::list(&trial.program())?)?;
    if let Some(tool) = process::find_program(&["nvidia-smi"]) {
        match process::capture(&mut process::command(tool, &QUERY), LIMIT) {
            Ok(text) => {
                print!("{text}");
                trial.note("nvidia_smi", text.lines().collect::<Vec<_>>())?;
            }
            Err(error) => println!("{error:#}"),
        }
    }
    Ok(())
}
