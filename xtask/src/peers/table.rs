//! The table of results, computed from the measured times, as Markdown and JSON.

use serde::{Deserialize, Serialize};

/// An adapter, as `lastbit bench --json` describes it, measured in the same run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Adapter {
    /// Name of the adapter.
    #[serde(rename = "adapter")]
    pub name: String,
    /// Driver and version.
    pub driver: String,
    /// GFLOP/s of independent fma chains.
    pub fma_gflops: Option<f64>,
}

/// What was measured of a contender: a row of the table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    name: String,
    version: String,
    setting: String,
    in_browser: bool,
    replicas: u32,
    batch: u32,
    /// Median of the steps of each round.
    ms_per_replica_step: Vec<f64>,
    /// Median of the rounds.
    ms: Option<f64>,
    images_per_s: Option<f64>,
    gflops: Option<f64>,
    fma_share: Option<f64>,
    peak_mib: Option<f64>,
    /// `ms` as a multiple of lastbit's on the same platform with the same number of replicas, on the first adapter.
    times_lastbit: Option<f64>,
    /// Why the numbers are missing.
    problem: Option<String>,
}

/// The whole table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Table {
    net: String,
    rounds: usize,
    /// Adapters that lastbit ran on; peers are compared with the first.
    adapters: Vec<Adapter>,
    rows: Vec<Measurement>,
}

/// The median of `values`: of an even number the mean of the middle two, of none `None`.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

impl Measurement {
    /// `flops` are the operations in a step of one replica; `rounds` holds the milliseconds of a replica's step in each round, or
    /// the reason why they are missing.
    pub fn new(
        [name, version, setting]: [&str; 3],
        in_browser: bool,
        [replicas, batch]: [u32; 2],
        rounds: Result<Vec<f64>, String>,
        flops: u64,
        fma_gflops: Option<f64>,
        peak_mib: Option<f64>,
    ) -> Self {
        let (rounds, problem) = match rounds {
            Ok(rounds) => (rounds, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let ms = median(&rounds);
        let gflops = ms.map(|ms| flops as f64 / ms * 1e-6);
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            setting: setting.to_owned(),
            in_browser,
            replicas,
            batch,
            ms_per_replica_step: rounds,
            ms,
            images_per_s: ms.map(|ms| f64::from(batch) / ms * 1e3),
            gflops,
            fma_share: gflops.zip(fma_gflops).map(|(gflops, rate)| gflops / rate),
            peak_mib: peak_mib.filter(|_| problem.is_none()),
            times_lastbit: None,
            problem,
        }
    }

    fn line(&self) -> String {
        let title = if self.version.is_empty() { &self.name } else { &self.version };
        let title = if self.setting.is_empty() { title.clone() } else { format!("{title}: {}", self.setting) };
        if let Some(problem) = &self.problem {
            // A line break or a bar would end the cell.
            let problem = problem.replace(['\n', '\r'], " ").replace('|', "/");
            return format!("| {title} | {} | {} | not measured: {problem} | | | | | |", self.replicas, self.batch);
        }
        let or_dash = |value: Option<f64>, digits: usize, unit: &str| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}{unit}"))
        };
        let ms = or_dash(self.ms, self.ms.map_or(0, |ms| usize::from(ms < 100.0)), "");
        let least = self.ms_per_replica_step.iter().copied().reduce(f64::min);
        let most = self.ms_per_replica_step.iter().copied().reduce(f64::max);
        let range = format!("{} to {}", or_dash(least, 0, ""), or_dash(most, 0, ""));
        format!(
            "| {title} | {} | {} | {ms} ({range}) | {} | {} | {} | {} | {} |",
            self.replicas,
            self.batch,
            or_dash(self.images_per_s, 1, ""),
            or_dash(self.gflops, 2, ""),
            or_dash(self.fma_share.map(|share| share * 100.0), 1, " %"),
            or_dash(self.peak_mib, 0, ""),
            or_dash(self.times_lastbit, 2, ""),
        )
    }
}

impl Table {
    /// Compares each row with the first one on the same platform, with the same number of replicas, whose name begins with `lastbit`;
    /// if there is none, with the one that has the most replicas.
    pub fn new(net: String, rounds: usize, adapters: Vec<Adapter>, mut rows: Vec<Measurement>) -> Self {
        let is_ours = |row: &&Measurement| row.name.starts_with("lastbit");
        let ours: Vec<_> = rows.iter().filter(is_ours).map(|row| (row.in_browser, row.replicas, row.ms)).collect();
        for row in &mut rows {
            let here = || ours.iter().filter(|(in_browser, ..)| *in_browser == row.in_browser);
            let same = here().find(|(_, replicas, _)| *replicas == row.replicas);
            let most = || here().rev().max_by_key(|(_, replicas, _)| *replicas);
            row.times_lastbit =
                same.or_else(most).and_then(|(_, _, ms)| row.ms.zip(*ms)).map(|(theirs, ours)| theirs / ours);
        }
        Self { net, rounds, adapters, rows }
    }

    /// Changes the reasons why rows were not measured.
    pub fn map_problems(&mut self, change: impl Fn(&str) -> String) {
        for problem in self.rows.iter_mut().filter_map(|row| row.problem.as_mut()) {
            *problem = change(problem);
        }
    }

    /// Rows that were not measured, with the reasons.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        self.rows.iter().filter_map(|row| Some(format!("{}: {}", row.name, row.problem.as_ref()?)))
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let adapters = self.adapters.iter().map(|Adapter { name, driver, fma_gflops }| {
            format!("; {name}, {driver}, FMA rate {:.1} GFLOP/s", fma_gflops.unwrap_or(f64::NAN))
        });
        let mut lines = vec![
            format!(
                "{}, medians of {} round{} (least to most){}.",
                self.net,
                self.rounds,
                if self.rounds == 1 { "" } else { "s" },
                adapters.collect::<String>()
            ),
            String::new(),
            "| what | replicas | batch | ms a replica-step | images/s | GFLOP/s | of the FMA rate | peak MiB | times lastbit's ms |"
                .to_owned(),
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.rows.iter().map(Measurement::line));
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters() -> Vec<Adapter> {
        let adapter = |name: &str, driver: &str, gflops| Adapter {
            name: name.to_owned(),
            driver: driver.to_owned(),
            fma_gflops: Some(gflops),
        };
        vec![adapter("processor", "fused", 100.0), adapter("llvmpipe", "Mesa", 50.0)]
    }

    fn row(name: &str, replicas: u32, rounds: Result<Vec<f64>, String>) -> Measurement {
        Measurement::new([name, "", ""], false, [replicas, 32], rounds, 8_000_000_000, Some(100.0), Some(512.4))
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_peer_is_compared_with_the_same_number_of_replicas() {
        let rows = vec![
            row("lastbit", 1, Ok(vec![410.0, 400.0, 390.0])),
            row("lastbit", 6, Ok(vec![80.0])),
            row("lastbit on llvmpipe", 6, Ok(vec![160.0])),
            row("Burn", 1, Ok(vec![1600.0])),
            row("PyTorch", 6, Ok(vec![40.0])),
            row("JAX", 6, Err("not\nhere | there".to_owned())),
        ];
        let text = Table::new("resnet20".to_owned(), 3, adapters(), rows).markdown();
        let lines: Vec<&str> = text.lines().skip(4).collect();
        assert_eq!(lines[0], "| lastbit | 1 | 32 | 400 (390 to 410) | 80.0 | 20.00 | 20.0 % | 512 | 1.00 |");
        assert_eq!(lines[1], "| lastbit | 6 | 32 | 80.0 (80 to 80) | 400.0 | 100.00 | 100.0 % | 512 | 1.00 |");
        // A number of replicas that lastbit did not train is compared with the largest one that it did.
        let two = Table::new(
            "resnet20".to_owned(),
            3,
            adapters(),
            vec![
                row("lastbit", 1, Ok(vec![400.0])),
                row("lastbit", 6, Ok(vec![80.0])),
                row("PyTorch", 2, Ok(vec![120.0])),
            ],
        );
        assert_eq!(two.rows[2].times_lastbit, Some(1.5));
        let times = lines[2..5].iter().filter_map(|line| line.rsplit("| ").next()).collect::<Vec<_>>();
        assert_eq!(times, ["2.00 |", "4.00 |", "0.50 |"]);
        let mut table =
            Table::new("resnet8".to_owned(), 3, adapters(), vec![row("JAX", 6, Err("not /here".to_owned()))]);
        table.map_problems(|problem| problem.replace('/', ""));
        assert_eq!(table.problems().collect::<Vec<_>>(), ["JAX: not here"]);
        assert_eq!(lines[5], "| JAX | 6 | 32 | not measured: not here / there | | | | | |");
        assert!(text.contains("; processor, fused, FMA rate 100.0 GFLOP/s; llvmpipe, Mesa, FMA rate 50.0 GFLOP/s."));
        // Every line has as many cells as the head.
        let cells = |line: &str| line.matches('|').count();
        assert!(text.lines().skip(2).all(|line| cells(line) == 10), "{text}");
    }

    #[test]
    fn json_has_the_rounds() {
        let table = Table::new("resnet8".to_owned(), 2, adapters(), vec![row("lastbit", 1, Ok(vec![3.0, 5.0]))]);
        let json = serde_json::to_value(&table).unwrap();
        assert_eq!(json["adapters"][1]["adapter"], "llvmpipe");
        assert_eq!(json["rows"][0]["ms"], 4.0);
        assert_eq!(json["rows"][0]["ms_per_replica_step"], serde_json::json!([3.0, 5.0]));
    }
}
