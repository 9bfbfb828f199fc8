//! Measures a program: a whole run, its longest submit, and each dispatch separately.

use web_time::Instant;

use super::executor::{Action, Launch, timed_submit};
use super::{Buffers, Context, Program, Readback, Submitter};
use crate::device::{DeviceError, DispatchTime, Family, RunTime};

impl Program {
    /// Runs the program `repeats` times, waits for each submit, and returns the mean duration.
    ///
    /// # Errors
    /// Same as [`Context::check`].
    pub fn time(&self, context: &Context, buffers: &Buffers, repeats: u32) -> Result<RunTime, DeviceError> {
        let start = Instant::now();
        let mut submitter = Submitter::timed(context);
        (0..repeats.max(1)).for_each(|_| submitter.run(self, buffers));
        submitter.submit();
        context.check()?;
        let seconds = start.elapsed().as_secs_f64() / f64::from(repeats.max(1));
        Ok(RunTime { seconds, longest_submit: submitter.longest_submit() })
    }

    /// Runs the program once, each launch in a separate pass. GPU timestamps measure it if a hardware GPU has them, else the
    /// host's clock around each submit (on software adapters, whose launches cost almost nothing).
    ///
    /// # Errors
    /// Same as [`Readback::take`].
    pub async fn profile(&self, context: &Context, buffers: &Buffers) -> Result<Vec<DispatchTime>, DeviceError> {
        let mut times: Vec<DispatchTime> = self
            .labels
            .iter()
            .map(|(label, kernel)| DispatchTime { label: label.clone(), kernel, seconds: 0.0 })
            .collect();
        let stamps = context.adapter().timestamps && context.adapter().family == Family::Gpu;
        for action in &self.actions {
            let Action::Launch(launch) = action else {
                continue;
            };
            let seconds =
                if stamps { timed_by_stamps(context, launch).await? } else { timed_by_clock(context, launch) };
            times[launch.dispatch].seconds += seconds;
        }
        context.check()?;
        // The loop left out copies and clears; one complete run makes the buffers consistent again.
        let mut submitter = Submitter::new(context);
        submitter.run(self, buffers);
        submitter.wait();
        Ok(times)
    }
}

fn encode(pass: &mut wgpu::ComputePass<'_>, launch: &Launch) {
    pass.set_pipeline(&launch.pipeline);
    pass.set_bind_group(0, &launch.bind_group, &[]);
    pass.dispatch_workgroups(launch.grid[0], launch.grid[1], 1);
}

fn timed_by_clock(context: &Context, launch: &Launch) -> f64 {
    let mut encoder = context.device.create_command_encoder(&Default::default());
    encode(&mut encoder.begin_compute_pass(&Default::default()), launch);
    timed_submit(context, encoder.finish()).1
}

async fn timed_by_stamps(context: &Context, launch: &Launch) -> Result<f64, DeviceError> {
    let queries = context.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("profile"),
        ty: wgpu::QueryType::Timestamp,
        count: 2,
    });
    let resolved = context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("profile"),
        size: 16,
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut encoder = context.device.create_command_encoder(&Default::default());
    let descriptor = wgpu::ComputePassDescriptor {
        label: None,
        timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
            query_set: &queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }),
    };
    encode(&mut encoder.begin_compute_pass(&descriptor), launch);
    encoder.resolve_query_set(&queries, 0..2, &resolved, 0);
    context.queue.submit([encoder.finish()]);
    let bytes = Readback::default().read_raw(context, &resolved, 16).await?;
    let stamps: &[u64] = bytemuck::cast_slice(&bytes);
    Ok(stamps[1].saturating_sub(stamps[0]) as f64 * f64::from(context.queue.get_timestamp_period()) * 1e-9)
}
