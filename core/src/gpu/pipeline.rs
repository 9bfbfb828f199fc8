//! Builds pipelines from the WGSL of kernels.

use super::platform;
use crate::record::{Access, Job, Shader};

/// How a kernel's text reaches the driver of a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShaderPath {
    /// On Vulkan, as SPIR-V whose float operations the driver must evaluate as written; elsewhere like [`ShaderPath::Wgsl`].
    #[default]
    Spirv,
    /// As WGSL, which wgpu or a browser compiles. The driver may reorder float operations.
    Wgsl,
}

/// A fault injector: replaces text in a shader before it is compiled, as if the driver had compiled another shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaderPatch {
    /// The shader to change.
    pub shader: Shader,
    /// The text to replace, wherever it occurs in the kernel's text: code without comments, indentation and empty lines.
    pub from: String,
    /// The text that replaces it.
    pub to: String,
}

impl ShaderPatch {
    /// Changes the text of a kernel of `shader`.
    ///
    /// # Errors
    /// A message if the text that would be replaced does not occur.
    pub(super) fn apply(&self, shader: Shader, wgsl: String) -> Result<String, String> {
        if shader != self.shader {
            return Ok(wgsl);
        }
        if wgsl.contains(&self.from) {
            return Ok(wgsl.replace(&self.from, &self.to));
        }
        Err(format!("a patch replaces '{}', which the text does not contain", self.from))
    }
}

/// Builds the pipeline of a kernel. The entry point is `main`, binding 0 is the job, and `bindings` follow. Errors of wgpu
/// go to the device's error scope or callback.
///
/// # Errors
/// With [`ShaderPath::Spirv`], naga's message if it rejects the text.
pub(super) fn build(
    device: &wgpu::Device,
    path: ShaderPath,
    name: &str,
    wgsl: &str,
    bindings: &[Access],
) -> Result<wgpu::ComputePipeline, String> {
    let module = match path {
        ShaderPath::Spirv => spirv_module(device, name, &platform::compile_spirv(wgsl)?),
        ShaderPath::Wgsl => wgsl_module(device, name, wgsl),
    };
    Ok(device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&layout(device, bindings)),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    }))
}

fn wgsl_module(device: &wgpu::Device, name: &str, wgsl: &str) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    // SAFETY: tests run every kernel in every specialisation on poisoned buffers. Indices stay inside their bindings and
    // every loop ends, which the runtime checks (slow in inner loops) would enforce.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

fn spirv_module(device: &wgpu::Device, name: &str, words: &[u32]) -> wgpu::ShaderModule {
    // Only Metal reads the workgroup size from here.
    let entry_points = vec![wgpu::PassthroughShaderEntryPoint { name: "main".into(), workgroup_size: (0, 0, 0) }];
    let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
        label: Some(name),
        entry_points: entry_points.into(),
        spirv: Some(words.into()),
        ..Default::default()
    };
    // SAFETY: naga validated and wrote the module, and the decorations follow the SPIR-V specification. For indices and
    // loops see `wgsl_module`.
    unsafe { device.create_shader_module_passthrough(descriptor) }
}

/// The explicit pipeline layout. wgpu cannot derive a layout from SPIR-V; with WGSL it checks this one against the text.
fn layout(device: &wgpu::Device, bindings: &[Access]) -> wgpu::PipelineLayout {
    let job = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: wgpu::BufferSize::new(size_of::<Job>() as u64),
    };
    let storage = |access: &Access| wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: !access.writes() },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let entries: Vec<_> = std::iter::once(job)
        .chain(bindings.iter().map(storage))
        .zip(0..)
        .map(|(ty, binding)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect();
    let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
    let group = device.create_bind_group_layout(&descriptor);
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        bind_group_layouts: &[Some(&group)],
        ..Default::default()
    })
}
