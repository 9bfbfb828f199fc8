//! Compiles kernels to SPIR-V in which the driver may neither fuse nor reorder float operations.
//!
//! WGSL lets a compiler rewrite `(a + b) - a` as `b` and `a * b + a * c` as `a * (b + c)`, and drivers do. SPIR-V forbids
//! this with the decoration `NoContraction`. naga does not write it, so this module adds it to naga's output.

use std::collections::HashSet;
use std::iter;

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Compiles WGSL with the entry point `main` and decorates every float operation with `NoContraction`.
///
/// # Errors
/// naga's message, which quotes the line, if the text is not valid.
pub fn compile(wgsl: &str) -> Result<Vec<u32>, String> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| error.emit_to_string(wgsl))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|error| error.emit_to_string(wgsl))?;
    let entry = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned() };
    let words = spv::write_vec(&module, &info, &options(), Some(&entry)).map_err(|error| error.to_string())?;
    Ok(without_contraction(&words))
}

/// The options that wgpu uses for a trusted module: no checks at run time, no clearing of workgroup memory.
fn options() -> spv::Options<'static> {
    const UNCHECKED: BoundsCheckPolicy = BoundsCheckPolicy::Unchecked;
    spv::Options {
        // Every Vulkan device accepts 1.0, and kernels need nothing from later versions.
        lang_version: (1, 0),
        flags: spv::WriterFlags::empty(),
        // Keeps the group and binding numbers of the text, which are the numbers wgpu uses for a layout without gaps.
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: UNCHECKED,
            buffer: UNCHECKED,
            image_load: UNCHECKED,
            binding_array: UNCHECKED,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    }
}

/// Opcodes from the SPIR-V specification, unified 1.6.
mod op {
    pub const EXT_INST: u32 = 12;
    pub const TYPE_VOID: u32 = 19;
    pub const TYPE_FLOAT: u32 = 22;
    pub const TYPE_VECTOR: u32 = 23;
    pub const TYPE_MATRIX: u32 = 24;
    pub const TYPE_FORWARD_POINTER: u32 = 39;
    pub const DECORATE: u32 = 71;
    pub const F_NEGATE: u32 = 127;
    pub const F_ADD: u32 = 129;
    pub const F_SUB: u32 = 131;
    pub const F_MUL: u32 = 133;
    pub const F_DIV: u32 = 136;
    pub const F_REM: u32 = 140;
    pub const F_MOD: u32 = 141;
    /// First of the products of float vectors and matrices.
    pub const VECTOR_TIMES_SCALAR: u32 = 142;
    /// Last of the products of float vectors and matrices.
    pub const DOT: u32 = 148;
}
/// The decoration that forbids fusing and reordering an operation.
const NO_CONTRACTION: u32 = 42;
/// Number of words before the first instruction.
const HEADER: usize = 5;

struct Instruction<'a> {
    /// Index of the first word in the module.
    at: usize,
    opcode: u32,
    /// All words after the first. An instruction with a result has its type and id first.
    operands: &'a [u32],
}

impl Instruction<'_> {
    fn is_type(&self) -> bool {
        (op::TYPE_VOID..=op::TYPE_FORWARD_POINTER).contains(&self.opcode)
    }
}

fn instructions(module: &[u32]) -> impl Iterator<Item = Instruction<'_>> {
    let mut at = HEADER;
    iter::from_fn(move || {
        let first = *module.get(at)?;
        let end = at + (first >> 16) as usize;
        let instruction = Instruction { at, opcode: first & 0xffff, operands: &module[at + 1..end] };
        at = end;
        Some(instruction)
    })
}

/// The ids of all float operations: arithmetic, and extended instructions (fma, sqrt, min, ...) with float results.
fn float_operations(module: &[u32]) -> Vec<u32> {
    let (mut floats, mut found) = (HashSet::new(), Vec::new());
    for Instruction { opcode, operands, .. } in instructions(module) {
        let is_float_operation = match opcode {
            op::TYPE_FLOAT => {
                floats.insert(operands[0]);
                false
            }
            op::TYPE_VECTOR | op::TYPE_MATRIX => {
                if floats.contains(&operands[1]) {
                    floats.insert(operands[0]);
                }
                false
            }
            op::F_NEGATE | op::F_ADD | op::F_SUB | op::F_MUL | op::F_DIV | op::F_REM | op::F_MOD => true,
            op::VECTOR_TIMES_SCALAR..=op::DOT => true,
            op::EXT_INST => floats.contains(&operands[0]),
            _ => false,
        };
        if is_float_operation {
            found.push(operands[1]);
        }
    }
    found
}

/// Decorates the float operations of `module`. Annotations belong directly before the types.
fn without_contraction(module: &[u32]) -> Vec<u32> {
    let types = instructions(module).find(Instruction::is_type).map_or(module.len(), |first| first.at);
    let decorations = float_operations(module).into_iter().flat_map(|id| [3 << 16 | op::DECORATE, id, NO_CONTRACTION]);
    let (before, after) = module.split_at(types);
    before.iter().copied().chain(decorations).chain(after.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decorated(module: &[u32]) -> Vec<u32> {
        instructions(module)
            .filter(|i| i.opcode == op::DECORATE && i.operands[1..] == [NO_CONTRACTION])
            .map(|i| i.operands[0])
            .collect()
    }

    const FLOATS: &str = "
        @group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
        @group(0) @binding(1) var<storage, read_write> n: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
            let i = id.x + n[0] * 3u;
            let a = x[i];
            let b = -a.x;                                   // 1
            let c = a.y * a.z + f32(n[i]) / 255.0;          // 2, 3, 4
            let d = fma(a, a * c, vec4f(b % c));            // 5, 6, 7
            let e = max(sqrt(a.w), dot(a, d)) - 1.0;        // 8, 9, 10, 11
            n[i] = max(n[i], countLeadingZeros(n[1])) + u32(a.x < b);
            x[i] = select(d, vec4f(e), a.x < b);
        }";

    #[test]
    fn float_operations_are_decorated_and_nothing_else() {
        let module = compile(FLOATS).unwrap();
        let ids = decorated(&module);
        assert_eq!(ids.len(), 11);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id was decorated twice");
        assert_eq!(ids, float_operations(&module));
    }

    #[test]
    fn decorations_stand_between_annotations_and_types() {
        let module = compile(FLOATS).unwrap();
        let opcodes: Vec<u32> = instructions(&module).map(|i| i.opcode).collect();
        let first_type = opcodes.iter().position(|o| *o == op::TYPE_VOID || *o == op::TYPE_FLOAT).unwrap();
        let last_decoration = opcodes.iter().rposition(|o| *o == op::DECORATE).unwrap();
        assert!(last_decoration < first_type);
        // The last instruction ends where the module ends, so every length was right.
        let last = instructions(&module).last().unwrap();
        assert_eq!(last.at + 1 + last.operands.len(), module.len());
    }

    #[test]
    fn a_module_without_floats_stays_as_naga_wrote_it() {
        const WORDS: &str = "
            @group(0) @binding(0) var<storage, read_write> n: array<u32>;
            @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
                n[id.x] = max(n[id.x] * 3u, 7u) / 5u;
            }";
        let module = compile(WORDS).unwrap();
        assert!(decorated(&module).is_empty());
        assert_eq!(without_contraction(&module), module);
    }

    #[test]
    fn an_error_shows_the_line() {
        assert!(compile("fn main( {").unwrap_err().contains("fn main( {"));
        let error = compile("@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }").unwrap_err();
        assert!(error.contains("1.5"), "{error}");
    }
}
