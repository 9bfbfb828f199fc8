//! The table of all shaders: name, access mode of each binding, and arguments beyond the fields that every job has. A test
//! compares this table with the WGSL.

/// Access mode of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`, but never read.
    Write,
    /// `var<storage, read_write>`, read and written.
    Update,
}

impl Access {
    /// Whether a kernel may write the binding.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

macro_rules! shaders {
    ($($variant:ident $name:literal [$($access:ident)+] [$($argument:literal),*],)+) => {
        /// A file in `shaders/`, which has a twin in `processor/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Shader {
            $(#[doc = concat!("`shaders/", $name, ".wgsl`")] $variant,)+
        }

        impl Shader {
            /// All shaders, sorted by name.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// File name without `.wgsl`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Access modes of bindings 1, 2, ... An accumulating kernel also reads what this table says it writes
            /// ([`super::Kernel::accesses`]).
            #[must_use]
            pub fn bindings(self) -> &'static [Access] {
                match self {
                    $(Self::$variant => &[$(Access::$access),+],)+
                }
            }

            /// Names of the job fields that are specific to this shader, in order.
            #[must_use]
            pub fn arguments(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($argument),*],)+
                }
            }
        }
    };
}

shaders! {
    ActivationBackward "activation_backward" [Read Update] [],
    ActivationFeaturesBackward "activation_features_backward" [Read Update] ["elements"],
    ActivationFeaturesForward "activation_features_forward" [Read Write] ["elements"],
    ActivationForward "activation_forward" [Read Write] [],
    AdamwUpdate "adamw_update" [Read Read Read Update Update Update] [],
    Add "add" [Read Read Write] ["elements"],
    BatchInput "batch_input" [Read Read Read Write] [],
    BiasCoefficients "bias_coefficients" [Read Write] [],
    BiasGradient "bias_gradient" [Read Write] [],
    BinaryCrossEntropy "binary_cross_entropy" [Read Read Write Write] [],
    BnApply "bn_apply" [Read Read Read Write] [],
    BnBackwardApply "bn_backward_apply" [Read Read Read Read Write] [],
    BnBackwardFinalize "bn_backward_finalize" [Read Write Write] ["scale_to_shift"],
    BnBackwardReduce "bn_backward_reduce" [Read Read Read Update Write] [],
    BnFinalize "bn_finalize" [Read Read Read Update Write] ["mean_to_variance"],
    BnRunning "bn_running" [Read Read Read Write] ["mean_to_variance"],
    BnStatistics "bn_statistics" [Read Write] [],
    Conv1x1Dweight "conv1x1_dweight" [Read Read Write] [],
    Conv1x1Forward "conv1x1_forward" [Read Read Write] [],
    Conv3x3Dweight "conv3x3_dweight" [Read Read Write] [],
    Conv3x3DweightStaged "conv3x3_dweight_staged" [Read Read Write] [],
    Conv3x3Forward "conv3x3_forward" [Read Read Write] [],
    Conv3x3ForwardStaged "conv3x3_forward_staged" [Read Read Write] [],
    ConvDownDinput "conv_down_dinput" [Read Read Read Read Write] [],
    ConvDownDweight "conv_down_dweight" [Read Read Read Write Write] [],
    ConvDownForward "conv_down_forward" [Read Read Read Write Write] [],
    ConvDweightReduce "conv_dweight_reduce" [Read Write] ["blocks"],
    ConvValidDweight "conv_valid_dweight" [Read Read Write] [],
    ConvValidForward "conv_valid_forward" [Read Read Write] [],
    CopyRate "copy_rate" [Read Write] [],
    DenseDinput "dense_dinput" [Read Read Write] [],
    DenseDweight "dense_dweight" [Read Read Write] ["weight_to_bias"],
    DenseForward "dense_forward" [Read Read Read Write] [],
    DivergenceBlocks "divergence_blocks" [Read Read Write] [],
    DivergenceTensors "divergence_tensors" [Read Read Write] ["tensors"],
    FingerprintArena "fingerprint_arena" [Read Read Update] ["salt"],
    FingerprintBlocks "fingerprint_blocks" [Read Read Read Write] [],
    FingerprintSum "fingerprint_sum" [Read Write] [],
    FlattenBackward "flatten_backward" [Read Write] [],
    FlattenForward "flatten_forward" [Read Write] [],
    FlipBit "flip_bit" [Update] ["element", "replica"],
    FmaRate "fma_rate" [Write] [],
    Gate "gate" [Read Read Write] ["elements"],
    GnBackwardApply "gn_backward_apply" [Read Read Read Read Write] [],
    GnBackwardFinalize "gn_backward_finalize" [Read Read Write Write] ["scale_to_shift"],
    GnBackwardReduce "gn_backward_reduce" [Read Read Read Update Write] [],
    GnStatistics "gn_statistics" [Read Read Read Write] [],
    HeatSteps "heat_steps" [Read Read Update Update] ["steps"],
    MaxPoolBackward "max_pool_backward" [Read Read Write] [],
    MaxPoolForward "max_pool_forward" [Read Write] [],
    PackWeights "pack_weights" [Read Read Read Write] [],
    PdeLinearUpdate "pde_linear_update" [Read Read Read Read Update] [],
    PdeMeasure "pde_measure" [Read Read Update Write Write] ["replicas", "rate_words", "rate_word"],
    PdeSourceDot "pde_source_dot" [Read Read Write] [],
    PoolBackward "pool_backward" [Read Write] [],
    PoolForward "pool_forward" [Read Write] [],
    RunningNotFinite "running_not_finite" [Read Write] [],
    ScoreSum "score_sum" [Read Write] [],
    SgdUpdate "sgd_update" [Read Read Read Update Update] [],
    SharedFunctions "shared_functions" [Read Write] ["count"],
    SoftmaxCrossEntropy "softmax_cross_entropy" [Read Read Write Write] [],
    SquaredError "squared_error" [Read Read Write Write] [],
}
