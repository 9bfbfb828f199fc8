//! The fingerprint of a replica: two wrapping sums of hashed words over parameters and the optimiser's state, 16 hex digits in all.

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// The bindings of [`measure`].
pub struct Bindings<'a> {
    /// Arenas of parameters.
    pub parameters: Binding,
    /// Arenas of the optimiser's state, at least one.
    pub optimizer: &'a [Binding],
    /// [tensor, first element, elements, 0] for each block of 64 parameters.
    pub places: Binding,
    /// Scratch of two words for each block and replica.
    pub blocks: Binding,
    /// Receives two words for each replica.
    pub results: Binding,
}

/// Appends the reductions.
pub fn measure(rec: &mut Recording, Bindings { parameters, optimizer, places, blocks, results }: Bindings<'_>) {
    let stride = u64::from(rec.job.parameter_stride);
    let n_blocks = stride / u64::from(super::divergence::BLOCK);
    let first = Kernel::new(Shader::FingerprintBlocks, &[]);
    let bindings = [parameters, optimizer[0], places, blocks];
    rec.dispatch("fingerprint", first, &bindings, workgroups(n_blocks), Work::new(0, stride * 8));
    for (arena, salt) in optimizer[1..].iter().zip((4..).step_by(2)) {
        let further = Kernel::new(Shader::FingerprintArena, &[]);
        let (bindings, work) = ([*arena, places, blocks], Work::new(0, stride * 4));
        rec.dispatch_with("fingerprint", further, &bindings, workgroups(n_blocks), work, &[salt]);
    }
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

/// Computes the same fingerprint on the host, from arenas of tensors in order: parameters, then the optimiser's state. A checkpoint's
/// fingerprint must equal it.
#[must_use]
pub fn of_arenas<'a, Tensors: IntoIterator<Item = &'a [f32]>>(arenas: impl IntoIterator<Item = Tensors>) -> [u32; 2] {
    let mut sum = [0u32; 2];
    for (arena, first_salt) in arenas.into_iter().zip((0..).step_by(2)) {
        for (tensor, values) in (0..).zip(arena) {
            for (index, value) in (0..).zip(values) {
                for (word, salt) in sum.iter_mut().zip(first_salt..) {
                    *word = word.wrapping_add(mix(value.to_bits(), index, tensor, salt));
                }
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
