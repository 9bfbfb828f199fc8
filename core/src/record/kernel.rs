//! A kernel is a shader with its constants: the values that the layer of one replica fixes.

use std::hash::{Hash, Hasher};

use super::{Access, Shader};

/// The value of a constant.
#[derive(Clone, Copy, Debug)]
pub enum Constant {
    /// `u32`
    U32(u32),
    /// `f32`
    F32(f32),
    /// `bool`
    Bool(bool),
}

impl Constant {
    /// Type and bits, which decide equality.
    fn key(self) -> (u8, u32) {
        match self {
            Self::U32(v) => (0, v),
            Self::F32(v) => (1, v.to_bits()),
            Self::Bool(v) => (2, u32::from(v)),
        }
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Constant {}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
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

/// A shader, specialised by constants. This pair identifies the kernel on every device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    shader: Shader,
    constants: Vec<(&'static str, Constant)>,
}

impl Kernel {
    /// Specialises `shader` with `constants`.
    #[must_use]
    pub fn new(shader: Shader, constants: &[(&'static str, Constant)]) -> Self {
        Self { shader, constants: constants.to_vec() }
    }

    /// The same kernel with one more constant.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Constant) -> Self {
        self.constants.push((name, value));
        self
    }

    /// The shader that is specialised.
    #[must_use]
    pub fn shader(&self) -> Shader {
        self.shader
    }

    /// Name of the shader.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shader.name()
    }

    /// Names and values of the constants, in order.
    #[must_use]
    pub fn constants(&self) -> &[(&'static str, Constant)] {
        &self.constants
    }

    /// Access modes of bindings 1, 2, ...: those of the shader, except that a kernel with the constant `ACCUMULATE` adds to what
    /// it would otherwise overwrite.
    pub fn accesses(&self) -> impl Iterator<Item = Access> {
        let accumulates = self.constants.contains(&("ACCUMULATE", Constant::Bool(true)));
        let access = move |access: &Access| match access {
            Access::Write if accumulates => Access::Update,
            access => *access,
        };
        self.shader.bindings().iter().map(access)
    }
}
