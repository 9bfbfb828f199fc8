use super::*;
use crate::nets::NetKind;
use crate::ops::{Activation, Shape};
use crate::train::Optimizer;

fn example() -> (Network, TrainConfig, State) {
    example_of(Optimizer::Sgd)
}

fn example_of(optimizer: Optimizer) -> (Network, TrainConfig, State) {
    let net = NetKind::ResNet { depth: 8 };
    let network = net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25).unwrap();
    let config = TrainConfig { net, width: 0.25, ks: vec![1, 3], optimizer, ..Default::default() };
    let mut state = State::initial(&Weights::initial(&network, 1), 2, optimizer);
    state.step = 7;
    state.sums.add(5, &[[0.1, 2.0], [f32::MIN_POSITIVE, 3.0]]);
    state.replicas[1].optimizer[0].values[3][1] = -0.0;
    (network, config, state)
}

fn read(files: &[(String, Vec<u8>)]) -> impl FnMut(&str) -> Result<Vec<u8>, CheckpointError> {
    |name| {
        let found = files.iter().find(|(n, _)| n == name);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| content(name, "missing"))
    }
}

#[test]
fn a_state_survives_its_files() {
    let (network, config, state) = example();
    let files = encode_state(&network, &config, &state);
    assert_eq!(files, encode_state(&network, &config, &state), "equal states give equal bytes");
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["r0-k1.safetensors", "r1-k3.safetensors", "optimizer.safetensors"]);
    let back = decode_state(&network, &config, read(&files)).unwrap();
    assert_eq!(back, state);
    assert_eq!(back.replicas[1].optimizer[0].values[3][1].to_bits(), (-0.0f32).to_bits());
    // A single tensor, without the network.
    let (name, bytes) = &files[1];
    let dims = tensor_dims(name, bytes).unwrap();
    assert!(dims.contains(&("conv1.weight".to_owned(), vec![4, 3, 3, 3])), "{dims:?}");
    assert_eq!(decode_tensor(name, bytes, "conv1.weight").unwrap(), state.replicas[1].weights.parameters[0]);
    assert!(decode_tensor(name, bytes, "conv9.weight").unwrap_err().to_string().contains("is missing"));
}

#[test]
fn every_arena_of_the_optimizer_is_kept() {
    let (network, config, mut state) = example_of(Optimizer::AdamW);
    state.replicas[0].optimizer[1].values[0][2] = 0.5;
    let files = encode_state(&network, &config, &state);
    assert_eq!(decode_state(&network, &config, read(&files)).unwrap(), state);
    let tensors = tensor_dims("x", &files[2].1).unwrap();
    let names: Vec<_> =
        tensors.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with("fc.bias")).collect();
    assert_eq!(names, ["r0.exp_avg.fc.bias", "r0.exp_avg_sq.fc.bias", "r1.exp_avg.fc.bias", "r1.exp_avg_sq.fc.bias"]);
    let mut other = state.clone();
    other.replicas[0].optimizer[1].values[0][2] = -0.5;
    assert_ne!(fingerprint_of(&other.replicas[0]), fingerprint_of(&state.replicas[0]));
    other.replicas[0].optimizer.swap(0, 1);
    assert_ne!(fingerprint_of(&other.replicas[0]), fingerprint_of(&state.replicas[0]));
    let sgd = TrainConfig { optimizer: Optimizer::Sgd, ..config };
    let error = decode_state(&network, &sgd, read(&files)).unwrap_err().to_string();
    assert!(error.contains("'r0.conv1.weight' is missing"), "{error}");
}

#[test]
fn state_dicts_of_pytorch_are_read() {
    let (network, _, state) = example();
    let weights = &state.replicas[0].weights;
    let bytes = encode_weights(&network, weights, &"");
    let ours = SafeTensors::deserialize(&bytes).unwrap();
    let renamed = |rename: &dyn Fn(&str) -> String| {
        let counter = TensorView::new(Dtype::I64, vec![], &[0; 8]).unwrap();
        let tensors = ours.iter().chain([("bn1.num_batches_tracked", counter)]);
        safetensors::serialize(tensors.map(|(name, view)| (rename(name), view)), None).unwrap()
    };
    let kuangliu = |name: &str| name.replace("downsample", "shortcut").replace("fc.", "linear.");
    for prefix in ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "state_dict.", "net.encoder.0."] {
        let theirs = renamed(&|name| format!("{prefix}{name}"));
        assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "'{prefix}'");
        let theirs = renamed(&|name| format!("{prefix}{}", kuangliu(name)));
        assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "'{prefix}' and kuangliu's names");
    }
    let theirs = renamed(&|name| name.replace("fc.", "linear."));
    assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "one part renamed");

    // Unknown names are listed from both sides.
    let error = |rename: &dyn Fn(&str) -> String| decode_weights(&network, "x", &renamed(rename)).unwrap_err();
    let lacks =
        error(&|name| format!("model.{}", name.replace("fc.", "head.").replace("layer2", "stage2"))).to_string();
    for part in
        ["'x' lacks tensors of", "lacks 'model.layer2.0.", "more; it has 'model.head.bias', 'model.head.weight'"]
    {
        assert!(lacks.contains(part), "{part}: {lacks}");
    }
    assert!(!lacks.contains("num_batches"), "{lacks}");
    let twice =
        ours.iter().flat_map(|(name, view)| ["ema.", "net."].map(|prefix| (format!("{prefix}{name}"), view.clone())));
    let twice = safetensors::serialize(twice.collect::<Vec<_>>(), None).unwrap();
    let several = decode_weights(&network, "x", &twice).unwrap_err().to_string();
    assert!(several.contains("several times, under 'ema.', 'net.'"), "{several}");
    let zeros = [0; 4 * 27 * 8];
    let doubles = TensorView::new(Dtype::F64, vec![4, 3, 3, 3], &zeros).unwrap();
    let doubles = ours.iter().map(|(name, view)| match name {
        "conv1.weight" => (name, doubles.clone()),
        _ => (name, view),
    });
    let doubles = safetensors::serialize(doubles.collect::<Vec<_>>(), None).unwrap();
    for (bytes, part) in [(doubles.as_slice(), "F64, not F32"), (b"PK\x03\x04....", "torch.save")] {
        let error = decode_weights(&network, "x", bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn damage_is_noticed_and_named() {
    let (network, config, state) = example();
    let good = encode_state(&network, &config, &state);
    let with = |file: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = good.clone();
        change(&mut files[file].1);
        decode_state(&network, &config, read(&files)).unwrap_err().to_string()
    };
    let flipped = with(1, &|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(flipped.contains("r1-k3") && flipped.contains("fingerprint"), "{flipped}");
    let cut = with(0, &|bytes| bytes.truncate(bytes.len() / 2));
    assert!(cut.contains("r0-k1") && cut.contains("complete"), "{cut}");
    let other = TrainConfig { ks: vec![1, 5], ..config.clone() };
    let error = decode_state(&network, &other, read(&good)).unwrap_err().to_string();
    assert!(error.contains("with ks"), "{error}");
    let wide = NetKind::ResNet { depth: 8 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0).unwrap();
    let error = decode_state(&wide, &config, read(&good)).unwrap_err().to_string();
    assert!(error.contains("another network"), "{error}");
}

#[test]
fn counters_of_version_0_1_have_all_measurements() {
    let old = r#"{"step":3,"evaluated":false,"samples":0,"correct":[],"ks":[],"fingerprints":[]}"#;
    let counters: Counters = serde_json::from_str(old).unwrap();
    assert!(counters.measured && !counters.evaluated);
}
