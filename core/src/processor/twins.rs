//! Which twin computes which shader.

use super::isa::Runnable;
use super::twin::{Launch, Twin as _};
use super::{
    activation_backward, activation_forward, batch_input, binary_cross_entropy, bn_apply, bn_backward_apply,
    bn_backward_finalize, bn_backward_reduce, bn_finalize, bn_running, bn_statistics, conv_down_dinput,
    conv_down_dweight, conv_down_forward, conv_dweight_reduce, conv_valid_dweight, conv_valid_forward, conv3x3_dweight,
    conv3x3_forward, copy_rate, dense_dinput, dense_dweight, dense_forward, divergence_blocks, divergence_tensors,
    fingerprint_blocks, fingerprint_sum, flip_bit, fma_rate, heat_steps, max_pool_backward, max_pool_forward,
    pack_weights, pde_linear_update, pde_measure, pde_source_dot, pool_backward, pool_forward, running_not_finite,
    score_sum, sgd_update, shared_functions, softmax_cross_entropy,
};
use crate::record::Shader;

/// The twins that the first of `launches` is computed by, and how many dispatches they stand for: neighbours of which one makes
/// what only the next one reads are computed together where that saves memory traffic.
pub fn next(launches: &[Launch<'_>]) -> (Vec<Box<dyn Runnable>>, usize) {
    let shader = |i: usize| launches.get(i).map(|launch| launch.dispatch().kernel.shader());
    // Whether dispatch i adds the partial sums of this binding of the first one.
    let adds = |i: usize, binding: usize| {
        let bound = |i: usize, binding: usize| launches[i].dispatch().bindings[binding];
        shader(i) == Some(Shader::ConvDweightReduce) && bound(i, 0) == bound(0, binding)
    };
    match shader(0) {
        Some(Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged) if adds(1, 2) => {
            let (chains, sum) = conv3x3_dweight::Conv3x3DweightChains::new_pair(&launches[0], &launches[1]);
            (vec![Box::new(chains), Box::new(sum)], 2)
        }
        Some(Shader::ConvDownDweight) if adds(1, 3) && adds(2, 4) => {
            let (chains, [sum, sum_shortcut]) =
                conv_down_dweight::ConvDownDweightChains::new_triple(&launches[0], [&launches[1], &launches[2]]);
            (vec![Box::new(chains), Box::new(sum), Box::new(sum_shortcut)], 3)
        }
        Some(shader) => (vec![of(shader, &launches[0])], 1),
        None => (Vec::new(), 0),
    }
}

/// The twin of a dispatch. A staged kernel differs from the other one in what threads share, and has the same twin.
fn of(shader: Shader, launch: &Launch<'_>) -> Box<dyn Runnable> {
    match shader {
        Shader::ActivationBackward => Box::new(activation_backward::ActivationBackward::new(launch)),
        Shader::ActivationForward => Box::new(activation_forward::ActivationForward::new(launch)),
        Shader::BatchInput => Box::new(batch_input::BatchInput::new(launch)),
        Shader::BinaryCrossEntropy => Box::new(binary_cross_entropy::BinaryCrossEntropy::new(launch)),
        Shader::BnApply => Box::new(bn_apply::BnApply::new(launch)),
        Shader::BnBackwardApply => Box::new(bn_backward_apply::BnBackwardApply::new(launch)),
        Shader::BnBackwardFinalize => Box::new(bn_backward_finalize::BnBackwardFinalize::new(launch)),
        Shader::BnBackwardReduce => Box::new(bn_backward_reduce::BnBackwardReduce::new(launch)),
        Shader::BnFinalize => Box::new(bn_finalize::BnFinalize::new(launch)),
        Shader::BnRunning => Box::new(bn_running::BnRunning::new(launch)),
        Shader::BnStatistics => Box::new(bn_statistics::BnStatistics::new(launch)),
        Shader::Conv3x3Dweight => Box::new(conv3x3_dweight::Conv3x3Dweight::new(launch)),
        Shader::Conv3x3DweightStaged => Box::new(conv3x3_dweight::Conv3x3Dweight::new(launch)),
        Shader::Conv3x3Forward => Box::new(conv3x3_forward::Conv3x3Forward::new(launch)),
        Shader::Conv3x3ForwardStaged => Box::new(conv3x3_forward::Conv3x3Forward::new(launch)),
        Shader::ConvDownDinput => Box::new(conv_down_dinput::ConvDownDinput::new(launch)),
        Shader::ConvDownDweight => Box::new(conv_down_dweight::ConvDownDweight::new(launch)),
        Shader::ConvDownForward => Box::new(conv_down_forward::ConvDownForward::new(launch)),
        Shader::ConvDweightReduce => Box::new(conv_dweight_reduce::ConvDweightReduce::new(launch)),
        Shader::ConvValidDweight => Box::new(conv_valid_dweight::ConvValidDweight::new(launch)),
        Shader::ConvValidForward => Box::new(conv_valid_forward::ConvValidForward::new(launch)),
        Shader::CopyRate => Box::new(copy_rate::CopyRate::new(launch)),
        Shader::DenseDinput => Box::new(dense_dinput::DenseDinput::new(launch)),
        Shader::DenseDweight => Box::new(dense_dweight::DenseDweight::new(launch)),
        Shader::DenseForward => Box::new(dense_forward::DenseForward::new(launch)),
        Shader::DivergenceBlocks => Box::new(divergence_blocks::DivergenceBlocks::new(launch)),
        Shader::DivergenceTensors => Box::new(divergence_tensors::DivergenceTensors::new(launch)),
        Shader::FingerprintBlocks => Box::new(fingerprint_blocks::FingerprintBlocks::new(launch)),
        Shader::FingerprintSum => Box::new(fingerprint_sum::FingerprintSum::new(launch)),
        Shader::FlipBit => Box::new(flip_bit::FlipBit::new(launch)),
        Shader::FmaRate => Box::new(fma_rate::FmaRate::new(launch)),
        Shader::HeatSteps => Box::new(heat_steps::HeatSteps::new(launch)),
        Shader::MaxPoolBackward => Box::new(max_pool_backward::MaxPoolBackward::new(launch)),
        Shader::MaxPoolForward => Box::new(max_pool_forward::MaxPoolForward::new(launch)),
        Shader::PackWeights => Box::new(pack_weights::PackWeights::new(launch)),
        Shader::PdeLinearUpdate => Box::new(pde_linear_update::PdeLinearUpdate::new(launch)),
        Shader::PdeMeasure => Box::new(pde_measure::PdeMeasure::new(launch)),
        Shader::PdeSourceDot => Box::new(pde_source_dot::PdeSourceDot::new(launch)),
        Shader::PoolBackward => Box::new(pool_backward::PoolBackward::new(launch)),
        Shader::PoolForward => Box::new(pool_forward::PoolForward::new(launch)),
        Shader::RunningNotFinite => Box::new(running_not_finite::RunningNotFinite::new(launch)),
        Shader::ScoreSum => Box::new(score_sum::ScoreSum::new(launch)),
        Shader::SgdUpdate => Box::new(sgd_update::SgdUpdate::new(launch)),
        Shader::SharedFunctions => Box::new(shared_functions::SharedFunctions::new(launch)),
        Shader::SoftmaxCrossEntropy => Box::new(softmax_cross_entropy::SoftmaxCrossEntropy::new(launch)),
    }
}
