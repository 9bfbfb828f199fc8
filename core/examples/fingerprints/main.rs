//! Computes all published runs on the processor, in both classes, and writes what it finds into the tables of the program
//! (`core/src/published/runs.json`, `page_runs.json`) and into docs/FINGERPRINTS.md. Run it after a change of docs/ORDER.md, or after
//! adding a run to a table: `cargo xtask fingerprints`. `core/tests/processor/fingerprints.rs` then compares the tables with what
//! devices and the plain reading of docs/ORDER.md find.

mod page;

use std::path::Path;
use std::rc::Rc;

use lastbit_core::device::{AdapterChoice, Context};
use lastbit_core::processor::Class;
use lastbit_core::published::{self, Published};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables = [computed(published::all())?, computed(published::of_page())?];
    for (runs, file) in tables.iter().zip(["runs.json", "page_runs.json"]) {
        std::fs::write(root.join("src/published").join(file), json(runs)?)?;
    }
    let path = root.join("../docs/FINGERPRINTS.md");
    let text = std::fs::read_to_string(&path)?;
    let [runs, of_page] = &tables;
    let page = page::replace(&text, runs, of_page).ok_or("docs/FINGERPRINTS.md has lost the marks of its tables")?;
    std::fs::write(&path, page)?;
    Ok(())
}

/// These runs with what the processor finds.
fn computed(runs: &[Published]) -> Result<Vec<Published>, Box<dyn std::error::Error>> {
    let mut runs = runs.to_vec();
    for run in &mut runs {
        for class in Class::ALL {
            let found = pollster::block_on(async {
                let context = Context::new(&AdapterChoice::Named(class.adapter().to_owned())).await?;
                Ok::<_, Box<dyn std::error::Error>>(published::run(Rc::new(context), run).await?)
            })?;
            println!("{} {}: {}", run.name, class.name(), if found == run.of(class) { "as before" } else { "CHANGED" });
            match class {
                Class::Fused => run.fused = found,
                Class::Separate => run.separate = found,
            }
        }
    }
    Ok(runs)
}

/// The text of a table: the definition of a run in one line, then what is found after each step.
fn json(runs: &[Published]) -> serde_json::Result<String> {
    let mut texts = Vec::new();
    for run in runs {
        let defaults = serde_json::to_value(lastbit_core::train::TrainConfig::default())?;
        let mut config = serde_json::to_value(&run.config)?;
        if let Some(config) = config.as_object_mut() {
            // `steps` of the run are the last of its published steps.
            config.retain(|key, value| key != "steps" && defaults.get(key) != Some(value));
        }
        let quick = run.quick.map(|quick| format!("\"quick\": {quick}, ")).unwrap_or_default();
        let mut text =
            format!("  {{\"name\": {:?}, {quick}\"steps\": {},\n", run.name, serde_json::to_string(&run.steps)?);
        text += &format!("   \"config\": {}", serde_json::to_string(&config)?);
        for class in Class::ALL {
            let lines = run.of(class).iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
            text += &format!(",\n   \"{}\": [\n     {}]", class.name(), lines.join(",\n     "));
        }
        texts.push(text + "}");
    }
    Ok(format!("[\n{}\n]\n", texts.join(",\n")))
}
