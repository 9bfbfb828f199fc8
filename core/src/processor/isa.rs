//! Instruction sets and classes: which ones the machine supports, and the code that compiles a twin for each.
//!
//! Unit tests (`cfg(test)`) compute without vectors on x86-64: compiling all twins for AVX again would take most of their build
//! time, and the tests in core/tests run every instruction set.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use super::lanes::Plain;
#[cfg(all(target_arch = "x86_64", not(test)))]
use super::lanes::{Avx2, Avx512};
use super::memory::Scratch;
use super::twin::Twin;
use crate::device::DeviceError;

/// How `mac` rounds (rule 12 of docs/RULES.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Rounds once, as GPUs do.
    #[default]
    Fused,
    /// Rounds twice, as llvmpipe, SwiftShader and WebAssembly do.
    Separate,
}

impl Class {
    /// Both classes.
    pub const ALL: [Self; 2] = [Self::Fused, Self::Separate];

    /// Whether twins of `isa` compute in this class: WebAssembly's vectors have no fused multiply-add.
    #[must_use]
    pub fn is_in(self, isa: Isa) -> bool {
        self == Self::Separate || isa != Isa::Simd128
    }

    /// Name shown on the screen and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Separate => "separate",
        }
    }

    /// Name of the adapter that computes in this class.
    #[must_use]
    pub fn adapter(self) -> &'static str {
        match self {
            Self::Fused => "processor",
            Self::Separate => "processor:separate",
        }
    }
}

/// An instruction set that twins are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, VL, DQ, BW.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// NEON of 64-bit ARM.
    Neon,
    /// 128-bit vectors of WebAssembly.
    Simd128,
    /// Plain Rust without vector instructions.
    Plain,
}

impl Isa {
    /// All instruction sets, best first.
    pub const ALL: [Self; 5] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Simd128, Self::Plain];

    /// The best instruction set that this machine supports.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|isa| isa.is_available()).unwrap_or(Self::Plain)
    }

    /// Name shown on the screen and parsed by [`FromStr`](std::str::FromStr).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Simd128 => "simd128",
            Self::Plain => "plain",
        }
    }

    /// Checks that this machine supports the instruction set.
    ///
    /// # Errors
    /// [`DeviceError::NoInstructions`] if it does not.
    pub fn check(self) -> Result<(), DeviceError> {
        if self.is_available() {
            return Ok(());
        }
        let available =
            Self::ALL.into_iter().filter(|isa| isa.is_available()).map(Self::name).collect::<Vec<_>>().join(", ");
        Err(DeviceError::NoInstructions { wanted: self.name().to_owned(), available })
    }

    /// Whether this machine supports the instruction set.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(all(target_arch = "x86_64", not(test)))]
            Self::Avx512 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw") && Self::Avx2.is_available()
            }
            #[cfg(all(target_arch = "x86_64", not(test)))]
            Self::Avx2 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx2") && has!("fma")
            }
            Self::Neon => cfg!(target_arch = "aarch64"),
            Self::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            Self::Plain => !cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            #[cfg(any(not(target_arch = "x86_64"), test))]
            Self::Avx512 | Self::Avx2 => false,
        }
    }
}

impl std::str::FromStr for Isa {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|isa| isa.name() == text);
        found.ok_or_else(|| format!("unknown instruction set '{text}'; choose one of {known}"))
    }
}

/// A type-erased [`Twin`].
pub trait Runnable: Send + Sync {
    /// Number of pieces per replica.
    fn pieces(&self) -> usize;
    /// Computes one piece of one replica.
    ///
    /// # Safety
    /// The machine must support the instruction set, and nothing else may write what the piece uses meanwhile. Pieces of a member
    /// of a sample loop must run in the order that [`super::twin::Twin`] requires.
    unsafe fn run(&self, at: (Isa, Class), replica: usize, piece: usize, scratch: &mut Scratch);
}

impl<T: Twin> Runnable for T {
    fn pieces(&self) -> usize {
        Twin::pieces(self)
    }

    #[cfg_attr(
        any(not(target_arch = "x86_64"), test),
        allow(unused_unsafe, reason = "only functions with target features are unsafe to call")
    )]
    unsafe fn run(&self, (isa, class): (Isa, Class), replica: usize, piece: usize, scratch: &mut Scratch) {
        // SAFETY: upheld by the caller.
        unsafe {
            match (isa, class) {
                #[cfg(all(target_arch = "x86_64", not(test)))]
                (Isa::Avx512, Class::Fused) => avx512::<T, true>(self, replica, piece, scratch),
                #[cfg(all(target_arch = "x86_64", not(test)))]
                (Isa::Avx512, Class::Separate) => avx512::<T, false>(self, replica, piece, scratch),
                #[cfg(all(target_arch = "x86_64", not(test)))]
                (Isa::Avx2, Class::Fused) => avx2::<T, true>(self, replica, piece, scratch),
                #[cfg(all(target_arch = "x86_64", not(test)))]
                (Isa::Avx2, Class::Separate) => avx2::<T, false>(self, replica, piece, scratch),
                #[cfg(target_arch = "aarch64")]
                (Isa::Neon, Class::Fused) => Twin::run::<super::lanes::Neon<true>>(self, replica, piece, scratch),
                #[cfg(target_arch = "aarch64")]
                (Isa::Neon, Class::Separate) => Twin::run::<super::lanes::Neon<false>>(self, replica, piece, scratch),
                // Code for the other sets would double the page's download.
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                _ => Twin::run::<super::lanes::Simd128>(self, replica, piece, scratch),
                #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
                (_, Class::Fused) => Twin::run::<Plain<true>>(self, replica, piece, scratch),
                #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
                (_, Class::Separate) => Twin::run::<Plain<false>>(self, replica, piece, scratch),
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(test)))]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512<T: Twin, const FUSED: bool>(twin: &T, replica: usize, piece: usize, scratch: &mut Scratch) {
    twin.run::<Avx512<FUSED>>(replica, piece, scratch);
}

#[cfg(all(target_arch = "x86_64", not(test)))]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Twin, const FUSED: bool>(twin: &T, replica: usize, piece: usize, scratch: &mut Scratch) {
    twin.run::<Avx2<FUSED>>(replica, piece, scratch);
}
