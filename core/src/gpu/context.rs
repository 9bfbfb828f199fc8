//! An adapter, its device and the pipelines built on it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::wgsl::source;
use crate::device::{AdapterLimit, AdapterSummary, DeviceError, Family};
use crate::record::Kernel;
use crate::threads::Threads;

/// Limits that kernels keep to.
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
    let lower = info.name.to_lowercase();
    let software = info.device_type == wgpu::DeviceType::Cpu || software_names.iter().any(|s| lower.contains(s));
    AdapterSummary {
        kind: format!("{:?}", info.device_type),
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
        backend: info.backend.to_string(),
        software,
        family: if software { Family::SoftwareGpu } else { Family::Gpu },
        detail: None,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
        limits: limits_of(&limits),
        name: info.name,
    }
}

/// An adapter with its device. Everything that runs on the GPU hangs on one of these.
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: RefCell<HashMap<Kernel, wgpu::ComputePipeline>>,
    failure: Arc<Mutex<Option<DeviceError>>>,
    summary: AdapterSummary,
    threads: Threads,
}

const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12)
    .union(wgpu::Backends::BROWSER_WEBGPU);

/// An adapter that wgpu found.
pub struct Found {
    adapter: wgpu::Adapter,
    /// What is known of it.
    pub summary: AdapterSummary,
}

/// All adapters, best first. In a browser there is at most one.
pub async fn found() -> Vec<Found> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: BACKENDS,
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(95),
            for_device_loss: None,
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut found = if cfg!(target_arch = "wasm32") {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        instance.request_adapter(&options).await.into_iter().collect()
    } else {
        instance.enumerate_adapters(BACKENDS).await
    };
    found.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    found.into_iter().map(|adapter| Found { summary: summary_of(&adapter), adapter }).collect()
}

impl Context {
    /// Opens a device on an adapter, with the largest buffer limits it has (never less than WebGPU's defaults). Pipelines are
    /// built in `threads`.
    ///
    /// # Errors
    /// [`DeviceError::NoDevice`]
    pub async fn new(found: Found, threads: Threads) -> Result<Self, DeviceError> {
        let Found { adapter, summary } = found;
        let adapter_limits = adapter.limits();
        // Only sizes are raised: kernels keep to the default limits (rule 6), so that one set runs everywhere.
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: adapter_limits.max_storage_buffer_binding_size,
            max_buffer_size: adapter_limits.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("lastbit"),
            required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| DeviceError::NoDevice { adapter: summary.name.clone(), reason: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        let lost = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            // The cause of whatever else was refused.
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
        Ok(Self { device, queue, pipelines: RefCell::default(), failure, summary, threads })
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// The first thing that went wrong since the last call, as an error.
    ///
    /// # Errors
    /// A lost device, memory that ran out, or a call that the driver refused.
    pub fn check(&self) -> Result<(), DeviceError> {
        match self.failure.lock().ok().and_then(|mut slot| slot.take()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Destroys the device, as a crashed driver would: a fault injector for tests.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Builds the pipelines of those `kernels` that have none yet. What the driver refuses in another thread is told by
    /// [`Context::check`].
    pub(super) fn build_pipelines<'a>(&self, kernels: impl Iterator<Item = &'a Kernel>) {
        let mut pipelines = self.pipelines.borrow_mut();
        let mut seen = HashSet::new();
        let missing: Vec<&Kernel> =
            kernels.filter(|kernel| !pipelines.contains_key(*kernel) && seen.insert(*kernel)).collect();
        let built: Vec<OnceLock<wgpu::ComputePipeline>> = missing.iter().map(|_| OnceLock::new()).collect();
        let device = &self.device;
        let build = |i: usize| {
            built[i].get_or_init(|| build_pipeline(device, missing[i]));
        };
        self.threads.spread(missing.len(), &build);
        let built = missing.into_iter().zip(built);
        pipelines.extend(built.filter_map(|(kernel, pipeline)| Some((kernel.clone(), pipeline.into_inner()?))));
    }

    /// The pipeline of `kernel`, which [`Context::build_pipelines`] built.
    pub(super) fn pipeline(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        self.pipelines.borrow()[kernel].clone()
    }
}

fn build_pipeline(device: &wgpu::Device, kernel: &Kernel) -> wgpu::ComputePipeline {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(kernel.name()),
        source: wgpu::ShaderSource::Wgsl(source(kernel).into()),
    };
    // SAFETY: every kernel in every specialisation is checked by tests on poisoned buffers: indices stay inside
    // their bindings and every loop ends, which is what the runtime checks (slow in inner loops) would enforce.
    let module = unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.name()),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    })
}
