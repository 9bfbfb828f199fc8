//! A finished run of a reproduction as columns of all lines of `metrics.jsonl`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use lastbit_core::train::TrainConfig;

use super::findings::Agreement;
use crate::failure::Failure;
use crate::numbers::count;
use crate::report::data::{CurvatureLine, GrowthLine, RunData, Verdict};
use crate::report::layers::Layers;
use crate::run::{METRICS_FILE, summary_json};
use crate::run_config::{HostConfig, RunConfig};

/// A finished run. Values that are not finite are NaN.
pub struct Run {
    /// Name of its folder.
    pub name: String,
    /// Path of its folder.
    pub path: PathBuf,
    /// Its config.
    pub config: TrainConfig,
    /// `[line]`: step, rising.
    pub steps: Vec<u64>,
    /// `[replica][line]`: relative L1 to the first replica, over all convolutions.
    pub rel_l1: Vec<Vec<f64>>,
    /// `[replica][line]`: mean loss of the batch before the update.
    pub loss: Vec<Vec<f64>>,
    /// `[replica]`: largest number of convolution weights whose bits differed from the first replica's after a step.
    pub most_differing: Vec<u64>,
    /// Names of the convolution weights in the network's order.
    pub tensors: Vec<String>,
    /// By step: `[replica][tensor]` relative L1.
    pub layers: BTreeMap<u64, Vec<Vec<f64>>>,
    /// `[evaluation]`: step, and `[replica]` test accuracy in percent.
    pub accuracy: Vec<(u64, Vec<f64>)>,
    /// The measurements of the curvature, in order.
    pub curvature: Vec<CurvatureLine>,
    /// The growths of distances, in order.
    pub growth: Vec<GrowthLine>,
    /// Whether no control ever differed in a convolution weight, nor in any parameter or momentum at the end.
    pub are_controls_zero: Agreement,
}

impl Run {
    /// Reads a finished run.
    pub fn read(name: &str, path: PathBuf, config: TrainConfig) -> Result<Self, Failure> {
        let file = path.join(METRICS_FILE);
        let failed = |error: &std::io::Error| Failure::file("read", &file, error);
        let summary = summary_json(&path);
        let layers = Layers::all(config.ks.len());
        let config = RunConfig { train: config, host: HostConfig::default() };
        let mut data = RunData { layers, ..RunData::new(&path, config, serde_json::Value::Null, summary) };
        let reader = BufReader::new(File::open(&file).map_err(|error| failed(&error))?);
        data.read_metrics(reader).map_err(|error| failed(&error))?;
        if data.ignored > 0 {
            let lines = count(data.ignored, "damaged line");
            return Err(Failure::other(format!(
                "'{}' has {lines}: remove this run's folder to train it again, or give another --out",
                file.display()
            )));
        }
        let are_controls_zero = match data.verdict() {
            // Without a summary the weights at the end were not compared.
            _ if data.summary["control"]["green"].is_null() => Agreement::No,
            Verdict::Green => Agreement::Yes,
            Verdict::Red(_) => Agreement::No,
            Verdict::NotFinite | Verdict::NoControl | Verdict::Nothing => Agreement::CannotTell,
        };
        let RunData { config, steps, layers, epochs, curvature, growth, .. } = data;
        let most = |column: &Vec<f64>| column.iter().copied().fold(0.0, f64::max) as u64;
        let as_written = |values: Vec<f32>| values.into_iter().map(as_written).collect();
        let columns = layers.columns.into_iter();
        Ok(Self {
            name: name.to_owned(),
            path,
            config: config.train,
            steps: steps.step,
            rel_l1: steps.rel_l1,
            loss: steps.loss,
            most_differing: steps.differing.iter().map(most).collect(),
            tensors: layers.names,
            layers: columns.map(|c| (c.step, c.rel_l1.into_iter().map(as_written).collect())).collect(),
            accuracy: epochs.into_iter().map(|epoch| (epoch.step, epoch.test_accuracy)).collect(),
            curvature,
            growth,
            are_controls_zero,
        })
    }

    /// A run with these distances, `[replica][step]`, and nothing else in it.
    #[cfg(test)]
    pub fn made_up(config: TrainConfig, rel_l1: Vec<Vec<f64>>) -> Self {
        let (n, steps) = (rel_l1.len(), rel_l1[0].len() as u64);
        assert_eq!(n, config.ks.len());
        let layers = |step: u64| rel_l1.iter().map(|line| vec![line[step as usize - 1]]).collect();
        Self {
            name: "made-up".to_owned(),
            path: PathBuf::new(),
            steps: (1..=steps).collect(),
            layers: (1..=steps).map(|step| (step, layers(step))).collect(),
            loss: vec![vec![1.0; steps as usize]; n],
            most_differing: vec![0; n],
            tensors: vec!["conv1.weight".to_owned()],
            accuracy: vec![(steps, vec![50.0; n])],
            curvature: Vec::new(),
            growth: Vec::new(),
            are_controls_zero: Agreement::Yes,
            config,
            rel_l1,
        }
    }
}

/// A run at a constant learning rate, as long as its number of steps, and evaluated only at the end.
pub fn constant_rate() -> TrainConfig {
    TrainConfig { decay_every: 0, eval_every: 0, epochs: 100_000, ..TrainConfig::default() }
}

/// The float64 with the decimal digits that the file has, not the one with the bits of the float32.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}
