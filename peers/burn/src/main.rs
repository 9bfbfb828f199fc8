//! Burn's side of `cargo xtask bench --peers`: trains lastbit's CIFAR ResNets with Burn, on the adapter that wgpu finds.
//!
//!     lastbit-peer-burn NET BATCH WEIGHTS IMAGES
//!
//! WEIGHTS is a safetensors file, IMAGES one of CIFAR-10's binary files. The program first prints one line of JSON: what it
//! trains, and the first losses. Each line on stdin then holds a number of steps, and is answered with the seconds of each step.

mod files;
mod net;

use std::io::BufRead;
use std::time::Instant;

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use net::ResNet;
use serde_json::json;

struct Training {
    /// `None` only during a step, which consumes the model and returns a new one.
    model: Option<ResNet>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Training {
    /// Trains for one step and reads back the loss before the update.
    fn step(&mut self) -> f32 {
        let model = self.model.take().expect("every step puts the model back");
        let loss = self.loss.forward(model.forward(self.images.clone()), self.labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(0.1, model, gradients));
        loss.into_scalar::<f32>()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [net, batch, weights, images] = &arguments[..] else { panic!("NET BATCH WEIGHTS IMAGES") };
    let depth: usize = net.strip_prefix("resnet").and_then(|depth| depth.parse().ok()).expect("a ResNet");
    let samples: usize = batch.parse().expect("samples in the batch");
    let device = Device::wgpu(DeviceKind::DefaultDevice).autodiff();
    let (pixels, labels) = files::batch(images, samples);
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(true);
    let sgd = SgdConfig::new().with_weight_decay(Some(WeightDecayConfig::new(5e-4))).with_momentum(Some(momentum));
    let model = ResNet::new(depth, &files::Weights::read(weights), &device);
    let about = json!({
        "version": "Burn 0.22",
        "setting": "wgpu (WGSL), fusion, autotune",
        "parameters": model.trained_values(),
        "flops": model.convolution_flops(samples as u64, 32),
    });
    let mut training = Training {
        model: Some(model),
        optimizer: sgd.init(),
        loss: CrossEntropyLossConfig::new().init(&device),
        images: Tensor::from_data(TensorData::new(pixels, [samples, 3, 32, 32]), &device),
        labels: Tensor::from_data(TensorData::new(labels, [samples]), &device),
    };
    let losses: Vec<f32> = (0..3).map(|_| training.step()).collect();
    let mut first = about;
    first["losses"] = json!(losses);
    println!("{first}");
    for line in std::io::stdin().lock().lines() {
        let steps: usize = line.expect("a line").trim().parse().expect("a number of steps");
        let seconds: Vec<f64> = (0..steps)
            .map(|_| {
                let started = Instant::now();
                training.step();
                started.elapsed().as_secs_f64()
            })
            .collect();
        println!("{}", json!({ "seconds": seconds }));
    }
}
