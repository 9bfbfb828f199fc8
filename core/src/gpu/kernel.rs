//! A kernel is WGSL text: `const` lines for what one replica's layer fixes, the imported helpers, the shader itself.

use std::fmt::Write as _;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

/// A shader file of `shaders/`, without its constants.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// File name without `.wgsl`.
    pub name: &'static str,
    /// The file's text without its comment lines: a page carries all of them, and a kernel is the same whatever they say.
    pub source: &'static str,
}

/// The text of a file without its comment lines.
macro_rules! wgsl {
    ($path:expr) => {{
        const TEXT: &str = include_str!($path);
        const CODE: [u8; $crate::gpu::code_length(TEXT)] = $crate::gpu::code(TEXT);
        const SOURCE: &str = match std::str::from_utf8(&CODE) {
            Ok(source) => source,
            Err(_) => panic!("whole lines of UTF-8 are UTF-8"),
        };
        SOURCE
    }};
}
pub(crate) use wgsl;

/// Bytes of what [`code`] gives.
pub const fn code_length(text: &str) -> usize {
    let (bytes, mut at, mut length) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        let (end, is_code) = line(bytes, at);
        if is_code {
            length += end - at;
        }
        at = end;
    }
    length
}

/// `text` without the lines that are comments.
pub const fn code<const N: usize>(text: &str) -> [u8; N] {
    let (bytes, mut at, mut code, mut length) = (text.as_bytes(), 0, [0; N], 0);
    while at < bytes.len() {
        let (end, is_code) = line(bytes, at);
        while at < end {
            if is_code {
                code[length] = bytes[at];
                length += 1;
            }
            at += 1;
        }
    }
    code
}

/// Where the line that begins at `at` ends, and whether it is more than a comment.
const fn line(bytes: &[u8], at: usize) -> (usize, bool) {
    let mut first = at;
    while first < bytes.len() && bytes[first] == b' ' {
        first += 1;
    }
    let mut end = first;
    while end < bytes.len() && bytes[end] != b'\n' {
        end += 1;
    }
    if end < bytes.len() {
        end += 1;
    }
    (end, !(first + 1 < end && bytes[first] == b'/' && bytes[first + 1] == b'/'))
}

/// The [`Shader`] of a file name: `shader!("conv3x3_forward")`. A name without a file does not compile.
macro_rules! shader {
    ($name:literal) => {
        $crate::gpu::Shader {
            name: $name,
            source: $crate::gpu::wgsl!(concat!(env!("CARGO_MANIFEST_DIR"), "/../shaders/", $name, ".wgsl")),
        }
    };
}
pub(crate) use shader;

macro_rules! shared {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, wgsl!(concat!(env!("CARGO_MANIFEST_DIR"), "/../shaders/shared/", $name, ".wgsl")))),+]
    };
}

/// Helper files that shaders name in `#import` lines. They declare no bindings.
const SHARED: &[(&str, &str)] = shared![
    "activation",
    "chan",
    "division",
    "mac",
    "math",
    "mix",
    "norm",
    "relative",
    "share",
    "taps",
    "weight_tile",
    "window"
];

/// A value of a `const` line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// `u32`
    U32(u32),
    /// `f32`, written so that the text gives back the same bits.
    F32(f32),
    /// `bool`
    Bool(bool),
}

impl From<u32> for Constant {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<bool> for Constant {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f32> for Constant {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

/// What a dispatch is told as data: the batch, strides that depend on the network, and the first tile of a split.
/// The WGSL struct is generated from these fields ([`Kernel::new`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Job {
    /// Added to the workgroup's x: where a split dispatch begins. The executor fills it in.
    pub first_tile: u32,
    /// Samples in the batch.
    pub samples: u32,
    /// Elements of one replica in the parameter, momentum and gradient arenas.
    pub parameter_stride: u32,
    /// Elements of one replica in the packed-weights arena.
    pub packed_stride: u32,
    /// Elements of one replica in the running-statistics arena.
    pub running_stride: u32,
    /// A number that one kernel defines for itself.
    pub argument: u32,
    /// Another one.
    pub argument2: u32,
    /// Another one.
    pub argument3: u32,
}

const JOB_WGSL: &str = "struct Job { first_tile: u32, samples: u32, parameter_stride: u32, packed_stride: u32, \
     running_stride: u32, argument: u32, argument2: u32, argument3: u32 }\n\
     @group(0) @binding(0) var<uniform> job: Job;\n";

/// A complete compute shader: its text is its identity. Entry point `main`, binding 0 the [`Job`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    name: &'static str,
    source: Arc<str>,
}

impl Kernel {
    /// Specialises `shader` with `constants` and resolves its `#import` lines.
    ///
    /// # Panics
    /// If the shader imports a helper that does not exist (a test builds every kernel).
    #[must_use]
    pub fn new(shader: Shader, constants: &[(&str, Constant)]) -> Self {
        let mut text = String::with_capacity(shader.source.len() + 2048);
        for (name, value) in constants {
            let _ = match value {
                Constant::U32(v) => writeln!(text, "const {name} = {v}u;"),
                Constant::Bool(v) => writeln!(text, "const {name} = {v};"),
                // Rust prints the shortest text that reads back as the same f32.
                Constant::F32(v) => writeln!(text, "const {name} = {v:?}f;"),
            };
        }
        text.push_str(JOB_WGSL);
        let mut imported = Vec::new();
        import(shader.source, &mut imported, &mut text);
        text.push_str(&without_imports(shader.source));
        Self { name: shader.name, source: text.into() }
    }

    /// Name of the shader file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The whole WGSL text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
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
            panic!("no helper shaders/shared/{name}.wgsl");
        };
        import(helper, done, text);
        text.push_str(&without_imports(helper));
    }
}
