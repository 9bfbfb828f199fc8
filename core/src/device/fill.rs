//! Initial contents of buffers.

/// Initial contents of buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Zeros, as WebGPU guarantees.
    #[default]
    Zero,
    /// A large float, so that tests notice code that relies on zeros.
    Junk,
}

/// The word that [`Fill::Junk`] writes: 1e30 as f32, wrong everywhere but finite.
pub const JUNK_WORD: u32 = 0x7149_f2ca;
