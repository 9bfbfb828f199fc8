//! lastbit beside PyTorch: the same network, weights and batch, in turns.

use anyhow::Result;

use crate::hardware::trial::{Incomplete, Trial};
use crate::peers::Comparison;

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    let nets = match trial.options.nets.as_slice() {
        [] => vec![trial.options.net().to_owned()],
        nets => nets.to_vec(),
    };
    let mut tables = Vec::new();
    let mut missing = Vec::new();
    for (index, net) in nets.iter().enumerate() {
        let comparison = Comparison {
            program: &trial.program(),
            adapter: trial.options.adapter.as_deref(),
            work: &trial.options.work.join("peers-work"),
            net,
            batch: trial.options.batch(),
            replicas: trial.options.replicas(),
            peer_replicas: trial.options.peer_replicas,
            rounds: trial.options.rounds,
            limit: trial.left() / (nets.len() - index) as u32,
        };
        let mut table = comparison.run()?;
        table.map_problems(|problem| trial.options.without_paths(problem));
        println!("\n{}", table.markdown());
        missing.extend(table.problems().map(|problem| format!("{net}: {problem}")));
        tables.push(serde_json::to_value(&table)?);
        trial.note("tables", &tables)?;
    }
    if !missing.is_empty() {
        return Err(Incomplete(format!("not measured: {}", missing.join("; "))).into());
    }
    Ok(())
}
