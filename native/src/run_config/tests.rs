//! Tests of a run's config.

use super::*;

fn table(text: &str) -> Table {
    text.parse().unwrap()
}

fn message(failure: Failure) -> String {
    format!("{failure:?}")
}

#[test]
fn config_survives_its_text() {
    let text = "net = 'resnet20'\nks = [1, 3]\nlr = 0.05\nsteps = 7\ncheckpoint-every = '50steps'\nflip-bit = 'fc.bias:1:2:0'\n";
    let config = RunConfig::from_table(&table(text), CONFIG_FLAG).unwrap();
    assert_eq!(config.host.checkpoint_every, CheckpointEvery::Steps(50));
    let again = RunConfig::from_table(&table(&config.to_text().unwrap()), CONFIG_FLAG).unwrap();
    assert_eq!(again, config);
    assert_eq!(RunConfig::from_table(&config.to_table().unwrap(), CONFIG_FLAG).unwrap(), config);
}

#[test]
fn host_keys_are_the_fields() {
    let full = HostConfig {
        data_dir: Some("a".into()),
        init: Some("b".into()),
        adapter: Some("c".into()),
        checkpoint_every: CheckpointEvery::Minutes(10),
        flip_bit: Some("fc.bias:1:2:0".parse().unwrap()),
        keep_checkpoints: 3,
        on_broken_device: OnBrokenDevice::Warn,
        tensorboard: true,
        ends: Some(500),
        keep_logits: true,
    };
    let mut keys: Vec<_> = Table::try_from(&full).unwrap().keys().cloned().collect();
    let mut listed = HOST_KEYS.map(str::to_owned).to_vec();
    keys.sort();
    listed.sort();
    assert_eq!(keys, listed);
}

#[test]
fn unknown_keys_are_named() {
    let failure = RunConfig::from_table(&table("learning-rate = 1.0"), CONFIG_FLAG).unwrap_err();
    assert!(message(failure).contains("learning-rate"));
}

#[test]
fn one_layer_has_its_own_image() {
    let synthetic = RunConfig::from_table(&table("net = 'one-layer'"), CONFIG_FLAG).unwrap();
    assert_eq!(synthetic.train.dataset.to_string(), "synthetic");
}

#[test]
fn a_resumed_run_may_be_longer_but_not_different() {
    let run = RunConfig::from_table(&table("lr = 0.1\nsteps = 10\nseed = 4"), CONFIG_FLAG).unwrap();
    let on = |text: &str| run.continued(&table(text), Path::new("runs/a"));
    assert_eq!(on("steps = 20").unwrap().train.steps, Some(20));
    assert_eq!(on("epochs = 300\ndata-dir = 'elsewhere'").unwrap().train.epochs, 300);
    assert_eq!(on("lr = 0.1\nseed-init = 4\nactivation = 'relu'").unwrap().train.steps, Some(10));
    for (given, flag) in [("steps = 9", "--steps"), ("lr = 0.2", "--lr"), ("augment = false", "--no-augment")] {
        let text = message(on(given).unwrap_err());
        assert!(text.contains(flag) && text.contains("runs/a"), "{text}");
    }
}

/// The rates of such a schedule depend on the length of the run, so its length is part of what it trains.
#[test]
fn a_run_whose_schedule_ends_with_it_stays_as_long() {
    let run = RunConfig::from_table(&table("schedule = 'cosine'\nsteps = 10\nwarmup = 2"), CONFIG_FLAG).unwrap();
    let on = |text: &str| run.continued(&table(text), Path::new("runs/a"));
    assert_eq!(on("steps = 10\ncheckpoint-every = '5steps'").unwrap().train, run.train);
    for (given, flag) in [("steps = 20", "--steps"), ("epochs = 300", "--epochs")] {
        let text = message(on(given).unwrap_err());
        assert!(text.contains(flag) && text.contains("cosine") && text.contains("cannot become longer"), "{text}");
    }
    assert!(message(on("schedule = 'step'").unwrap_err()).contains("--schedule"));
    let longer = RunConfig::from_table(&table("schedule = 'cosine'\nsteps = 11\nwarmup = 2"), CONFIG_FLAG).unwrap();
    assert_eq!(longer.changes_since(&run.sealed().unwrap()).unwrap(), ["steps is 11 and was 10"]);
    let step = RunConfig::from_table(&table("steps = 10"), CONFIG_FLAG).unwrap();
    assert!(!step.sealed().unwrap().contains_key("steps"));
}

#[test]
fn intervals_and_faults_are_text() {
    for (text, value) in [
        ("50steps", CheckpointEvery::Steps(50)),
        ("1epoch", CheckpointEvery::Epochs(1)),
        ("10min", CheckpointEvery::Minutes(10)),
    ] {
        assert_eq!(text.parse(), Ok(value));
        assert_eq!(value.to_string(), text);
    }
    for text in ["", "5", "0steps", "steps", "1hour", "-1epoch"] {
        assert!(text.parse::<CheckpointEvery>().is_err(), "{text}");
    }
    let flip: FlipBitText = "layer1.0.conv1.weight:3:2:1".parse().unwrap();
    assert_eq!((flip.0.tensor.as_str(), flip.0.index, flip.0.step, flip.0.replica), ("layer1.0.conv1.weight", 3, 2, 1));
    for text in ["", "a:1:1", "a:x:1:0", "a:1:0:0", ":1:1:0"] {
        assert!(text.parse::<FlipBitText>().is_err(), "{text}");
    }
}
