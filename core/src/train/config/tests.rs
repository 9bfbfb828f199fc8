use super::*;

#[test]
fn controls_have_equal_k_or_a_power_of_two() {
    let with = |ks: &[u32]| TrainConfig { ks: ks.to_vec(), ..Default::default() }.controls();
    assert_eq!(with(&[1, 3, 2, 1, 8, 6]), [2, 3, 4]);
    assert_eq!(with(&[3, 6, 12, 9, 1]), [1, 2]);
    let nextafter = TrainConfig { ks: vec![1, 2, 1], perturbation: Perturbation::Nextafter, ..Default::default() };
    assert_eq!(nextafter.controls(), [2]);
}

#[test]
fn steps_alone_cannot_be_disturbed() {
    let plain = TrainConfig { ks: vec![1, 1], ..Default::default() };
    assert!(plain.check_undisturbed().is_ok());
    let poked = TrainConfig { perturb: vec!["none".parse().unwrap(), "1:ulp:1".parse().unwrap()], ..plain.clone() };
    assert_eq!(poked.check_undisturbed().unwrap_err().key, "perturb");
    let displaced = TrainConfig { lyapunov: Some(5), lyapunov_distances: vec![0.1], ..plain };
    assert_eq!(displaced.check_undisturbed().unwrap_err().key, "lyapunov");
}

#[test]
fn images_for_the_sharpness_need_its_interval() {
    let config = TrainConfig { sharpness_images: Some(64), ..Default::default() };
    let error = config.validate().unwrap_err();
    assert_eq!((error.key, error.problem.contains("give sharpness, too")), ("sharpness-images", true));
    assert!(TrainConfig { sharpness: Some(10), ..config }.validate().is_ok());
}

fn changes(text: &str) -> Vec<LrChange> {
    text.split(',').map(|change| change.parse().unwrap()).collect()
}

#[test]
fn learning_rates_change_and_then_decay() {
    let config = TrainConfig { lr_changes: changes("20:0.01,21:0.5"), decay_every: 2, ..Default::default() };
    let length = RunLength { per_epoch: 1000, steps: 3000, evaluations: 3, measurements: 0 };
    let rates = [1, 19, 20, 21, 1000, 2000, 2001].map(|step| config.lr_at(step, length));
    assert_eq!(rates, [0.1, 0.1, 0.01, 0.5, 0.5, 0.5, 0.5 * 0.1]);
    assert_eq!(serde_json::to_value(&config).unwrap()["lr-changes"], serde_json::json!(["20:0.01", "21:0.5"]));
    assert_eq!(serde_json::to_value(TrainConfig::default()).unwrap().get("lr-changes"), None);
    for bad in ["20", "x:0.1", "20:", "20:0.1:3", "-1:0.1"] {
        assert!(bad.parse::<LrChange>().unwrap_err().contains("STEP:LR"), "{bad}");
    }
}

#[test]
fn learning_rates_warm_up_and_fall() {
    let length = RunLength { per_epoch: 3, steps: 6, evaluations: 2, measurements: 0 };
    let rates = |config: &TrainConfig| [1, 2, 3, 4, 5, 6].map(|step| config.lr_at(step, length));
    let base = TrainConfig { lr: 0.5, warmup: 2, ..TrainConfig::default() };
    assert_eq!(rates(&TrainConfig { decay_every: 1, ..base.clone() }), [0.25, 0.5, 0.5, 0.05, 0.05, 0.05]);
    let linear = TrainConfig { schedule: Schedule::Linear, ..base };
    assert_eq!(rates(&linear), [0.25, 0.5, 0.5, 0.375, 0.25, 0.125]);
    // Another rate keeps the part of the schedule.
    let changed = TrainConfig { lr_changes: changes("2:1,5:0.25"), ..linear.clone() };
    assert_eq!(rates(&changed), [0.25, 1.0, 1.0, 0.75, 0.125, 0.0625]);
    for config in [
        TrainConfig { decay_every: 3, ..linear.clone() },
        TrainConfig { decay_factor: 0.5, schedule: Schedule::Cosine, ..linear.clone() },
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with("decay-") && message.contains("at every step: leave it out"), "{message}");
    }
    assert_eq!(TrainConfig { decay_every: 0, ..linear }.validate(), Ok(()));
}

#[test]
fn coefficients_belong_to_their_optimizer() {
    let adamw = || TrainConfig { optimizer: Optimizer::AdamW, ..TrainConfig::default() };
    for (config, message) in [
        (TrainConfig { beta1: 0.8, ..TrainConfig::default() }, "beta1: sgd does not use it: leave it out"),
        (TrainConfig { epsilon: 0.1, ..TrainConfig::default() }, "epsilon: sgd does not use it"),
        (TrainConfig { momentum: 0.5, ..adamw() }, "momentum: adamw does not use it: leave it out (adamw has beta1"),
        (TrainConfig { beta2: 1.0, ..adamw() }, "beta2: must be at least 0 and below 1, not 1"),
        (TrainConfig { beta1: f64::NAN, ..adamw() }, "beta1: must be at least 0"),
        (TrainConfig { epsilon: 0.0, ..adamw() }, "epsilon: must be a positive number, not 0"),
        (TrainConfig { epsilon: 1e-40, ..adamw() }, "epsilon: 1e-40 is too small for float32"),
    ] {
        let found = config.validate().unwrap_err().to_string();
        assert!(found.starts_with(message), "{found}");
    }
    for config in [adamw(), TrainConfig { momentum: 0.0, beta1: 0.0, beta2: 0.9, epsilon: 1.0, ..adamw() }] {
        assert_eq!(config.validate(), Ok(()));
    }
    let text = serde_json::to_string(&adamw()).unwrap();
    assert!(text.contains(r#""optimizer":"adamw""#), "{text}");
}

#[test]
fn bad_values_name_their_key() {
    let base = TrainConfig::default;
    let bad = [
        TrainConfig { ks: vec![1, 0], ..base() },
        TrainConfig { ks: vec![64], ..base() },
        TrainConfig { ks: vec![], ..base() },
        TrainConfig { lr: -0.1, ..base() },
        TrainConfig { lr: f64::NAN, ..base() },
        TrainConfig { lr_changes: changes("5:0"), ..base() },
        TrainConfig { lr_changes: changes("0:0.1"), ..base() },
        TrainConfig { lr_changes: changes("5:0.1,5:0.2"), ..base() },
        TrainConfig { batch_size: 0, ..base() },
        TrainConfig { net: NetKind::OneLayer, loss: LossKind::Mse, ..base() },
        TrainConfig { net: NetKind::Mlp { layers: 2 }, norm: Norm::None, ..base() },
        TrainConfig { momentum: 1.0, ..base() },
        TrainConfig { weight_decay: f64::INFINITY, ..base() },
    ];
    for config in bad {
        let message = config.validate().unwrap_err().to_string();
        let keys = ["norm: ", "loss: ", "ks: ", "lr: ", "lr-changes: ", "batch-size: ", "momentum: ", "weight-decay: "];
        assert!(keys.iter().any(|key| message.starts_with(key)), "{message}");
    }
    assert_eq!(base().validate(), Ok(()));
}

#[test]
fn numbers_that_float32_cannot_hold_are_refused() {
    let base = TrainConfig::default;
    let with_lr = |lr| TrainConfig { lr, ..base() };
    let with_change = |text| TrainConfig { lr_changes: changes(text), ..base() };
    let with_momentum = |momentum| TrainConfig { momentum, ..base() };
    let with_decay = |weight_decay| TrainConfig { weight_decay, ..base() };
    let (small, large) = ("too small for float32: use at least 1.2e-38", "too large for float32: use at most 3.");
    for (config, message) in [
        (with_lr(1e-50), format!("lr: 1e-50 is {small}")),
        (with_lr(1e-40), format!("lr: 1e-40 is {small}")),
        (with_lr(1e39), format!("lr: 1e39 is {large}4e38")),
        (with_lr(1e38), format!("lr: 1e38 times k = 11 is {large}0e37")),
        (with_change("5:1e-50"), format!("lr-changes: 1e-50 is {small}")),
        (with_change("5:0.1,6:1e39"), format!("lr-changes: 1e39 is {large}4e38")),
        (with_momentum(1e-50), format!("momentum: 1e-50 is {small}")),
        (with_momentum(0.999_999_999_9), "momentum: 0.9999999999 is 1 in float32: use at most 0.9999999".to_owned()),
        (with_decay(1e39), format!("weight-decay: 1e39 is {large}4e38")),
        (with_decay(1e-50), format!("weight-decay: 1e-50 is {small}")),
    ] {
        assert_eq!(config.validate().unwrap_err().to_string(), message);
    }
    for config in
        [with_lr(1.2e-38), with_lr(3.0e37), with_momentum(0.0), with_momentum(0.999_999_9), with_decay(3.4e38)]
    {
        assert_eq!(config.validate(), Ok(()), "{config:?}");
    }
}

#[test]
fn a_batch_is_no_larger_than_the_training_set() {
    let base = TrainConfig::default;
    assert!(base().check_batch(100).is_err());
}

#[test]
fn config_survives_json() {
    let config =
        TrainConfig { activation: Some(Activation::Swish { beta: 5.0 }), steps: Some(100), ..Default::default() };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<TrainConfig>(r#"{"learning-rate": 1}"#).is_err());
}
