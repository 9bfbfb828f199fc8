//! The fingerprint of a replica: two wrapping sums of hashed words over parameters and momentum, 16 hex digits in all.

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Appends the reductions. `places` holds [tensor, first element, elements, 0] for each block of 64 parameters;
/// `results` receives two words for each replica.
pub fn measure(rec: &mut Recording, [parameters, momenta, places, blocks, results]: [Binding; 5]) {
    let stride = u64::from(rec.job.parameter_stride);
    let n_blocks = stride / u64::from(super::divergence::BLOCK);
    let first = Kernel::new(Shader::FingerprintBlocks, &[]);
    let bindings = [parameters, momenta, places, blocks];
    rec.dispatch("fingerprint", first, &bindings, workgroups(n_blocks), Work::new(0, stride * 8));
    let second = Kernel::new(Shader::FingerprintSum, &[]);
    rec.dispatch("fingerprint", second, &[blocks, results], 1, Work::new(0, n_blocks * 8));
}

fn avalanche(value: u32) -> u32 {
    let h = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

fn mix(bits: u32, index: u32, tensor: u32, salt: u32) -> u32 {
    avalanche(bits ^ avalanche(index ^ avalanche(tensor ^ salt)))
}

/// Computes the same fingerprint on the host, from tensors in order as (values, momentum). A checkpoint's fingerprint must
/// equal it.
#[must_use]
pub fn of_tensors<'a>(tensors: impl IntoIterator<Item = (&'a [f32], &'a [f32])>) -> [u32; 2] {
    let mut sum = [0u32; 2];
    for (tensor, (values, momentum)) in tensors.into_iter().enumerate() {
        for (index, (v, m)) in values.iter().zip(momentum).enumerate() {
            let (tensor, index) = (tensor as u32, index as u32);
            for salt in 0..2 {
                let word =
                    mix(v.to_bits(), index, tensor, salt).wrapping_add(mix(m.to_bits(), index, tensor, salt + 2));
                sum[salt as usize] = sum[salt as usize].wrapping_add(word);
            }
        }
    }
    sum
}

/// Formats a fingerprint as 16 hex digits.
#[must_use]
pub fn text(words: [u32; 2]) -> String {
    format!("{:08x}{:08x}", words[0], words[1])
}
