//! An adapter with its device, and the pipelines built on it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::pipeline::{self, ShaderPatch, ShaderPath};
use super::wgsl::source;
use crate::device::{AdapterLimit, AdapterSummary, DeviceError, Family};
use crate::record::Kernel;
use crate::threads::Threads;

/// The limits that kernels depend on.
fn limits_of(limits: &wgpu::Limits) -> Vec<AdapterLimit> {
    let needed = wgpu::Limits::default();
    let of = |name, get: fn(&wgpu::Limits) -> u64| AdapterLimit { name, needed: get(&needed), available: get(limits) };
    vec![
        of("maxStorageBuffersPerShaderStage", |l| l.max_storage_buffers_per_shader_stage.into()),
        of("maxStorageBufferBindingSize", |l| l.max_storage_buffer_binding_size),
        of("maxBufferSize", |l| l.max_buffer_size),
        of("minStorageBufferOffsetAlignment", |l| l.min_storage_buffer_offset_alignment.into()),
        of("maxComputeWorkgroupStorageSize", |l| l.max_compute_workgroup_storage_size.into()),
        of("maxComputeInvocationsPerWorkgroup", |l| l.max_compute_invocations_per_workgroup.into()),
        of("maxComputeWorkgroupsPerDimension", |l| l.max_compute_workgroups_per_dimension.into()),
    ]
}

fn summary_of(adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let software_names = ["llvmpipe", "swiftshader", "basic render"];
    let lower = info.name.to_ascii_lowercase();
    let software = info.device_type == wgpu::DeviceType::Cpu || software_names.iter().any(|s| lower.contains(s));
    AdapterSummary {
        kind: format!("{:?}", info.device_type),
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
        backend: info.backend.to_string(),
        software,
        family: if software { Family::SoftwareGpu } else { Family::Gpu },
        vendor: info.vendor,
        detail: None,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
        limits: limits_of(&limits),
        name: info.name,
    }
}

/// An adapter with its device. All GPU objects belong to one context.
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: RefCell<HashMap<Kernel, wgpu::ComputePipeline>>,
    failure: Arc<Mutex<Option<DeviceError>>>,
    summary: AdapterSummary,
    threads: Threads,
    shader_path: ShaderPath,
    patch: Option<ShaderPatch>,
}

const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12)
    .union(wgpu::Backends::BROWSER_WEBGPU);

/// An adapter that wgpu found.
pub struct Adapter {
    adapter: wgpu::Adapter,
    /// Its properties.
    pub summary: AdapterSummary,
}

/// Lists all GPU adapters, best first; in a browser at most one.
pub async fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: BACKENDS,
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(95),
            for_device_loss: None,
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = if cfg!(target_arch = "wasm32") {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        instance.request_adapter(&options).await.into_iter().collect()
    } else {
        let mut found = instance.enumerate_adapters(BACKENDS).await;
        found.sort_by_key(|adapter| match adapter.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        });
        found
    };
    found.into_iter().map(|adapter| Adapter { summary: summary_of(&adapter), adapter }).collect()
}

fn takes_spirv(adapter: &wgpu::Adapter) -> bool {
    let is_vulkan = adapter.get_info().backend == wgpu::Backend::Vulkan;
    is_vulkan && adapter.features().contains(wgpu::Features::PASSTHROUGH_SHADERS)
}

impl Context {
    /// Opens a device with the adapter's largest buffer limits, which are at least WebGPU's defaults. `threads` build the
    /// pipelines. Kernels reach the driver by `path`, or as WGSL if the adapter does not accept SPIR-V.
    ///
    /// # Errors
    /// [`DeviceError::NoDevice`] if wgpu cannot open a device.
    pub async fn new(
        found: Adapter,
        threads: Threads,
        path: ShaderPath,
        patch: Option<ShaderPatch>,
    ) -> Result<Self, DeviceError> {
        let Adapter { adapter, summary } = found;
        let shader_path = if takes_spirv(&adapter) { path } else { ShaderPath::Wgsl };
        let mut wanted = wgpu::Features::TIMESTAMP_QUERY;
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if shader_path == ShaderPath::Spirv {
            wanted |= wgpu::Features::PASSTHROUGH_SHADERS;
            // SAFETY: SPIR-V passthrough is the only experimental feature requested.
            experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        }
        let adapter_limits = adapter.limits();
        // Only buffer sizes are raised. Kernels stay within the default limits (rule 6), so that one set runs everywhere.
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: adapter_limits.max_storage_buffer_binding_size,
            max_buffer_size: adapter_limits.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("lastbit"),
            required_features: adapter.features() & wanted,
            required_limits,
            experimental_features,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| DeviceError::NoDevice { adapter: summary.name.clone(), reason: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        let lost = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            // Replaces earlier errors, because the loss of the device caused them.
            if let Ok(mut slot) = lost.lock() {
                *slot = Some(DeviceError::DeviceLost(format!("{reason:?}: {message}")));
            }
        });
        let uncaptured = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let error = match error {
                wgpu::Error::OutOfMemory { source } => {
                    DeviceError::OutOfMemory { label: source.to_string(), asked: 0, limit: None }
                }
                other => DeviceError::Refused(other.to_string()),
            };
            if let Ok(mut slot) = uncaptured.lock() {
                slot.get_or_insert(error);
            }
        }));
        Ok(Self { device, queue, pipelines: RefCell::default(), failure, summary, threads, shader_path, patch })
    }

    /// The path by which kernels reach the driver.
    #[cfg(test)]
    pub fn shader_path(&self) -> ShaderPath {
        self.shader_path
    }

    /// Properties of the adapter.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Reports the first failure since the last call.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the device was lost, [`DeviceError::OutOfMemory`] if an allocation failed, and
    /// [`DeviceError::Refused`] if the driver refused a call.
    pub fn check(&self) -> Result<(), DeviceError> {
        match self.failure.lock().ok().and_then(|mut slot| slot.take()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Destroys the device, as a driver crash would: a fault injector for tests.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Builds the missing pipelines of `kernels`. [`Context::check`] reports errors of the driver in other threads.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if naga rejects a kernel.
    pub(super) fn build_pipelines<'a>(&self, kernels: impl Iterator<Item = &'a Kernel>) -> Result<(), DeviceError> {
        let mut pipelines = self.pipelines.borrow_mut();
        let mut seen = HashSet::new();
        let missing: Vec<&Kernel> =
            kernels.filter(|kernel| !pipelines.contains_key(*kernel) && seen.insert(*kernel)).collect();
        let built: Vec<OnceLock<Result<wgpu::ComputePipeline, String>>> =
            missing.iter().map(|_| OnceLock::new()).collect();
        let (device, path, patch) = (&self.device, self.shader_path, self.patch.as_ref());
        let build = |i: usize| {
            let kernel = missing[i];
            let bindings = kernel.shader().bindings();
            built[i].get_or_init(|| {
                let text = source(kernel);
                let text = match patch {
                    Some(patch) => patch.apply(kernel.shader(), text)?,
                    None => text,
                };
                pipeline::build(device, path, kernel.name(), &text, bindings)
            });
        };
        self.threads.parallel_for(missing.len(), &build);
        for (kernel, pipeline) in missing.into_iter().zip(built) {
            let Some(pipeline) = pipeline.into_inner() else { continue };
            let pipeline = pipeline.map_err(|message| DeviceError::Refused(format!("{}: {message}", kernel.name())))?;
            pipelines.insert(kernel.clone(), pipeline);
        }
        Ok(())
    }

    /// The pipeline that [`Context::build_pipelines`] built for `kernel`.
    pub(super) fn pipeline(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        self.pipelines.borrow()[kernel].clone()
    }
}
