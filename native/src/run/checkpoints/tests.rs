//! Damage of every kind to a checkpoint: each is detected, and the one before is used.

use lastbit_core::nets::NetKind;
use lastbit_core::ops::{Activation, Shape};
use lastbit_core::rng::{Purpose, Stream};
use lastbit_core::train::{Optimizer, Weights};

use super::*;

/// A run with checkpoints of steps 4 and 8 of a network small enough to be read a thousand times.
struct Run {
    path: PathBuf,
    folder: Option<RunFolder>,
    journal: Journal,
    network: Network,
    config: TrainConfig,
    checkpoints: Checkpoints,
}

impl Run {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lastbit-checkpoints-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let folder = RunFolder::claim(&path).unwrap();
        let net = NetKind::ResNet { depth: 8 };
        let network = net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25).unwrap();
        let config = TrainConfig { net, width: 0.25, ks: vec![1, 3], ..TrainConfig::default() };
        let mut journal = Journal::open(&folder).unwrap();
        let checkpoints = Checkpoints::of(&folder, 2);
        for step in [4, 8] {
            journal.metrics(&format!("{{\"kind\":\"step\",\"step\":{step}}}")).unwrap();
            let mut state = State::initial(&Weights::initial(&network, step), 2, Optimizer::Sgd);
            state.step = step;
            checkpoints.save(&network, &config, &state, journal.digest()).unwrap();
        }
        Self { path, folder: Some(folder), journal, network, config, checkpoints }
    }

    fn files(&self, step: u64) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(path_of(&self.checkpoints.folder, step)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 4, "two replicas, optimiser, manifest: {files:?}");
        files
    }

    /// The step that a run resumes from, and the lines about damaged checkpoints.
    fn recover(&mut self) -> (Option<u64>, Vec<String>) {
        let Recovered { state, damaged, .. } = self.checkpoints.recover(&self.network, &self.config, &mut self.journal);
        (state.map(|state| state.step), damaged)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.folder = None;
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[test]
fn a_thousand_flipped_bits_are_a_thousand_damaged_checkpoints() {
    let mut run = Run::new("flips");
    assert_eq!(run.recover(), (Some(8), vec![]));
    let files: Vec<(PathBuf, Vec<u8>)> =
        run.files(8).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let mut stream = Stream::new(3, Purpose::Order, 0);
    for round in 0..1000 {
        // Every file equally often, however long it is.
        let (path, bytes) = &files[round % files.len()];
        let bit = stream.below(bytes.len() as u32 * 8) as usize;
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, damaged).unwrap();
        let (step, lines) = run.recover();
        assert!(step == Some(4) && lines.len() == 1, "bit {bit} of {}: {step:?} {lines:?}", path.display());
        assert!(lines[0].contains("step-000008' cannot be used"), "{lines:?}");
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(run.recover(), (Some(8), vec![]));
}

#[test]
fn every_kind_of_truncation_is_noticed() {
    let mut run = Run::new("cuts");
    for path in run.files(8) {
        let bytes = fs::read(&path).unwrap();
        let n = bytes.len();
        let header = bytes.get(..8).map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()) as usize % n);
        let mut lengths = vec![0, 1, 7, 8, 9, header, header + 8, n / 2, n - 4, n - 2, n - 1];
        lengths.extend((1..100).map(|part| n * part / 100));
        for length in lengths {
            fs::write(&path, &bytes[..length.min(n - 1)]).unwrap();
            assert_eq!(run.recover().0, Some(4), "{length} bytes of {}", path.display());
        }
        fs::write(&path, [&bytes[..], b"\0"].concat()).unwrap();
        assert_eq!(run.recover().0, Some(4), "a byte more in {}", path.display());
        fs::remove_file(&path).unwrap();
        assert_eq!(run.recover().0, Some(4), "without {}", path.display());
        fs::write(&path, bytes).unwrap();
        assert_eq!(run.recover().0, Some(8));
    }
}

#[test]
fn a_checkpoint_of_another_past_is_not_used() {
    let mut run = Run::new("past");
    // The metrics up to step 8, with another number in them; then without the line of step 8; then nothing.
    let metrics = run.path.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    fs::write(&metrics, text.replace(":8", ":9")).unwrap();
    let (step, lines) = run.recover();
    assert!(step == Some(4) && lines[0].contains("not those that were written"), "{lines:?}");
    fs::write(&metrics, format!("{first}\n")).unwrap();
    let (step, lines) = run.recover();
    assert!(step == Some(4) && lines[0].contains("ahead of metrics.jsonl"), "{lines:?}");
    fs::write(&metrics, "").unwrap();
    assert_eq!(run.recover().0, None);
    fs::write(&metrics, text).unwrap();
    // A folder named after another step than that of its files.
    fs::rename(path_of(&run.checkpoints.folder, 8), path_of(&run.checkpoints.folder, 9)).unwrap();
    let (step, lines) = run.recover();
    assert!(step == Some(4) && lines[0].contains("holds step 8"), "{lines:?}");
}

#[test]
fn what_a_kill_leaves_is_repaired() {
    let mut run = Run::new("kill");
    // Killed between the two renames of a replacement, and while another one was written.
    fs::rename(path_of(&run.checkpoints.folder, 8), run.checkpoints.temporary(8, "old")).unwrap();
    fs::create_dir(run.checkpoints.temporary(9, "tmp")).unwrap();
    fs::write(run.checkpoints.temporary(9, "tmp").join("r0-k1.safetensors"), "half").unwrap();
    assert_eq!(run.recover(), (Some(8), vec![]));
    assert!(!run.checkpoints.temporary(9, "tmp").exists() && !run.checkpoints.temporary(8, "old").exists());
}
