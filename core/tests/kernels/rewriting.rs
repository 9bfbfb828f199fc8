//! Finds float operations that a compiler may rewrite (rule 12 of docs/RULES.md) in the IR of a kernel.
//!
//! WGSL allows compilers to contract `a * b + c`, to reorder and to factor sums and products, and to approximate quotients and
//! functions. So no operand of a sum may be a sum, a product or a multiply-add; no operand of a product, and no factor of a
//! multiply-add, a product; no addend of a multiply-add a sum or a product (a multiply-add may be: that is an accumulation).
//! A value that comes from memory, integers or `opaque` (shaders/shared/opaque.wgsl) is free of this. A product with a power of two
//! is exact and counts as its other operand. Variables count as everything that is ever stored in them; memory, until the next
//! barrier, as what this thread has stored there. Bits as such, and bits of which a constant changes some, count as the float.

use std::collections::{BTreeSet, HashMap};

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    AddressSpace, Barrier, BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal, LocalVariable,
    MathFunction, Module, ScalarKind, Statement, UnaryOperator,
};

/// Functions that may use a device's own quotient or root, because they correct it.
const CORRECTED: [(&str, &str); 2] = [("quotient", "/"), ("root", "sqrt")];

/// The operations that a value may come from, without memory or integers in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Origin {
    is_sum: bool,
    is_product: bool,
    is_multiply_add: bool,
}

impl Origin {
    const SUM: Self = Self { is_sum: true, is_product: false, is_multiply_add: false };
    const PRODUCT: Self = Self { is_sum: false, is_product: true, is_multiply_add: false };
    const MULTIPLY_ADD: Self = Self { is_sum: false, is_product: false, is_multiply_add: true };

    fn or(self, other: Self) -> Self {
        Self {
            is_sum: self.is_sum || other.is_sum,
            is_product: self.is_product || other.is_product,
            is_multiply_add: self.is_multiply_add || other.is_multiply_add,
        }
    }
}

/// A variable of one call of a function.
type Variable = (usize, Handle<LocalVariable>);
/// What is stored in variables outside functions.
type Memory = HashMap<Handle<GlobalVariable>, Origin>;

#[derive(Clone, Copy, Debug)]
enum Value {
    Of(Origin),
    Pointer(Variable),
    /// A pointer to memory outside functions.
    Memory(Handle<GlobalVariable>),
}

/// The state of one call.
struct Call<'a> {
    function: &'a Function,
    info: &'a FunctionInfo,
    name: &'a str,
    number: usize,
    arguments: Vec<Value>,
    values: HashMap<Handle<Expression>, Value>,
    returned: Origin,
}

struct Analysis<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    text: &'a str,
    variables: HashMap<Variable, Origin>,
    /// What this thread has stored outside functions, since the last barrier.
    memory: Memory,
    /// The same wherever a loop, a case or a function was left early.
    exits: Memory,
    has_changed: bool,
    /// The number of each call, by that of its caller and its place.
    calls: HashMap<(usize, *const Statement), usize>,
    found: BTreeSet<String>,
}

/// The rewritable operations of a module's entry point, each with its line.
pub fn rewritable(module: &Module, info: &ModuleInfo, text: &str) -> BTreeSet<String> {
    let (variables, calls, found) = (HashMap::new(), HashMap::new(), BTreeSet::new());
    let (memory, exits) = (Memory::new(), Memory::new());
    let mut analysis = Analysis { module, info, text, variables, memory, exits, has_changed: true, calls, found };
    // What loops store in a variable shows in the next pass.
    while analysis.has_changed {
        analysis.has_changed = false;
        analysis.memory.clear();
        analysis.exits.clear();
        analysis.found.clear();
        let entry = &module.entry_points[0];
        analysis.call(0, &entry.function, info.get_entry_point(0), "main", Vec::new());
    }
    analysis.found
}

impl<'a> Analysis<'a> {
    fn call(
        &mut self,
        number: usize,
        function: &'a Function,
        info: &'a FunctionInfo,
        name: &'a str,
        arguments: Vec<Value>,
    ) -> Origin {
        let (values, returned) = (HashMap::new(), Origin::default());
        let mut call = Call { function, info, name, number, arguments, values, returned };
        self.block(&mut call, &function.body);
        call.returned
    }

    fn block(&mut self, call: &mut Call<'a>, block: &'a Block) {
        for statement in block {
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        let value = self.expression(call, handle);
                        call.values.insert(handle, value);
                    }
                }
                Statement::Block(inner) => self.block(call, inner),
                Statement::If { condition, accept, reject } => {
                    // A constant of the kernel decides.
                    match self.literal(call.function, *condition) {
                        Some(Literal::Bool(true)) => self.block(call, accept),
                        Some(Literal::Bool(false)) => self.block(call, reject),
                        _ => self.branches(call, &[accept, reject]),
                    }
                }
                Statement::Switch { cases, .. } => {
                    self.branches(call, &cases.iter().map(|case| &case.body).collect::<Vec<_>>());
                    self.remember_exits();
                }
                Statement::Loop { body, continuing, .. } => {
                    let before = self.memory.clone();
                    // A round may read what an earlier one has stored.
                    loop {
                        let start = self.memory.clone();
                        self.block(call, body);
                        self.remember_exits();
                        self.block(call, continuing);
                        self.remember(&before);
                        self.remember_exits();
                        if self.memory == start {
                            break;
                        }
                    }
                }
                Statement::Break | Statement::Continue | Statement::Return { value: None } => self.exit(),
                Statement::ControlBarrier(barrier) => {
                    let module = self.module;
                    self.memory.retain(|variable, _| match module.global_variables[*variable].space {
                        AddressSpace::WorkGroup => !barrier.contains(Barrier::WORK_GROUP),
                        AddressSpace::Storage { .. } => !barrier.contains(Barrier::STORAGE),
                        _ => true,
                    });
                }
                Statement::Return { value: Some(value) } => {
                    call.returned = call.returned.or(self.origin(call, *value));
                    self.exit();
                }
                Statement::Store { pointer, value } => {
                    let stored = self.origin(call, *value);
                    match self.value(call, *pointer) {
                        Value::Pointer(variable) => {
                            let before = self.variables.entry(variable).or_default();
                            let after = before.or(stored);
                            self.has_changed |= after != *before;
                            *before = after;
                        }
                        Value::Memory(variable) => {
                            let before = self.memory.entry(variable).or_default();
                            *before = before.or(stored);
                        }
                        Value::Of(_) => unreachable!("a store has a pointer"),
                    }
                }
                Statement::Call { function: callee, arguments, result } => {
                    let values = arguments.iter().map(|argument| self.value(call, *argument)).collect();
                    let function = &self.module.functions[*callee];
                    let name = function.name.as_deref().unwrap_or_default();
                    let known = self.calls.len() + 1;
                    let number = *self.calls.entry((call.number, std::ptr::from_ref(statement))).or_insert(known);
                    let returned = self.call(number, function, &self.info[*callee], name, values);
                    self.remember_exits();
                    if let Some(result) = result {
                        call.values.insert(*result, Value::Of(returned));
                    }
                }
                _ => {}
            }
        }
    }

    /// Walks blocks of which one is run.
    fn branches(&mut self, call: &mut Call<'a>, blocks: &[&'a Block]) {
        let before = self.memory.clone();
        let mut after = Vec::new();
        for block in blocks {
            self.memory.clone_from(&before);
            self.block(call, block);
            after.push(std::mem::take(&mut self.memory));
        }
        after.iter().for_each(|memory| self.remember(memory));
    }

    /// Adds what is stored if the program takes another way.
    fn remember(&mut self, other: &Memory) {
        join(&mut self.memory, other);
    }

    fn remember_exits(&mut self) {
        join(&mut self.memory, &self.exits);
    }

    /// A loop, a case or a function is left here.
    fn exit(&mut self) {
        join(&mut self.exits, &self.memory);
    }

    fn value(&mut self, call: &mut Call<'a>, handle: Handle<Expression>) -> Value {
        match call.values.get(&handle) {
            Some(value) => *value,
            // Constants, arguments and variables are not emitted.
            None => self.expression(call, handle),
        }
    }

    fn origin(&mut self, call: &mut Call<'a>, handle: Handle<Expression>) -> Origin {
        match self.value(call, handle) {
            Value::Of(origin) => origin,
            Value::Pointer(_) | Value::Memory(_) => Origin::default(),
        }
    }

    fn is_float(&self, call: &Call<'a>, handle: Handle<Expression>) -> bool {
        let of = call.info[handle].ty.inner_with(&self.module.types);
        of.scalar_kind() == Some(ScalarKind::Float)
    }

    fn expression(&mut self, call: &mut Call<'a>, handle: Handle<Expression>) -> Value {
        let expression = &call.function.expressions[handle];
        let origin = match *expression {
            Expression::FunctionArgument(index) => {
                return call.arguments.get(index as usize).copied().unwrap_or(Value::Of(Origin::default()));
            }
            Expression::LocalVariable(variable) => return Value::Pointer((call.number, variable)),
            Expression::GlobalVariable(variable) => return Value::Memory(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => return self.value(call, base),
            Expression::Load { pointer } => match self.value(call, pointer) {
                Value::Pointer(variable) => self.variables.get(&variable).copied().unwrap_or_default(),
                Value::Memory(variable) => self.memory.get(&variable).copied().unwrap_or_default(),
                Value::Of(_) => unreachable!("a load has a pointer"),
            },
            Expression::Compose { ref components, .. } => {
                components.iter().fold(Origin::default(), |all, part| all.or(self.origin(call, *part)))
            }
            Expression::Splat { value, .. } => self.origin(call, value),
            Expression::Swizzle { vector, .. } => self.origin(call, vector),
            Expression::Unary { op: UnaryOperator::Negate, expr } => self.origin(call, expr),
            Expression::Select { accept, reject, .. } => self.origin(call, accept).or(self.origin(call, reject)),
            Expression::Binary { op, left, right } if self.is_float(call, handle) => {
                self.binary(call, handle, op, [left, right])
            }
            Expression::Math { fun, arg, arg1, arg2, .. } if self.is_float(call, handle) => {
                self.math(call, handle, fun, [Some(arg), arg1, arg2])
            }
            // A bitcast: compilers see through it.
            Expression::As { expr, convert: None, .. } => self.origin(call, expr),
            // A float as a float.
            Expression::As { expr, kind: ScalarKind::Float, .. } if self.is_float(call, expr) => {
                self.origin(call, expr)
            }
            Expression::Unary { op: UnaryOperator::BitwiseNot, expr } => self.origin(call, expr),
            Expression::Math { fun: MathFunction::ExtractBits | MathFunction::ReverseBits, arg, .. } => {
                self.origin(call, arg)
            }
            Expression::Math { fun: MathFunction::InsertBits, arg, arg1: Some(inserted), .. } => {
                self.origin(call, arg).or(self.origin(call, inserted))
            }
            Expression::Binary { op, left, right } if is_bitwise(op) => {
                match [left, right].map(|operand| self.is_constant(call.function, operand)) {
                    [false, false] => Origin::default(),
                    // Signs, for example, are often changed by their bit.
                    _ => self.origin(call, left).or(self.origin(call, right)),
                }
            }
            Expression::CallResult(_) => unreachable!("a call was evaluated before its result"),
            // Integers, comparisons, conversions, constants.
            _ => Origin::default(),
        };
        Value::Of(origin)
    }

    fn binary(
        &mut self,
        call: &mut Call<'a>,
        at: Handle<Expression>,
        op: BinaryOperator,
        operands: [Handle<Expression>; 2],
    ) -> Origin {
        let [left, right] = operands.map(|operand| self.origin(call, operand));
        match op {
            BinaryOperator::Add | BinaryOperator::Subtract => {
                if left.or(right) != Origin::default() {
                    self.report(call, at, "a term of a sum is a sum, a product or a multiply-add");
                }
                Origin::SUM
            }
            BinaryOperator::Multiply => {
                let is_exact = operands.map(|operand| self.is_power_of_two(call.function, operand));
                match is_exact {
                    [true, _] => right,
                    [_, true] => left,
                    _ => {
                        if left.is_product || right.is_product {
                            self.report(call, at, "a factor of a product is a product");
                        }
                        Origin::PRODUCT
                    }
                }
            }
            // A comparison has no float result.
            _ => {
                self.report_unless_corrected(call, at, "/");
                Origin::default()
            }
        }
    }

    fn math(
        &mut self,
        call: &mut Call<'a>,
        at: Handle<Expression>,
        function: MathFunction,
        arguments: [Option<Handle<Expression>>; 3],
    ) -> Origin {
        match (function, arguments) {
            (MathFunction::Fma, [Some(a), Some(b), Some(c)]) => {
                let [a, b, c] = [a, b, c].map(|argument| self.origin(call, argument));
                if a.is_product || b.is_product {
                    self.report(call, at, "a factor of a multiply-add is a product");
                }
                if c.is_sum || c.is_product {
                    self.report(call, at, "the addend of a multiply-add is a sum or a product");
                }
                Origin::MULTIPLY_ADD
            }
            (MathFunction::Abs, [Some(value), ..]) => self.origin(call, value),
            (MathFunction::Min | MathFunction::Max | MathFunction::Clamp | MathFunction::Round, _) => Origin::default(),
            (MathFunction::Sqrt, _) => {
                self.report_unless_corrected(call, at, "sqrt");
                Origin::default()
            }
            _ => {
                self.report(call, at, &format!("{function:?} may differ between devices"));
                Origin::default()
            }
        }
    }

    /// The constant that an expression is.
    fn literal(&self, function: &Function, handle: Handle<Expression>) -> Option<Literal> {
        let of_module = |handle| match self.module.global_expressions[handle] {
            Expression::Literal(literal) => Some(literal),
            _ => None,
        };
        match function.expressions[handle] {
            Expression::Literal(literal) => Some(literal),
            Expression::Constant(constant) => of_module(self.module.constants[constant].init),
            Expression::Splat { value, .. } => self.literal(function, value),
            _ => None,
        }
    }

    /// Whether an expression is the same in every launch.
    fn is_constant(&self, function: &Function, handle: Handle<Expression>) -> bool {
        match &function.expressions[handle] {
            Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => true,
            Expression::Splat { value, .. } => self.is_constant(function, *value),
            Expression::Compose { components, .. } => components.iter().all(|part| self.is_constant(function, *part)),
            _ => false,
        }
    }

    fn is_power_of_two(&self, function: &Function, handle: Handle<Expression>) -> bool {
        let literal = self.literal(function, handle);
        matches!(literal, Some(Literal::F32(value)) if value.is_normal() && value.to_bits().trailing_zeros() >= 23)
    }

    fn report_unless_corrected(&mut self, call: &Call<'a>, at: Handle<Expression>, operation: &str) {
        if !CORRECTED.contains(&(call.name, operation)) {
            self.report(call, at, &format!("{operation} is not correctly rounded on every device"));
        }
    }

    fn report(&mut self, call: &Call<'a>, at: Handle<Expression>, what: &str) {
        let line = call.function.expressions.get_span(at).location(self.text).line_number;
        let line = self.text.lines().nth(line as usize - 1).unwrap_or_default().trim();
        self.found.insert(format!("{}: {what}: {line}", call.name));
    }
}

fn is_bitwise(op: BinaryOperator) -> bool {
    use BinaryOperator::{And, ExclusiveOr, InclusiveOr, ShiftLeft, ShiftRight};
    matches!(op, And | InclusiveOr | ExclusiveOr | ShiftLeft | ShiftRight)
}

fn join(memory: &mut Memory, other: &Memory) {
    for (variable, origin) in other {
        let known = memory.entry(*variable).or_default();
        *known = known.or(*origin);
    }
}
