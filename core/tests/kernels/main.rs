//! Every kernel in every specialisation that the networks use: naga validates it and translates it to SPIR-V, MSL and
//! HLSL, its bindings match the table of shaders, no compiler may rewrite its arithmetic, and `tint` (Chrome's compiler) accepts
//! it if that program is on the PATH. One message lists all failures.

mod rewriting;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use lastbit_core::bench::tune;
use lastbit_core::gpu::wgsl::source;
use lastbit_core::nets::{GraphBuilder, NetKind, Network, Norm};
use lastbit_core::ops::cross_entropy::Loss;
use lastbit_core::ops::{Activation, Shape, Tile, TileTarget, Tiles, functions, sgd::Perturbation};
use lastbit_core::pde::{Heat, HeatParams, Image, Linear, LinearParams, Nonlinear, NonlinearParams, Regime};
use lastbit_core::record::{Access, Dispatch, Function, Kernel, Recording, Shader};
use lastbit_core::train::{BatchSizes, MemoryLimits, Optimizer, Plan, Tuning, UpdateRule};

/// All recordings of a run of `network`.
fn recordings(
    network: &Network,
    rule: impl Into<UpdateRule> + Copy,
    tiles: &Tiles,
    replicas: usize,
    samples: u32,
) -> Vec<Recording> {
    let sizes = BatchSizes { train: vec![samples], evaluate: vec![2 * samples] };
    let normalization = vec![[0.5, 0.25]; network.input().channels as usize];
    let tuning = Tuning { tiles: Some(tiles.clone()), ..Tuning::default() };
    let limits = MemoryLimits { binding: u64::MAX, total: None };
    let plan = Plan::new(network, replicas, rule, &sizes, (&normalization, 0), &tuning, limits);
    let plan = plan.expect("no limit is passed");
    let recorded = plan.kinds().map(|kind| plan.recording(kind).clone());
    let gated = (network.has_kinks()).then(|| {
        let plan = Plan::new(&network.gated(), replicas, rule, &sizes, (&normalization, 0), &tuning, limits);
        let plan = plan.expect("no limit is passed");
        plan.kinds().map(|kind| plan.recording(kind).clone()).collect::<Vec<_>>()
    });
    recorded.chain([plan.flip(7, 0)]).chain(gated.into_iter().flatten()).collect()
}

fn network(kind: NetKind, [channels, height, width]: [u32; 3], activation: Activation, multiplier: f64) -> Network {
    let classes = if kind == NetKind::OneLayer { 2 } else { 10 };
    let network = kind.build(Shape::new(channels, height, width), classes, activation, multiplier);
    network.expect("a network that the command line takes")
}

/// A network of operations that no network by name has.
fn flattened() -> Network {
    let mut g = GraphBuilder::new("flattened", Shape::new(3, 14, 14), Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    let x = g.flatten("flatten", x);
    g.dense("fc", x, 10);
    g.finish()
}

/// The recordings of every published network with every tile, and of other widths, sizes and activations.
fn all_recordings() -> Vec<Recording> {
    let (relu, swish) = (Activation::Relu, |beta| Activation::Swish { beta });
    let resnet = |depth| NetKind::ResNet { depth };
    let vgg = |depth| NetKind::Vgg { depth };
    let mut all = Vec::new();
    let mut add_tiles = |network: &Network, tiles: &Tiles| {
        all.extend(recordings(network, Perturbation::Divide, tiles, 2, 3));
    };
    // The tiles that `lastbit tune` may choose.
    for tile in tune::candidates() {
        add_tiles(&network(resnet(20), [3, 32, 32], relu, 1.0), &Tiles::all(tile));
        add_tiles(&network(vgg(16), [3, 32, 32], relu, 1.0), &Tiles::all(tile));
    }
    // The default tiles, and tiles of `rows` rows.
    let mut add = |network: &Network, rows: &[u32]| {
        TileTarget::ALL.into_iter().for_each(|target| add_tiles(network, &Tiles::default_for(target)));
        rows.iter().for_each(|rows| add_tiles(network, &Tiles::all(Tile::with_rows(*rows))));
    };
    for activation in [relu, swish(5.0), Activation::Tanh] {
        for depth in [8, 14, 20, 26, 32, 44, 56, 110] {
            add(&network(resnet(depth), [3, 32, 32], activation, 1.0), &[]);
        }
        add(&network(resnet(20), [3, 32, 32], activation, 1.0), &[1, 2]);
        add(&network(resnet(20), [1, 32, 32], activation, 1.0), &[]);
        add(&network(resnet(20), [1, 28, 28], activation, 0.5), &[]);
        for depth in [11, 13, 16] {
            add(&network(vgg(depth), [3, 32, 32], activation, 1.0), &[]);
        }
        add(&network(vgg(11), [1, 32, 32], activation, 1.0), &[1, 2]);
        add(&network(NetKind::PreResNet { depth: 20 }, [3, 32, 32], activation, 1.0), &[1, 2]);
        for (depth, factor) in [(10, 1), (16, 4), (28, 10)] {
            add(&network(NetKind::WideResNet { depth, factor }, [3, 32, 32], activation, 1.0), &[1, 2]);
        }
        for norm in [Norm::Group, Norm::None] {
            for net in [resnet(20), NetKind::WideResNet { depth: 16, factor: 4 }, vgg(11)] {
                let network = net.build_with(norm, Shape::new(3, 32, 32), 10, activation, 1.0);
                add(&network.expect("a network that the command line takes"), &[]);
            }
        }
        for layers in 1..=8 {
            let mlp = network(NetKind::Mlp { layers }, [3, 32, 32], activation, 1.0);
            add(&Network { loss: Loss::SquaredError, ..mlp.clone() }, &[]);
            add(&mlp, &[]);
        }
    }
    for (width, size) in [(0.25, 9), (0.625, 30), (2.0, 32), (4.0, 64)] {
        add(&network(resnet(14), [3, size, size], swish(1.0), width), &[]);
    }
    for (width, height) in [(0.25, 32), (0.390625, 64), (2.0, 32)] {
        add(&network(vgg(13), [1, height, 32], swish(1.0), width), &[]);
    }
    for (height, width) in [(256, 256), (64, 64), (40, 37)] {
        add(&network(NetKind::OneLayer, [1, height, width], swish(1.0), 1.0), &[1, 2]);
    }
    add(&network(NetKind::OneLayer, [1, 256, 256], relu, 1.0), &[]);
    add(&flattened(), &[]);
    let small = network(resnet(8), [1, 8, 8], relu, 0.25);
    let of_rule = |optimizer, perturbation| UpdateRule { optimizer, perturbation };
    for rule in [
        of_rule(Optimizer::Sgd, Perturbation::Reciprocal),
        of_rule(Optimizer::Sgd, Perturbation::Nextafter),
        of_rule(Optimizer::AdamW, Perturbation::Divide),
        of_rule(Optimizer::AdamW, Perturbation::Reciprocal),
    ] {
        all.extend(recordings(&small, rule, &Tiles::default_for(TileTarget::OtherGpu), 2, 3));
    }
    for (side, kernel) in [(256, 32), (64, 32), (33, 7), (5, 5), (32, 3), (9, 1)] {
        all.extend(equations(side, kernel, 2));
    }
    all.extend(
        [3, 31, 1024].into_iter().flat_map(|points| Heat::recordings(HeatParams { points, dx: 1.0 }, 2).unwrap()),
    );
    all
}

/// A step of each one-layer equation.
fn equations(side: u32, kernel: u32, replicas: usize) -> Vec<Recording> {
    let image = Image::checkerboard(side, side).expect("a size that is allowed");
    let initial = vec![0.0; (kernel * kernel) as usize];
    let linear = Regime::ALL.map(|regime| {
        let (image, initial) = (image.clone(), initial.clone());
        LinearParams { image, kernel, regime, a: -0.5, beta: 1.0, source: true, initial }
    });
    let mut all: Vec<_> = linear.iter().map(|params| Linear::recording(params, replicas).unwrap()).collect();
    for activation in [Activation::Relu, Activation::Swish { beta: 1.0 }, Activation::Tanh] {
        let (image, initial, perturbation) = (image.clone(), initial.clone(), Perturbation::Divide);
        let params = NonlinearParams { image, kernel, activation, label: 1, alpha: 20.0, perturbation, initial };
        all.push(Nonlinear::recording(&params, replicas).unwrap());
    }
    all
}

/// The shaders that benchmarks measure an adapter with.
const RATES: [Shader; 2] = [Shader::FmaRate, Shader::CopyRate];

fn kernels() -> Vec<Kernel> {
    let recordings = all_recordings();
    let mut seen = HashSet::new();
    let launched = recordings.iter().flat_map(Recording::dispatches).map(|d| d.kernel.clone());
    let rates = RATES.map(|shader| Kernel::new(shader, &[("ROUNDS", 16.into())]));
    let functions = Function::ALL.map(functions::kernel);
    launched.chain(rates).chain(functions).filter(|kernel| seen.insert(kernel.clone())).collect()
}

/// Compares the WGSL's bindings with the table of shaders.
fn check_bindings(kernel: &Kernel, module: &naga::Module) -> Result<(), String> {
    let functions = module.functions.iter().map(|(_, function)| function);
    let functions = functions.chain(module.entry_points.iter().map(|entry| &entry.function));
    let mut loaded = HashSet::new();
    functions.for_each(|function| loads(module, function, &function.body, &mut loaded));
    let mut found: Vec<(u32, Access)> = module
        .global_variables
        .iter()
        .filter_map(|(handle, variable)| match (&variable.binding, variable.space) {
            (Some(at), naga::AddressSpace::Storage { access }) => {
                let writes = access.contains(naga::StorageAccess::STORE);
                let access = match (writes, loaded.contains(&handle)) {
                    (false, _) => Access::Read,
                    (true, false) => Access::Write,
                    (true, true) => Access::Update,
                };
                Some((at.binding, access))
            }
            _ => None,
        })
        .collect();
    found.sort_by_key(|(binding, _)| *binding);
    let expected: Vec<_> = (1..).zip(kernel.accesses()).collect();
    if found == expected { Ok(()) } else { Err(format!("bindings are {found:?}, the table has {expected:?}")) }
}

/// Adds the global variables that `block` loads from, outside branches that a constant switches off.
fn loads(
    module: &naga::Module,
    function: &naga::Function,
    block: &naga::Block,
    loaded: &mut HashSet<naga::Handle<naga::GlobalVariable>>,
) {
    use naga::{Expression, Literal, Statement};
    let root = |mut pointer: naga::Handle<Expression>| loop {
        match function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => pointer = base,
            Expression::GlobalVariable(variable) => return Some(variable),
            _ => return None,
        }
    };
    let constant = |condition: naga::Handle<Expression>| match function.expressions[condition] {
        Expression::Literal(Literal::Bool(value)) => Some(value),
        Expression::Constant(constant) => match module.global_expressions[module.constants[constant].init] {
            Expression::Literal(Literal::Bool(value)) => Some(value),
            _ => None,
        },
        _ => None,
    };
    for statement in block {
        match statement {
            Statement::Emit(range) => {
                loaded.extend(range.clone().filter_map(|expression| match function.expressions[expression] {
                    Expression::Load { pointer } => root(pointer),
                    _ => None,
                }));
            }
            Statement::Atomic { pointer, .. } => loaded.extend(root(*pointer)),
            Statement::Block(block) => loads(module, function, block, loaded),
            Statement::If { condition, accept, reject } => {
                let value = constant(*condition);
                let live =
                    [(accept, true), (reject, false)].into_iter().filter(|(_, when)| value.is_none_or(|v| v == *when));
                live.for_each(|(block, _)| loads(module, function, block, loaded));
            }
            Statement::Switch { cases, .. } => {
                cases.iter().for_each(|case| loads(module, function, &case.body, loaded));
            }
            Statement::Loop { body, continuing, .. } => {
                loads(module, function, body, loaded);
                loads(module, function, continuing, loaded);
            }
            _ => {}
        }
    }
}

fn through_naga(kernel: &Kernel, source: &str) -> Result<(), String> {
    use naga::back::{hlsl, msl, spv};
    let module = naga::front::wgsl::parse_str(source).map_err(|e| format!("WGSL: {}", e.emit_to_string(source)))?;
    check_bindings(kernel, &module)?;
    // WebGPU's capabilities only.
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
    let info = validator.validate(&module).map_err(|e| format!("validation: {}", e.emit_to_string(source)))?;
    let rewritable = rewriting::rewritable(&module, &info, source);
    if let Some(first) = rewritable.first() {
        return Err(format!("a compiler may rewrite {} operations: {first}", rewritable.len()));
    }
    spv::write_vec(&module, &info, &spv::Options::default(), None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options = msl::Options { lang_version: (2, 0), ..Default::default() };
    msl::write_string(&module, &info, &options, &Default::default()).map_err(|e| format!("MSL: {e}"))?;
    let (mut text, options, pipeline) = (String::new(), hlsl::Options::default(), Default::default());
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    writer.write(&module, &info, None).map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

fn program_on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&folders).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// Compiles `source` with tint. `path` is a scratch file.
fn through_tint(tint: &Path, path: &Path, source: &str) -> Result<(), String> {
    std::fs::write(path, source).map_err(|e| format!("tint: {e}"))?;
    let run = Command::new(tint).args(["--format", "wgsl"]).arg(path).output().map_err(|e| format!("tint: {e}"))?;
    if run.status.success() { Ok(()) } else { Err(format!("tint: {}", String::from_utf8_lossy(&run.stderr))) }
}

/// The failures of a kernel, each with the constants of the specialisation.
fn failures(kernel: &Kernel, tint: Option<&Path>, scratch: &Path) -> Vec<String> {
    let source = source(kernel);
    let naga = through_naga(kernel, &source);
    let tint = tint.map_or(Ok(()), |tint| through_tint(tint, scratch, &source));
    let errors = [naga, tint].into_iter().filter_map(Result::err);
    errors.map(|error| format!("{} {:?}: {error}", kernel.name(), kernel.constants())).collect()
}

#[test]
fn every_kernel_is_valid_everywhere() {
    let kernels = kernels();
    let tint = program_on_path("tint");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let parts = kernels.chunks(kernels.len().div_ceil(threads)).enumerate().map(|(i, part)| {
            let scratch = std::env::temp_dir().join(format!("lastbit-kernels-{}-{i}.wgsl", std::process::id()));
            let tint = tint.as_deref();
            scope.spawn(move || {
                let found: Vec<_> = part.iter().flat_map(|kernel| failures(kernel, tint, &scratch)).collect();
                // Without tint there is no scratch file.
                let _ = std::fs::remove_file(&scratch);
                found
            })
        });
        let running: Vec<_> = parts.collect();
        running.into_iter().flat_map(|thread| thread.join().expect("naga does not panic")).collect()
    });
    let mut specialisations = BTreeMap::<&str, usize>::new();
    kernels.iter().for_each(|kernel| *specialisations.entry(kernel.name()).or_default() += 1);
    println!("{} kernels, tint: {tint:?}; specialisations: {specialisations:?}", kernels.len());
    assert!(failures.is_empty(), "{} of {} kernels fail:\n{}", failures.len(), kernels.len(), failures.join("\n"));
}

/// The rewritable operations of a kernel with this statement, whose operands `a`, `b`, `c` and `n` come from memory.
fn found_in(statement: &str) -> BTreeSet<String> {
    let text = format!(
        "struct Job {{ zero: u32 }}
         @group(0) @binding(0) var<uniform> job: Job;
         @group(0) @binding(1) var<storage, read_write> x: array<vec4f>;
         var<workgroup> shared_x: array<vec4f, 128>;
         var<workgroup> shared_y: array<vec4f, 128>;
         var<workgroup> shared_z: array<vec4f, 128>;
         fn keep(n: u32, x: vec4f) {{ shared_x[n] = x; if (n == job.zero) {{ return; }} workgroupBarrier(); }}
         fn opaque4(x: vec4f) -> vec4f {{ return bitcast<vec4f>(bitcast<vec4u>(x) ^ vec4u(job.zero)); }}
         fn scaled(x: vec4f, by: vec4f) -> vec4f {{ return x * by; }}
         fn quotient(a: f32, b: f32) -> f32 {{ return a / b; }}
         fn add(to: ptr<function, vec4f>, x: vec4f) {{ *to += x; }}
         @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) n: u32) {{
             let a = x[n];
             let b = x[n + 1u];
             let c = x[n + 2u];
             {statement}
         }}"
    );
    let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
    rewriting::rewritable(&module, &info, &text)
}

#[test]
fn rewritable_operations_are_found() {
    for statement in [
        "x[n] = a * b + c;",
        "x[n] = c - a * b;",
        "x[n] = (a + b) - a;",
        "x[n] = a * b * c;",
        "x[n] = a * b + a * c;",
        "x[n] = fma(a * b, b, c);",
        "x[n] = fma(a, b, b * c);",
        "x[n] = fma(a, b, b + c);",
        "x[n] = fma(a, b, c) + a;",
        "x[n] = 2.0 * (a + b) - a;",
        "x[n] = -(a * b) + c;",
        "x[n] = (a * b).wzyx + c;",
        "x[n].x = (a.x + a.y) + (a.z + a.w);",
        "x[n] = select(a, a * b, n == 0u) + c;",
        "x[n] = scaled(a, b) + c;",
        "var sum = a; for (var i = 0u; i < n; i++) { sum += x[i]; } x[n] = sum;",
        "var sum = a; add(&sum, b); add(&sum, c); x[n] = sum;",
        "var parts: array<vec4f, 2>; parts[n] = a * b; x[n] = parts[0] + c;",
        "x[n] = a / b;",
        "x[n] = a / 255.0;",
        "x[n] = sqrt(a);",
        "x[n] = inverseSqrt(a);",
        "x[n] = exp(a);",
        "x[n] = log(a);",
        "x[n] = pow(a, b);",
        "x[n].x = dot(a, b);",
        "x[n] = abs(a * b) + c;",
        "x[n] = bitcast<vec4f>(bitcast<vec4u>(a * b)) + c;",
        "x[n] = bitcast<vec4f>(bitcast<vec4u>(a * b) ^ vec4u(0x80000000u)) + c;",
        "x[n].x = bitcast<f32>(bitcast<u32>(a.x * b.x) & 0x7fffffffu) + c.x;",
        "x[n] = a * b; x[n + 1u] = x[n] + c;",
        "for (var i = 0u; i < n; i++) { x[n] = x[n] + a; }",
        "shared_x[n] = a * b; x[n] = shared_x[n] + c;",
        "shared_x[n] = a * b; if (a.x > b.x) { x[n] = a; } else { x[n] = b; } x[n] = shared_x[n] + c;",
        "shared_x[n] = a * b; if (job.zero == 1u) { workgroupBarrier(); } x[n] = shared_x[n] + c;",
        "x[n] = a * b; workgroupBarrier(); x[n + 1u] = x[n] + c;",
        "for (var i = 0u; i < n; i++) { shared_x[n] = a * b; if (job.zero == i) { break; } workgroupBarrier(); } x[n] = shared_x[n] + c;",
        "for (var i = 0u; i < n; i++) { x[n] = shared_x[n] + c; shared_x[n] = a * b; if (job.zero == i) { continue; } workgroupBarrier(); }",
        "for (var i = 0u; i < n; i++) { x[i] = shared_z[i] + c; shared_z[n] = shared_y[n]; shared_y[n] = shared_x[n]; shared_x[n] = a * b; }",
        "for (var i = 0u; i < n; x[i] = shared_x[n] + c) { i++; shared_x[n] = a * b; if (job.zero == i) { continue; } workgroupBarrier(); }",
        "x[n].x = bitcast<f32>(insertBits(0u, bitcast<u32>(a.x * b.x), 0u, 32u)) + c.x;",
        "keep(n, a * b); x[n] = shared_x[n] + c;",
        "x[n] = vec4f(a * b) + c;",
        "x[n].x = f32(a.x * b.x) + c.x;",
        "x[n] = bitcast<vec4f>(bitcast<vec4u>(a * b) ^ vec4u(1u, 2u, 3u, 4u)) + c;",
        "x[n] = bitcast<vec4f>((bitcast<vec4u>(a * b) << vec4u(1u)) >> vec4u(1u)) + c;",
        "x[n] = bitcast<vec4f>(~~bitcast<vec4u>(a * b)) + c;",
        "switch n { case 0u: { x[n] = a * b; } default: {} } x[n + 1u] = x[n] + c;",
    ] {
        let found = found_in(statement);
        assert!(!found.is_empty(), "nothing found in: {statement}");
    }
}

#[test]
fn operations_that_nothing_can_rewrite_are_accepted() {
    for statement in [
        "x[n] = fma(a, b, c);",
        "x[n] = fma(a, b, fma(b, c, a));",
        "var sum = a; for (var i = 0u; i < n; i++) { sum = fma(a, x[i], sum); } x[n] = sum;",
        "var sum = a; for (var i = 0u; i < n; i++) { sum = opaque4(sum + x[i]); } x[n] = sum;",
        "x[n] = opaque4(a * b) + c;",
        "x[n] = opaque4(scaled(a, b)) * c;",
        "x[n] = (a + b) * c;",
        "x[n] = 2.0 * a - b;",
        "x[n] = fma(a, b, 0.5 * c);",
        "x[n].x = quotient(a.x * a.y, a.z);",
        "x[n] = max(a + b, c) + abs(a);",
        "x[n] = vec4f(vec4u((n + 3u) / 4u * 2u + n)) + a;",
        "if (false) { x[n] = a * b + c; }",
        "x[n] = x[n] + a;",
        "x[n] = bitcast<vec4f>(bitcast<vec4u>(a * b) + vec4u(n)) + c;",
        "shared_x[n] = a * b; workgroupBarrier(); x[n] = shared_x[n + 1u] + c;",
        "x[n] = a * b; storageBarrier(); x[n + 1u] = x[n] + c;",
        "if (job.zero == 0u) { shared_x[n] = a * b; } else { x[n] = shared_x[n] + c; }",
    ] {
        let found = found_in(statement);
        assert!(found.is_empty(), "{statement}: {found:?}");
    }
}

#[test]
fn every_shader_file_is_used() {
    let kernels = kernels();
    let used: HashSet<_> = kernels.iter().map(Kernel::name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files = std::fs::read_dir(folder).expect("the shaders are in the repository");
    let paths = files.map(|f| f.expect("a readable folder").path()).filter(|p| p.extension().is_some());
    let unused: Vec<_> =
        paths.filter(|p| !used.contains(p.file_stem().and_then(|s| s.to_str()).unwrap_or(""))).collect();
    assert!(unused.is_empty(), "no kernel uses {unused:?}");
}

/// The kernels of each recording.
fn sequences(all: Vec<Recording>) -> Vec<Vec<Kernel>> {
    all.iter().map(|rec| rec.dispatches().map(|d: &Dispatch| d.kernel.clone()).collect()).collect()
}

#[test]
fn replicas_and_batch_are_data() {
    assert!(sequences(equations(33, 7, 1)) == sequences(equations(33, 7, 60)), "the equations depend on the replicas");
    let swish = Activation::Swish { beta: 5.0 };
    for network in [
        network(NetKind::ResNet { depth: 14 }, [3, 32, 32], swish, 1.0),
        network(NetKind::Vgg { depth: 13 }, [3, 32, 32], swish, 1.0),
        network(NetKind::OneLayer, [1, 64, 64], swish, 1.0),
        network(NetKind::Mlp { layers: 2 }, [3, 32, 32], swish, 1.0),
    ] {
        let staged = Tiles::all(Tile { lanes: 128, staging: Some(4), ..Tile::default() });
        // Whether [staged, plain] kernels occur. With NVIDIA's default tiles the first convolution is plain in the forward
        // pass, the others are staged.
        let (both, plain, staging) = ([true, true], [false, true], [true, false]);
        for (tiles, forward, dweight) in [
            (Tiles::default_for(TileTarget::Software), plain, plain),
            (Tiles::default_for(TileTarget::OtherGpu), plain, plain),
            (Tiles::default_for(TileTarget::NvidiaGpu), both, staging),
            (staged, staging, staging),
        ] {
            let of = |replicas, samples| recordings(&network, Perturbation::Divide, &tiles, replicas, samples);
            let one = sequences(of(1, 3));
            let names: HashSet<_> = one.iter().flatten().map(Kernel::name).collect();
            let expected = [("conv3x3_forward", forward), ("conv3x3_dweight", dweight)];
            for (name, expected) in
                expected.into_iter().filter(|_| network.name.starts_with("resnet") || network.name.starts_with("vgg"))
            {
                let staged = names.contains(format!("{name}_staged").as_str());
                assert_eq!([staged, names.contains(name)], expected, "{}: {name}", network.name);
            }
            // `assert_eq` would print all kernels.
            assert!(one == sequences(of(6, 3)), "{}: sources or dispatches depend on the replicas", network.name);
            assert!(one == sequences(of(1, 128)), "{}: sources or dispatches depend on the batch", network.name);
        }
    }
}
