//! Reads what all peers start from: lastbit's initial weights and a batch of images.

use std::collections::HashMap;

use burn::prelude::*;
use serde_json::Value;

const RECORD_BYTES: usize = 3073;
const MEAN: [f32; 3] = [0.507, 0.487, 0.441];
const STD: [f32; 3] = [0.267, 0.256, 0.276];

/// The tensors of a safetensors file in float32.
pub struct Weights(HashMap<String, TensorData>);

impl Weights {
    /// Reads a file: the length of the header, the header in JSON, the values.
    pub fn read(path: &str) -> Self {
        let bytes = std::fs::read(path).expect("the weights");
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
        let (header, values) = rest.split_at(length);
        let header: HashMap<String, Value> = serde_json::from_slice(header).expect("a header in JSON");
        let numbers = |list: &Value| -> Vec<usize> { serde_json::from_value(list.clone()).expect("numbers") };
        let tensor = |entry: &Value| {
            let (at, shape) = (numbers(&entry["data_offsets"]), numbers(&entry["shape"]));
            let floats = values[at[0]..at[1]].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            TensorData::new(floats.collect::<Vec<f32>>(), shape)
        };
        let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
        Self(tensors.map(|(name, entry)| (name, tensor(&entry))).collect())
    }

    /// The tensor called `name`.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let data = self.0.get(name).unwrap_or_else(|| panic!("the weights have no {name}"));
        Tensor::from_data(data.clone(), device)
    }
}

/// The first `samples` images `[N][C][H][W]`, normalised, and their labels.
pub fn batch(path: &str, samples: usize) -> (Vec<f32>, Vec<i32>) {
    let bytes = std::fs::read(path).expect("the images");
    let records = bytes.chunks_exact(RECORD_BYTES).take(samples);
    let pixel = |(i, byte): (usize, &u8)| (f32::from(*byte) / 255.0 - MEAN[i / 1024]) / STD[i / 1024];
    let pixels = records.clone().flat_map(|record| record[1..].iter().enumerate().map(pixel)).collect();
    (pixels, records.map(|record| i32::from(record[0])).collect())
}
