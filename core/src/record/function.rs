//! The functions that shaders share (`shaders/shared/`), by name.

/// A shared function of up to three operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `x / k`, correctly rounded; the second operand is the integer k, from 1 to 63.
    DivideExactly,
    /// `e^x` for -87 <= x <= 88, clamped outside.
    Exp,
    /// `ln x` of a positive normal number.
    Log,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `ln(1 + e^-|x|)`
    Log1pExpNegAbs,
    /// `x / y`, correctly rounded.
    Quotient,
    /// The square root of x, correctly rounded.
    Root,
    /// `x y + z`, rounded once or twice: the class of the device.
    Mac,
    /// `x y`
    Product,
    /// `x + y`
    Sum,
    /// `tanh x`
    Tanh,
}

impl Function {
    /// All functions. The position is the shader's constant FUNCTION.
    pub const ALL: [Self; 11] = [
        Self::DivideExactly,
        Self::Exp,
        Self::Log,
        Self::Sigmoid,
        Self::Log1pExpNegAbs,
        Self::Quotient,
        Self::Root,
        Self::Mac,
        Self::Product,
        Self::Sum,
        Self::Tanh,
    ];
}
