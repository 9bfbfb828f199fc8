//! An adapter, its device and the pipelines built on it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use serde::Serialize;

use super::{GpuError, Kernel, Spread};

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest one: discrete, integrated, virtual, then software.
    #[default]
    Best,
    /// The n-th of [`adapters`], or the first whose name contains the text (case ignored).
    Named(String),
}

/// What is known of an adapter before a device is made on it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterSummary {
    /// Name by the driver.
    pub name: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other` (browsers do not tell).
    pub kind: String,
    /// Driver name and version.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`.
    pub backend: String,
    /// True when the processor does the work (lavapipe, SwiftShader, WARP).
    pub software: bool,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// True when dispatches can be timed on the GPU.
    pub timestamps: bool,
    /// Limits that kernels keep to.
    pub limits: Vec<AdapterLimit>,
}

/// A limit of an adapter beside what lastbit needs: never more than WebGPU's default (DESIGN rule 6).
#[derive(Clone, Debug, Serialize)]
pub struct AdapterLimit {
    /// WebGPU's name for it.
    pub name: &'static str,
    /// What lastbit needs.
    pub needed: u64,
    /// What the adapter has.
    pub available: u64,
}

impl AdapterLimit {
    fn all(limits: &wgpu::Limits) -> Vec<Self> {
        let needed = wgpu::Limits::default();
        let of = |name, get: fn(&wgpu::Limits) -> u64| Self { name, needed: get(&needed), available: get(limits) };
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
}

impl AdapterSummary {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let software_names = ["llvmpipe", "swiftshader", "basic render"];
        let lower = info.name.to_lowercase();
        Self {
            kind: format!("{:?}", info.device_type),
            driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
            backend: info.backend.to_string(),
            software: info.device_type == wgpu::DeviceType::Cpu || software_names.iter().any(|s| lower.contains(s)),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            limits: AdapterLimit::all(&limits),
            name: info.name,
        }
    }

    /// A guess of the float32 rate in FLOP/s, only used to keep single dispatches and submits short.
    fn assumed_flops(&self) -> f64 {
        match (self.software, self.kind.as_str()) {
            (true, _) => 4e9,
            (_, "DiscreteGpu") => 2e12,
            _ => 2e11,
        }
    }
}

/// An adapter with its device. Everything that runs on the GPU hangs on one of these.
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: RefCell<HashMap<Kernel, wgpu::ComputePipeline>>,
    failure: Arc<Mutex<Option<GpuError>>>,
    summary: AdapterSummary,
    memory_budget: Cell<Option<u64>>,
    spread: Option<Spread>,
}

/// All adapters, best first. In a browser there is at most one.
pub async fn adapters() -> Vec<AdapterSummary> {
    ranked_adapters().await.iter().map(AdapterSummary::of).collect()
}

const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12)
    .union(wgpu::Backends::BROWSER_WEBGPU);

async fn ranked_adapters() -> Vec<wgpu::Adapter> {
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
    found
}

async fn choose(choice: &AdapterChoice) -> Result<wgpu::Adapter, GpuError> {
    let mut found = ranked_adapters().await;
    if found.is_empty() {
        return Err(GpuError::NoAdapter { looked_in: "Vulkan, Metal, DX12, WebGPU".to_owned() });
    }
    let position = match choice {
        AdapterChoice::Best => Some(0),
        AdapterChoice::Named(wanted) => match wanted.parse::<usize>() {
            Ok(index) => (index < found.len()).then_some(index),
            Err(_) => {
                let wanted = wanted.to_lowercase();
                found.iter().position(|a| a.get_info().name.to_lowercase().contains(&wanted))
            }
        },
    };
    match (position, choice) {
        (Some(position), _) => Ok(found.swap_remove(position)),
        (None, AdapterChoice::Named(wanted)) => Err(GpuError::UnknownAdapter {
            wanted: wanted.clone(),
            available: found
                .iter()
                .enumerate()
                .map(|(i, a)| format!("{i} '{}'", a.get_info().name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
        (None, AdapterChoice::Best) => unreachable!("the list is not empty"),
    }
}

impl Context {
    /// Opens a device on the chosen adapter, with the largest buffer limits it has (never less than WebGPU's defaults).
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::UnknownAdapter`] or [`GpuError::NoDevice`].
    pub async fn new(choice: &AdapterChoice) -> Result<Self, GpuError> {
        let adapter = choose(choice).await?;
        let summary = AdapterSummary::of(&adapter);
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
            .map_err(|error| GpuError::NoDevice { adapter: summary.name.clone(), reason: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        let lost = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            // The cause of whatever else was refused.
            if let Ok(mut slot) = lost.lock() {
                *slot = Some(GpuError::DeviceLost(format!("{reason:?}: {message}")));
            }
        });
        let uncaptured = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let error = match error {
                wgpu::Error::OutOfMemory { source } => {
                    GpuError::OutOfMemory { label: source.to_string(), asked: 0, limit: None }
                }
                other => GpuError::Refused(other.to_string()),
            };
            if let Ok(mut slot) = uncaptured.lock() {
                slot.get_or_insert(error);
            }
        }));
        let (pipelines, memory_budget) = (RefCell::default(), Cell::default());
        Ok(Self { device, queue, pipelines, failure, summary, memory_budget, spread: None })
    }

    /// Refuses allocations beyond `bytes` in all. On a software adapter GPU memory is the host's, which drivers hand
    /// out without looking: a front end that knows how much is free says so here.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.memory_budget.set(Some(bytes));
    }

    /// Has pipelines built in the threads of `spread`; without it they are built one after the other.
    #[must_use]
    pub fn with_spread(mut self, spread: Spread) -> Self {
        self.spread = Some(spread);
        self
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Bytes that one storage binding may span: what the adapter allows, and no more floats than a u32 counts, as kernels
    /// do.
    #[must_use]
    pub fn max_binding_bytes(&self) -> u64 {
        self.summary.max_binding_bytes.min(self.summary.max_buffer_bytes).min(4 << 32)
    }

    /// Bytes that may be allocated in all, where known.
    #[must_use]
    pub fn memory_budget(&self) -> Option<u64> {
        self.memory_budget.get()
    }

    /// FLOPs that one dispatch, and one submit, should not pass: about 100 ms on an adapter of this kind (rule 8).
    #[must_use]
    pub fn submit_flops(&self) -> u64 {
        (self.summary.assumed_flops() * 0.1) as u64
    }

    /// The first thing that went wrong since the last call, as an error.
    ///
    /// # Errors
    /// A lost device, memory that ran out, or a call that the driver refused.
    pub fn check(&self) -> Result<(), GpuError> {
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
        match self.spread {
            Some(spread) => spread(missing.len(), &build),
            None => (0..missing.len()).for_each(build),
        }
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
        source: wgpu::ShaderSource::Wgsl(kernel.source().into()),
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
