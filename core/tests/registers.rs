//! Registers that GPU compilers allocate to the kernels. With the default tiles no kernel spills registers. Mesa's driver for
//! AMD GPUs compiles without a GPU and counts registers (Mesa 22.3; the counts of other versions may differ slightly).
//! `cargo xtask test` finds that driver and runs this test; no one else needs it. With a GPU,
//! `cargo test -p lastbit-core --test registers -- --ignored --nocapture this_machine` lists its driver's counts.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::process::Command;

use ash::khr::pipeline_executable_properties as executable;
use ash::{ext, vk};
use lastbit_core::gpu::{spirv, wgsl};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::{Activation, Shape, TileTarget, Tiles, sgd::Perturbation};
use lastbit_core::record::Kernel;
use lastbit_core::train::{BatchSizes, MemoryLimits, Plan, Tuning};

/// The variable that names the driver's manifest for Vulkan's loader.
const DRIVER: &str = "LASTBIT_RADV";
/// RDNA 2, with 256 registers per thread, as on NVIDIA's GPUs.
const RDNA2: &str = "navi21";
/// RDNA 3, whose compiler uses half as many.
const RDNA3: &str = "gfx1100";

/// A GPU's compiler, reached through its Vulkan driver. Nothing is freed, because the process ends with the test.
struct Compiler {
    device: ash::Device,
    executable: executable::Device,
}

impl Compiler {
    /// The first device that `is_wanted` accepts by name and type, if its driver counts registers. `is_robust`: out-of-bounds
    /// loads and stores are defined, which wgpu requests where a device supports it.
    fn new(is_wanted: impl Fn(&str, vk::PhysicalDeviceType) -> bool, is_robust: bool) -> Option<Self> {
        // SAFETY: all handles passed are alive.
        unsafe {
            let entry = ash::Entry::load().expect("the Vulkan loader");
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_2);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None).expect("an instance");
            let devices = instance.enumerate_physical_devices().expect("a list of devices");
            let extensions_of = |device| instance.enumerate_device_extension_properties(device).expect("extensions");
            let has = |device: vk::PhysicalDevice, name: &CStr| {
                extensions_of(device).iter().any(|extension| extension.extension_name_as_c_str() == Ok(name))
            };
            let device = devices.into_iter().find(|device| {
                let properties = instance.get_physical_device_properties(*device);
                let name = properties.device_name_as_c_str().expect("a name").to_string_lossy();
                has(*device, executable::NAME) && is_wanted(&name, properties.device_type)
            })?;
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut extensions = vec![executable::NAME.as_ptr()];
            let mut statistics =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(is_robust);
            let is_robust2 = is_robust && has(device, ext::robustness2::NAME);
            if is_robust2 {
                extensions.push(ext::robustness2::NAME.as_ptr());
            }
            let mut info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut statistics);
            if is_robust2 {
                info = info.push_next(&mut robust);
            }
            let device = instance.create_device(device, &info, None).expect("a device");
            let executable = executable::Device::new(&instance, &device);
            Some(Self { device, executable })
        }
    }

    /// The driver's counts for the kernel, by name.
    fn statistics(&self, kernel: &Kernel) -> Vec<(CString, u64)> {
        let text = wgsl::source(kernel);
        let code = spirv::compile(&text).expect("a valid kernel");
        let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
        let bindings: Vec<_> = module.global_variables.iter().filter_map(|(_, variable)| binding(variable)).collect();
        // SAFETY: the structures live as long as the calls, and the handles as long as the process.
        let statistics = unsafe {
            let device = &self.device;
            let info = vk::ShaderModuleCreateInfo::default().code(&code);
            let shader = device.create_shader_module(&info, None).expect("a module");
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let layout = [device.create_descriptor_set_layout(&info, None).expect("a layout")];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layout);
            let layout = device.create_pipeline_layout(&info, None).expect("a layout");
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
            let info = vk::ComputePipelineCreateInfo::default()
                .stage(stage.module(shader).name(c"main"))
                .layout(layout)
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR);
            let pipelines = device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipeline = pipelines.expect("a pipeline")[0];
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            self.executable.get_pipeline_executable_statistics(&info).expect("statistics")
        };
        let counts = statistics.iter().filter(|statistic| {
            let format = statistic.format;
            format == vk::PipelineExecutableStatisticFormatKHR::UINT64
                || format == vk::PipelineExecutableStatisticFormatKHR::INT64
        });
        // SAFETY: the filter keeps only counts.
        counts.map(|s| (s.name_as_c_str().expect("a name").to_owned(), unsafe { s.value.u64 })).collect()
    }

    /// Registers per thread of the kernel, and registers spilled to memory, by AMD's names.
    fn registers(&self, kernel: &Kernel) -> (u64, u64) {
        let statistics = self.statistics(kernel);
        let of = |name: &CStr| {
            let statistic = statistics.iter().find(|(of, _)| of.as_c_str() == name);
            statistic.unwrap_or_else(|| panic!("no statistic {name:?}")).1
        };
        (of(c"VGPRs"), of(c"Spilled VGPRs"))
    }
}

fn binding(variable: &naga::GlobalVariable) -> Option<vk::DescriptorSetLayoutBinding<'static>> {
    let kind = match variable.space {
        naga::AddressSpace::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
        _ => vk::DescriptorType::STORAGE_BUFFER,
    };
    let layout = vk::DescriptorSetLayoutBinding::default().descriptor_type(kind).descriptor_count(1);
    Some(layout.binding(variable.binding.as_ref()?.binding).stage_flags(vk::ShaderStageFlags::COMPUTE))
}

/// Every kernel of a training step with the default tiles of `targets`, once.
fn kernels(targets: &[TileTarget]) -> Vec<Kernel> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for (net, input, classes) in [
        (NetKind::ResNet { depth: 20 }, Shape::new(3, 32, 32), 10),
        (NetKind::Vgg { depth: 16 }, Shape::new(3, 32, 32), 10),
        (NetKind::OneLayer, Shape::new(1, 256, 256), 2),
    ] {
        for activation in [Activation::Relu, Activation::Swish { beta: 1.0 }] {
            let network = net.build(input, classes, activation, 1.0).expect("a network as published");
            let sizes = BatchSizes { train: vec![128], evaluate: Vec::new() };
            let normalization = vec![[0.0, 1.0]; input.channels as usize];
            let limits = MemoryLimits { binding: u64::MAX, total: None };
            for target in targets {
                let tuning = Tuning { tiles: Some(Tiles::default_for(*target)), ..Tuning::default() };
                let plan = Plan::new(&network, 6, Perturbation::Divide, &sizes, (&normalization, 0), &tuning, limits);
                let plan = plan.expect("no limit is passed");
                all.extend(plan.kernels().into_iter().filter(|kernel| seen.insert((*kernel).clone())).cloned());
            }
        }
    }
    all
}

#[test]
#[ignore = "needs Mesa's driver for AMD GPUs: `cargo xtask test` runs it"]
fn no_kernel_spills_before_it_is_tuned() {
    // The driver reads its target once per process, so each target is tested in a child process.
    const FAMILY: &str = "RADV_FORCE_FAMILY";
    let Some(family) = std::env::var_os(FAMILY) else {
        let driver = std::env::var_os(DRIVER).unwrap_or_else(|| panic!("set {DRIVER} to Mesa's radeon_icd.*.json"));
        for family in [RDNA2, RDNA3] {
            let mut test = Command::new(std::env::current_exe().expect("a test has a file"));
            test.args(["--ignored", "--nocapture", "no_kernel_spills"])
                .env("VK_DRIVER_FILES", &driver)
                .env("VK_ICD_FILENAMES", &driver);
            assert!(test.env(FAMILY, family).status().expect("it starts").success(), "{family}");
        }
        return;
    };
    let compiler = Compiler::new(|name, _| name.contains("RADV"), false).expect("Mesa's driver for AMD GPUs");
    let targets: &[_] =
        if family == RDNA2 { &[TileTarget::NvidiaGpu, TileTarget::OtherGpu] } else { &[TileTarget::OtherGpu] };
    let kernels = kernels(targets);
    assert!(kernels.len() > 50, "{} kernels", kernels.len());
    let mut registers: Vec<_> = kernels.iter().map(|kernel| (compiler.registers(kernel), kernel.name())).collect();
    registers.sort_unstable();
    registers.dedup();
    registers.iter().rev().for_each(|((taken, spilled), name)| println!("{taken:>4} {spilled:>4} {name}"));
    assert!(registers.iter().all(|((taken, _), _)| *taken > 0), "a kernel cannot use 0 registers");
    let spilling: Vec<_> = registers.iter().filter(|((_, spilled), _)| *spilled > 0).collect();
    assert!(spilling.is_empty(), "kernels that spill, ((registers, spilled), name): {spilling:?}");
}

#[test]
#[ignore = "prints the register counts of this machine's GPU driver for a person to read"]
fn this_machine() {
    for is_robust in [true, false] {
        let is_gpu = |_: &str, kind| kind != vk::PhysicalDeviceType::CPU;
        let compiler = Compiler::new(is_gpu, is_robust).expect("a GPU whose driver counts registers");
        println!("out-of-bounds access is {}", if is_robust { "defined" } else { "undefined" });
        let kernels = kernels(&[TileTarget::NvidiaGpu, TileTarget::OtherGpu]);
        let of = |kernel: &Kernel| compiler.statistics(kernel);
        let mut all: Vec<_> = kernels.iter().map(|kernel| (kernel.name(), of(kernel))).collect();
        all.sort();
        all.dedup();
        all.iter().for_each(|(name, counts)| println!("{name} {counts:?}"));
    }
}
