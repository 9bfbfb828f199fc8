//! Generates the WGSL of a kernel: `const` lines for its constants, the job, the imported helpers, and the shader.

use std::fmt::Write as _;

use crate::record::{ARGUMENTS, Constant, Kernel, Shader};

/// The code of a file without comments and layout. The page contains all files, so they should be small, and layout must not
/// change the hash of a kernel.
macro_rules! wgsl {
    ($path:expr) => {{
        const TEXT: &str = include_str!($path);
        const CODE: [u8; code_length(TEXT)] = code(TEXT);
        const SOURCE: &str = match std::str::from_utf8(&CODE) {
            Ok(source) => source,
            Err(_) => panic!("removing text next to ASCII characters keeps UTF-8 valid"),
        };
        SOURCE
    }};
}

/// Length in bytes of the result of [`code`].
const fn code_length(text: &str) -> usize {
    let (bytes, mut at, mut length) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        let line = line(bytes, at);
        if line.first < line.end {
            length += line.end - line.first + 1;
        }
        at = line.next;
    }
    length
}

/// Strips comments, indentation and empty lines from `text`.
const fn code<const N: usize>(text: &str) -> [u8; N] {
    let (bytes, mut at, mut code, mut length) = (text.as_bytes(), 0, [0; N], 0);
    while at < bytes.len() {
        let line = line(bytes, at);
        at = line.first;
        while at < line.end {
            code[length] = bytes[at];
            length += 1;
            at += 1;
        }
        if line.first < line.end {
            code[length] = b'\n';
            length += 1;
        }
        at = line.next;
    }
    code
}

/// Byte offsets of a line: where its code begins and ends, and where the next line begins.
struct LineSpan {
    first: usize,
    end: usize,
    next: usize,
}

/// Finds the code of the line that begins at `at`. Shaders do not use `/* */` comments.
const fn line(bytes: &[u8], at: usize) -> LineSpan {
    let mut first = at;
    while first < bytes.len() && bytes[first] == b' ' {
        first += 1;
    }
    let mut end = first;
    while end < bytes.len() && bytes[end] != b'\n' && !is_comment(bytes, end) {
        end += 1;
    }
    let mut next = end;
    while next < bytes.len() && bytes[next] != b'\n' {
        next += 1;
    }
    // This also drops the `\r` of Windows line endings.
    while end > first && bytes[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    LineSpan { first, end, next: next + 1 }
}

const fn is_comment(bytes: &[u8], at: usize) -> bool {
    at + 1 < bytes.len() && bytes[at] == b'/' && bytes[at + 1] == b'/'
}

macro_rules! shared {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, wgsl!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/shared/", $name, ".wgsl")))),+]
    };
}

/// Helper files that shaders import with `#import` lines. They declare no bindings.
const SHARED: &[(&str, &str)] = shared![
    "activation",
    "chan",
    "division",
    "leaves",
    "mac",
    "math",
    "mix",
    "norm",
    "opaque",
    "pairwise",
    "place",
    "quad",
    "relative",
    "root",
    "share",
    "taps",
    "weight_tile",
    "window"
];

macro_rules! shaders {
    ($($variant:ident $name:literal,)+) => {
        /// The stripped text of a shader file.
        fn text(shader: Shader) -> &'static str {
            match shader {
                $(Shader::$variant => wgsl!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, ".wgsl")),)+
            }
        }

        /// The stripped texts of all shaders and helper files.
        pub fn texts() -> impl Iterator<Item = &'static str> {
            Shader::ALL.iter().map(|shader| text(*shader)).chain(SHARED.iter().map(|(_, text)| *text))
        }
    };
}

shaders! {
    ActivationBackward "activation_backward",
    ActivationFeaturesBackward "activation_features_backward",
    ActivationFeaturesForward "activation_features_forward",
    ActivationForward "activation_forward",
    AdamwUpdate "adamw_update",
    Add "add",
    BatchInput "batch_input",
    BiasCoefficients "bias_coefficients",
    BiasGradient "bias_gradient",
    BinaryCrossEntropy "binary_cross_entropy",
    BnApply "bn_apply",
    BnBackwardApply "bn_backward_apply",
    BnBackwardFinalize "bn_backward_finalize",
    BnBackwardReduce "bn_backward_reduce",
    BnFinalize "bn_finalize",
    BnRunning "bn_running",
    BnStatistics "bn_statistics",
    Conv1x1Dweight "conv1x1_dweight",
    Conv1x1Forward "conv1x1_forward",
    Conv3x3Dweight "conv3x3_dweight",
    Conv3x3DweightStaged "conv3x3_dweight_staged",
    Conv3x3Forward "conv3x3_forward",
    Conv3x3ForwardStaged "conv3x3_forward_staged",
    ConvDownDinput "conv_down_dinput",
    ConvDownDweight "conv_down_dweight",
    ConvDownForward "conv_down_forward",
    ConvDweightReduce "conv_dweight_reduce",
    ConvValidDweight "conv_valid_dweight",
    ConvValidForward "conv_valid_forward",
    CopyRate "copy_rate",
    DenseDinput "dense_dinput",
    DenseDweight "dense_dweight",
    DenseForward "dense_forward",
    DivergenceBlocks "divergence_blocks",
    DivergenceTensors "divergence_tensors",
    FingerprintArena "fingerprint_arena",
    FingerprintBlocks "fingerprint_blocks",
    FingerprintSum "fingerprint_sum",
    FlattenBackward "flatten_backward",
    FlattenForward "flatten_forward",
    FlipBit "flip_bit",
    FmaRate "fma_rate",
    Gate "gate",
    GnBackwardApply "gn_backward_apply",
    GnBackwardFinalize "gn_backward_finalize",
    GnBackwardReduce "gn_backward_reduce",
    GnStatistics "gn_statistics",
    HeatSteps "heat_steps",
    MaxPoolBackward "max_pool_backward",
    MaxPoolForward "max_pool_forward",
    PackWeights "pack_weights",
    PdeLinearUpdate "pde_linear_update",
    PdeMeasure "pde_measure",
    PdeSourceDot "pde_source_dot",
    PoolBackward "pool_backward",
    PoolForward "pool_forward",
    RunningNotFinite "running_not_finite",
    ScoreSum "score_sum",
    SgdUpdate "sgd_update",
    SharedFunctions "shared_functions",
    SoftmaxCrossEntropy "softmax_cross_entropy",
    SquaredError "squared_error",
}

/// The job fields that all shaders have.
const JOB_FIELDS: &str =
    "first_tile: u32, samples: u32, parameter_stride: u32, packed_stride: u32, running_stride: u32, zero: u32";

/// The complete text of a kernel, which GPUs compile and manifests hash. The entry point is `main`, binding 0 is the job.
///
/// # Panics
/// If the shader imports a helper that does not exist (a test builds every kernel).
#[must_use]
pub fn source(kernel: &Kernel) -> String {
    let shader = text(kernel.shader());
    let mut all = String::with_capacity(shader.len() + 2048);
    for (name, value) in kernel.constants() {
        let _ = match value {
            Constant::U32(v) => writeln!(all, "const {name} = {v}u;"),
            Constant::Bool(v) => writeln!(all, "const {name} = {v};"),
            // Rust prints the shortest text that parses to the same f32.
            Constant::F32(v) => writeln!(all, "const {name} = {v:?}f;"),
        };
    }
    complete(shader, kernel.shader().arguments(), &mut all);
    all
}

/// Appends the job with these arguments, the imported helpers, and the shader.
pub(super) fn complete(shader: &str, arguments: &[&str], text: &mut String) {
    let names = arguments.iter().map(|name| (*name).to_owned());
    let unused = (arguments.len()..ARGUMENTS).map(|i| format!("unused{i}"));
    let arguments: String = names.chain(unused).map(|name| format!(", {name}: u32")).collect();
    let _ = writeln!(text, "struct Job {{ {JOB_FIELDS}{arguments} }}\n@group(0) @binding(0) var<uniform> job: Job;");
    import(shader, &mut Vec::new(), text);
    text.push_str(&without_imports(shader));
}

fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.strip_prefix("#import ")).map(str::trim)
}

fn without_imports(source: &str) -> String {
    source.lines().filter(|line| !line.starts_with("#import ")).fold(String::new(), |mut text, line| {
        text.push_str(line);
        text.push('\n');
        text
    })
}

fn import(source: &str, done: &mut Vec<String>, text: &mut String) {
    for name in imports(source) {
        if done.iter().any(|d| d == name) {
            continue;
        }
        done.push(name.to_owned());
        let Some((_, helper)) = SHARED.iter().find(|(n, _)| *n == name) else {
            panic!("helper file shaders/shared/{name}.wgsl does not exist");
        };
        import(helper, done, text);
        text.push_str(&without_imports(helper));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_does_not_depend_on_comments_and_layout() {
        const TEXT: &str =
            "// About.\n#import mac\n\n@group(0) var x: f32; // [R][C] \u{b7}\n    // Why.\n    y = a / b;  \r\n}";
        const CODE: [u8; code_length(TEXT)] = code(TEXT);
        assert_eq!(std::str::from_utf8(&CODE), Ok("#import mac\n@group(0) var x: f32;\ny = a / b;\n}\n"));
    }
}
