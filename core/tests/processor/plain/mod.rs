//! The plain reading of docs/ORDER.md: a dispatch of each shader as plain loops on buffers of words, without vectors, tiles
//! or threads. The shaders and their twins are written for speed, these loops for reading. Tests compare both with the
//! loops, bit for bit.
//!
//! Arithmetic is IEEE-754, rounded to nearest even, each operation in the written order. The only choice is how `mac`
//! rounds, the class: the shaders' `fma` corresponds to it everywhere.
//!
//! Rows of planes are written in whole vectors of four. In the columns beyond WIDTH the shaders compute from the memory
//! there (zeros of the border, pixels of the next row) and multiply by 0, which leaves +0 or -0. These loops do the same.
//!
//! Shape letters: R replica, N sample, C channel, H W pixel, K output channel; kh kw kernel.

mod benchmarks;
mod convolutions;
mod ends;
mod equations;
mod memory;
mod norms;
mod numbers;
mod orders;
mod parameters;
mod pools;

use std::cell::Cell;

use lastbit_core::processor::Class;
use lastbit_core::record::{Constant, Dispatch, Shader};

use memory::{Array, Packed, Planes};
use numbers::Math;

/// Runs a dispatch of any shader on `buffers`, the words of each buffer in the order of the table.
pub fn run(dispatch: &Dispatch, buffers: &mut [Vec<u32>], class: Class) {
    let cells: Vec<&[Cell<u32>]> =
        buffers.iter_mut().map(|words| Cell::from_mut(words.as_mut_slice()).as_slice_of_cells()).collect();
    let arrays = dispatch.bindings.iter().map(|binding| {
        let words = cells[binding.buffer.index()];
        Array(&words[binding.offset as usize / 4..][..binding.bytes as usize / 4])
    });
    let (samples, replicas) = (dispatch.job.samples as usize, dispatch.replicas as usize);
    let this = Reading { dispatch, arrays: arrays.collect(), math: Math { class }, samples, replicas };
    match dispatch.kernel.shader() {
        Shader::ActivationBackward => this.activation_backward(),
        Shader::ActivationFeaturesBackward => this.activation_features_backward(),
        Shader::ActivationFeaturesForward => this.activation_features_forward(),
        Shader::ActivationForward => this.activation_forward(),
        Shader::AdamwUpdate => this.adamw_update(),
        Shader::Add => this.add(),
        Shader::BatchInput => this.batch_input(),
        Shader::BiasCoefficients => this.bias_coefficients(),
        Shader::BiasGradient => this.bias_gradient(),
        Shader::BinaryCrossEntropy => this.binary_cross_entropy(),
        Shader::BnApply => this.bn_apply(),
        Shader::BnBackwardApply => this.bn_backward_apply(),
        Shader::BnBackwardFinalize => this.bn_backward_finalize(),
        Shader::BnBackwardReduce => this.bn_backward_reduce(),
        Shader::BnFinalize => this.bn_finalize(),
        Shader::BnRunning => this.bn_running(),
        Shader::BnStatistics => this.bn_statistics(),
        Shader::Conv1x1Dweight => this.conv1x1_dweight(),
        Shader::Conv1x1Forward => this.conv1x1_forward(),
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged => this.conv3x3_dweight(),
        Shader::Conv3x3Forward | Shader::Conv3x3ForwardStaged => this.conv3x3_forward(),
        Shader::ConvDownDinput => this.conv_down_dinput(),
        Shader::ConvDownDweight => this.conv_down_dweight(),
        Shader::ConvDownForward => this.conv_down_forward(),
        Shader::ConvDweightReduce => this.conv_dweight_reduce(),
        Shader::ConvValidDweight => this.conv_valid_dweight(),
        Shader::ConvValidForward => this.conv_valid_forward(),
        Shader::CopyRate => this.copy_rate(),
        Shader::DenseDinput => this.dense_dinput(),
        Shader::DenseDweight => this.dense_dweight(),
        Shader::DenseForward => this.dense_forward(),
        Shader::DivergenceBlocks => this.divergence_blocks(),
        Shader::DivergenceTensors => this.divergence_tensors(),
        Shader::FingerprintArena => this.fingerprint_arena(),
        Shader::FingerprintBlocks => this.fingerprint_blocks(),
        Shader::FingerprintSum => this.fingerprint_sum(),
        Shader::FlattenBackward => this.flatten_backward(),
        Shader::FlattenForward => this.flatten_forward(),
        Shader::FlipBit => this.flip_bit(),
        Shader::FmaRate => this.fma_rate(),
        Shader::Gate => this.gate(),
        Shader::GnBackwardApply => this.gn_backward_apply(),
        Shader::GnBackwardFinalize => this.gn_backward_finalize(),
        Shader::GnBackwardReduce => this.gn_backward_reduce(),
        Shader::GnStatistics => this.gn_statistics(),
        Shader::HeatSteps => this.heat_steps(),
        Shader::MaxPoolBackward => this.max_pool_backward(),
        Shader::MaxPoolForward => this.max_pool_forward(),
        Shader::PackWeights => this.pack_weights(),
        Shader::PdeLinearUpdate => this.pde_linear_update(),
        Shader::PdeMeasure => this.pde_measure(),
        Shader::PdeSourceDot => this.pde_source_dot(),
        Shader::PoolBackward => this.pool_backward(),
        Shader::PoolForward => this.pool_forward(),
        Shader::RunningNotFinite => this.running_not_finite(),
        Shader::ScoreSum => this.score_sum(),
        Shader::SgdUpdate => this.sgd_update(),
        Shader::SharedFunctions => this.shared_functions(),
        Shader::SoftmaxCrossEntropy => this.softmax_cross_entropy(),
        Shader::SquaredError => this.squared_error(),
    }
}

/// A dispatch with access to its bindings, constants and arguments.
struct Reading<'a> {
    dispatch: &'a Dispatch,
    /// The bindings, from number 1 on.
    arrays: Vec<Array<'a>>,
    math: Math,
    samples: usize,
    replicas: usize,
}

impl<'a> Reading<'a> {
    fn constant(&self, name: &str) -> Constant {
        let found = self.dispatch.kernel.constants().iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{} has no constant {name}", self.dispatch.kernel.name())).1
    }

    fn size(&self, name: &str) -> usize {
        match self.constant(name) {
            Constant::U32(value) => value as usize,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn sizes<const D: usize>(&self, names: [&str; D]) -> [usize; D] {
        names.map(|name| self.size(name))
    }

    fn float(&self, name: &str) -> f32 {
        match self.constant(name) {
            Constant::F32(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn flag(&self, name: &str) -> bool {
        match self.constant(name) {
            Constant::Bool(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn argument(&self, name: &str) -> usize {
        let names = self.dispatch.kernel.shader().arguments();
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("no argument {name}"));
        self.dispatch.job.arguments[at] as usize
    }

    /// Elements from one replica to the next in an arena of parameters, momenta or gradients.
    fn stride(&self) -> usize {
        self.dispatch.job.parameter_stride as usize
    }

    #[inline]
    fn mac(&self, a: f32, b: f32, acc: f32) -> f32 {
        self.math.mac(a, b, acc)
    }

    /// The planes of a binding. The constants of their sizes are `{prefix}ROW` and `{prefix}PLANE`.
    fn planes(&self, binding: usize, channels: usize, prefix: &str) -> Planes<'a> {
        let [row, plane] = ["ROW", "PLANE"].map(|name| self.size(&format!("{prefix}{name}")) * 4);
        Planes { array: self.arrays[binding], samples_of_replica: self.samples, channels, row, plane }
    }

    fn packed(&self, binding: usize, inner: usize, taps: usize) -> Packed<'a> {
        let stride = self.dispatch.job.packed_stride as usize;
        Packed { array: self.arrays[binding], stride, inner, taps }
    }
}
