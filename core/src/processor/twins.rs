//! Which twin computes which shader.

use super::isa::Runnable;
use super::twin::{BySample, Grouped, Launch, Twin as _};
use super::{
    activation_backward, activation_features_backward, activation_features_forward, activation_forward, adamw_update,
    add, batch_input, bias_coefficients, bias_gradient, binary_cross_entropy, bn_apply, bn_backward_apply,
    bn_backward_finalize, bn_backward_reduce, bn_finalize, bn_running, bn_statistics, conv_down_dinput,
    conv_down_dweight, conv_down_forward, conv_dweight_reduce, conv_valid_dweight, conv_valid_forward, conv1x1_dweight,
    conv1x1_forward, conv3x3_dweight, conv3x3_forward, copy_rate, dense_dinput, dense_dweight, dense_forward,
    divergence_blocks, divergence_tensors, fingerprint_arena, fingerprint_blocks, fingerprint_sum, flatten_backward,
    flatten_forward, flip_bit, fma_rate, gate, gn_backward_apply, gn_backward_finalize, gn_backward_reduce,
    gn_statistics, heat_steps, max_pool_backward, max_pool_forward, pack_weights, pde_linear_update, pde_measure,
    pde_source_dot, pool_backward, pool_forward, running_not_finite, score_sum, sgd_update, shared_functions,
    softmax_cross_entropy, squared_error,
};
use crate::record::Shader;

/// Whether dispatch `i` adds the partial sums that binding `binding` of the first one holds.
fn adds(launches: &[Launch<'_>], i: usize, binding: usize) -> bool {
    launches.get(i).is_some_and(|launch| {
        let [adds, sums] = [(launch, 0), (&launches[0], binding)].map(|(launch, i)| launch.dispatch().bindings[i]);
        launch.dispatch().kernel.shader() == Shader::ConvDweightReduce && adds == sums
    })
}

/// The twins that compute the first of `launches`, and the number of dispatches that they replace. Consecutive dispatches are
/// computed together if only the second reads what the first writes and this saves memory traffic.
pub fn next(launches: &[Launch<'_>]) -> (Vec<Box<dyn Runnable>>, usize) {
    let Some(first) = launches.first() else { return (Vec::new(), 0) };
    match first.dispatch().kernel.shader() {
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged if adds(launches, 1, 2) => {
            let (chains, sum) = conv3x3_dweight::Conv3x3DweightChains::new_pair(first, &launches[1], false);
            (vec![Box::new(chains), Box::new(sum)], 2)
        }
        Shader::ConvDownDweight if adds(launches, 1, 3) && adds(launches, 2, 4) => {
            let (chains, [sum, sum_shortcut]) =
                conv_down_dweight::ConvDownDweightChains::new_triple(first, [&launches[1], &launches[2]], false);
            (vec![Box::new(chains), Box::new(sum), Box::new(sum_shortcut)], 3)
        }
        shader => (vec![of(shader, first)], 1),
    }
}

/// The members of a sample loop, whose pieces are groups of `group` samples, and the twins that run after it.
pub fn in_loop(mut launches: &[Launch<'_>], group: usize) -> [Vec<Box<dyn Runnable>>; 2] {
    fn grouped<T: BySample>(twin: T, launch: &Launch<'_>, group: usize) -> Box<dyn Runnable> {
        Box::new(Grouped::of(twin, launch, group))
    }
    let [mut members, mut after]: [Vec<Box<dyn Runnable>>; 2] = [Vec::new(), Vec::new()];
    while let Some(first) = launches.first() {
        let mut taken = 1;
        members.push(match first.dispatch().kernel.shader() {
            shader @ Shader::ConvDweightReduce => {
                after.push(of(shader, first));
                launches = &launches[1..];
                continue;
            }
            Shader::BnApply => grouped(bn_apply::BnApply::new(first), first, group),
            Shader::BnBackwardApply => grouped(bn_backward_apply::BnBackwardApply::new(first), first, group),
            Shader::BnBackwardReduce => grouped(bn_backward_reduce::BnBackwardReduce::new(first), first, group),
            Shader::BnStatistics => grouped(bn_statistics::BnStatistics::new(first), first, group),
            Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged if adds(launches, 1, 2) => {
                let (chains, sum) = conv3x3_dweight::Conv3x3DweightChains::new_pair(first, &launches[1], true);
                after.push(Box::new(sum));
                taken = 2;
                grouped(chains, first, group)
            }
            Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged => {
                grouped(conv3x3_dweight::Conv3x3Dweight::new(first), first, group)
            }
            Shader::Conv3x3Forward | Shader::Conv3x3ForwardStaged => {
                grouped(conv3x3_forward::Conv3x3Forward::new(first), first, group)
            }
            Shader::ConvDownDinput => grouped(conv_down_dinput::ConvDownDinput::new(first), first, group),
            Shader::ConvDownDweight if adds(launches, 1, 3) && adds(launches, 2, 4) => {
                let reduce = [&launches[1], &launches[2]];
                let (chains, [sum, sum_shortcut]) =
                    conv_down_dweight::ConvDownDweightChains::new_triple(first, reduce, true);
                after.extend([Box::new(sum) as Box<dyn Runnable>, Box::new(sum_shortcut)]);
                taken = 3;
                grouped(chains, first, group)
            }
            Shader::ConvDownDweight => grouped(conv_down_dweight::ConvDownDweight::new(first), first, group),
            Shader::ConvDownForward => grouped(conv_down_forward::ConvDownForward::new(first), first, group),
            Shader::MaxPoolBackward => grouped(max_pool_backward::MaxPoolBackward::new(first), first, group),
            Shader::MaxPoolForward => grouped(max_pool_forward::MaxPoolForward::new(first), first, group),
            shader => unreachable!("{} does not run sample by sample", shader.name()),
        });
        launches = &launches[taken..];
    }
    [members, after]
}

/// The twin of a dispatch. A staged kernel differs from the plain one only in what threads share, so it has the same twin.
fn of(shader: Shader, launch: &Launch<'_>) -> Box<dyn Runnable> {
    match shader {
        Shader::ActivationBackward => Box::new(activation_backward::ActivationBackward::new(launch)),
        Shader::ActivationFeaturesBackward => {
            Box::new(activation_features_backward::ActivationFeaturesBackward::new(launch))
        }
        Shader::ActivationFeaturesForward => {
            Box::new(activation_features_forward::ActivationFeaturesForward::new(launch))
        }
        Shader::ActivationForward => Box::new(activation_forward::ActivationForward::new(launch)),
        Shader::AdamwUpdate => Box::new(adamw_update::AdamwUpdate::new(launch)),
        Shader::Add => Box::new(add::Add::new(launch)),
        Shader::BatchInput => Box::new(batch_input::BatchInput::new(launch)),
        Shader::BiasCoefficients => Box::new(bias_coefficients::BiasCoefficients::new(launch)),
        Shader::BiasGradient => Box::new(bias_gradient::BiasGradient::new(launch)),
        Shader::BinaryCrossEntropy => Box::new(binary_cross_entropy::BinaryCrossEntropy::new(launch)),
        Shader::BnApply => Box::new(bn_apply::BnApply::new(launch)),
        Shader::BnBackwardApply => Box::new(bn_backward_apply::BnBackwardApply::new(launch)),
        Shader::BnBackwardFinalize => Box::new(bn_backward_finalize::BnBackwardFinalize::new(launch)),
        Shader::BnBackwardReduce => Box::new(bn_backward_reduce::BnBackwardReduce::new(launch)),
        Shader::BnFinalize => Box::new(bn_finalize::BnFinalize::new(launch)),
        Shader::BnRunning => Box::new(bn_running::BnRunning::new(launch)),
        Shader::BnStatistics => Box::new(bn_statistics::BnStatistics::new(launch)),
        Shader::Conv1x1Dweight => Box::new(conv1x1_dweight::Conv1x1Dweight::new(launch)),
        Shader::Conv1x1Forward => Box::new(conv1x1_forward::Conv1x1Forward::new(launch)),
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
        Shader::FingerprintArena => Box::new(fingerprint_arena::FingerprintArena::new(launch)),
        Shader::FingerprintBlocks => Box::new(fingerprint_blocks::FingerprintBlocks::new(launch)),
        Shader::FingerprintSum => Box::new(fingerprint_sum::FingerprintSum::new(launch)),
        Shader::FlattenBackward => Box::new(flatten_backward::FlattenBackward::new(launch)),
        Shader::FlattenForward => Box::new(flatten_forward::FlattenForward::new(launch)),
        Shader::FlipBit => Box::new(flip_bit::FlipBit::new(launch)),
        Shader::FmaRate => Box::new(fma_rate::FmaRate::new(launch)),
        Shader::Gate => Box::new(gate::Gate::new(launch)),
        Shader::GnBackwardApply => Box::new(gn_backward_apply::GnBackwardApply::new(launch)),
        Shader::GnBackwardFinalize => Box::new(gn_backward_finalize::GnBackwardFinalize::new(launch)),
        Shader::GnBackwardReduce => Box::new(gn_backward_reduce::GnBackwardReduce::new(launch)),
        Shader::GnStatistics => Box::new(gn_statistics::GnStatistics::new(launch)),
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
        Shader::SquaredError => Box::new(squared_error::SquaredError::new(launch)),
    }
}
