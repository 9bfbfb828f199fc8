//! The heat equation u_t = u_xx with fixed ends, by explicit Euler. It shows unrestrained instability (paper, Figure 1).

use std::rc::Rc;

use super::{MAX_REPLICAS, PdeError, STOP_ABOVE, check_dts};
use crate::device::Submitter;
use crate::device::{Buffers, Context, Fill, Program, Readback};
use crate::record::{Act, BufferId, BufferTable, Job, Kernel, Recording};
use crate::record::{Script, Shader, Work};

/// Maximum number of points. Workgroup memory holds two copies of them.
const MAX_POINTS: u32 = 1024;
/// Steps per launch.
const LAUNCH: u32 = 256;

/// The discretisation in space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatParams {
    /// Number of points, ends included: 3 to 1024.
    pub points: u32,
    /// Distance between points.
    pub dx: f64,
}

impl Default for HeatParams {
    /// The paper's discretisation: 31 points at distance 1.
    fn default() -> Self {
        Self { points: 31, dx: 1.0 }
    }
}

impl HeatParams {
    /// Returns the parameters if they are valid.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value.
    pub fn checked(self) -> Result<Self, PdeError> {
        if !(3..=MAX_POINTS).contains(&self.points) {
            return Err(PdeError::value("points", format!("3 to {MAX_POINTS}"), self.points));
        }
        if !(self.dx.is_finite() && self.dx > 0.0) {
            return Err(PdeError::value("dx", "a positive number", self.dx));
        }
        Ok(self)
    }

    /// The paper's initial values: a tent from 0 at the ends to 1.5 in the middle.
    #[must_use]
    pub fn tent(&self) -> Vec<f32> {
        let half = f64::from(self.points - 1) / 2.0;
        (0..self.points).map(|i| (1.5 * (1.0 - (f64::from(i) - half).abs() / half)) as f32).collect()
    }

    /// The eigenvector of a mode, sin(mode pi i / (points - 1)), which a step multiplies by [`HeatParams::factor`].
    fn shape(&self, mode: u32) -> impl Iterator<Item = f64> {
        let turn = std::f64::consts::PI * f64::from(mode) / f64::from(self.points - 1);
        (0..self.points).map(move |i| libm::sin(turn * f64::from(i)))
    }

    /// Factor by which a step of `dt` multiplies mode `mode` (1 to points - 2):
    /// 1 - 4 dt/dx^2 sin^2(mode pi / (2 (points - 1))).
    #[must_use]
    pub fn factor(&self, mode: u32, dt: f64) -> f64 {
        1.0 - dt * self.curvature(mode)
    }

    fn curvature(&self, mode: u32) -> f64 {
        let sin = libm::sin(std::f64::consts::PI * f64::from(mode) / f64::from(2 * (self.points - 1)));
        4.0 * sin * sin / (self.dx * self.dx)
    }

    /// The highest mode, which becomes unstable first.
    #[must_use]
    pub fn highest_mode(&self) -> u32 {
        self.points - 2
    }

    /// The largest stable step size; above it the highest mode grows.
    #[must_use]
    pub fn edge(&self) -> f64 {
        2.0 / self.curvature(self.highest_mode())
    }

    /// Amplitude of mode `mode` in `u` (`[points]`, zero at the ends).
    #[must_use]
    pub fn amplitude(&self, mode: u32, u: &[f64]) -> f64 {
        self.shape(mode).zip(u).map(|(s, u)| s * u).sum::<f64>() * 2.0 / f64::from(self.points - 1)
    }

    /// The exact solution of the difference equation after `steps` steps of `dt` from `start`, as a sum of modes.
    #[must_use]
    pub fn solution(&self, start: &[f64], dt: f64, steps: u32) -> Vec<f64> {
        let mut u = vec![0.0; self.points as usize];
        for mode in 1..=self.highest_mode() {
            let size = self.amplitude(mode, start) * libm::pow(self.factor(mode, dt), f64::from(steps));
            u.iter_mut().zip(self.shape(mode)).for_each(|(u, s)| *u += size * s);
        }
        u
    }
}

/// The heat equation in float64 on the host.
#[derive(Clone, Debug)]
pub struct HeatDouble {
    rate: f64,
    u: Vec<f64>,
    step: u64,
    stopped: Option<u64>,
}

impl HeatDouble {
    /// Starts from the tent, with steps of `dt`.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value.
    pub fn new(params: HeatParams, dt: f64) -> Result<Self, PdeError> {
        let params = params.checked()?;
        check_dts([dt].into_iter())?;
        let u = params.tent().into_iter().map(f64::from).collect();
        Ok(Self { rate: dt / (params.dx * params.dx), u, step: 0, stopped: None })
    }

    /// Runs `steps` steps, or fewer if the run stops.
    pub fn step(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.stopped.is_some() {
                return;
            }
            let last = self.u.len() - 1;
            let mut left = self.u[0];
            for i in 1..last {
                let here = self.u[i];
                self.u[i] = here + self.rate * (left + self.u[i + 1] - 2.0 * here);
                left = here;
            }
            self.step += 1;
            if self.u.iter().any(|v| v.is_nan() || v.abs() > f64::from(STOP_ABOVE)) {
                self.stopped = Some(self.step);
            }
        }
    }

    /// The current values, `[points]`.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.u
    }

    /// The step after which a value exceeded [`STOP_ABOVE`], if any.
    #[must_use]
    pub fn stopped(&self) -> Option<u64> {
        self.stopped
    }
}

/// The heat equation in float32 on an adapter: one replica for each step size, in lockstep.
pub struct Heat {
    context: Rc<Context>,
    params: HeatParams,
    replicas: usize,
    buffers: Buffers,
    ids: Ids,
    /// A program of [`LAUNCH`] steps, and one of as many steps as the `orders` buffer says.
    programs: [Program; 2],
    readback: Readback,
    step: u64,
}

#[derive(Clone, Copy)]
struct Ids {
    orders: BufferId,
    rates: BufferId,
    u: BufferId,
    progress: BufferId,
}

impl Heat {
    /// The recordings of the two programs, and their buffers.
    fn plan(params: HeatParams, replicas: usize) -> (BufferTable, Ids, [Recording; 2]) {
        let mut table = BufferTable::default();
        let n = replicas as u64;
        let ids = Ids {
            orders: table.add("orders", 4),
            rates: table.add("rates", n * 4),
            u: table.add("u", n * u64::from(params.points) * 4),
            progress: table.add("progress", n * 8),
        };
        let constants = [("POINTS", params.points.into()), ("STOP_BITS", STOP_ABOVE.to_bits().into())];
        let kernel = Kernel::new(Shader::HeatSteps, &constants);
        let recordings = [LAUNCH, 0].map(|steps| {
            let mut rec = Recording::new(replicas as u32, Job::default());
            let bindings = [ids.orders, ids.rates, ids.u, ids.progress].map(|id| table.whole(id));
            // The 600 operations per step account for barriers.
            let work =
                Work::new(u64::from(LAUNCH) * (u64::from(params.points) * 6 + 600), u64::from(params.points) * 8);
            rec.dispatch_with("heat", kernel.clone(), &bindings, 1, work, &[steps]);
            rec
        });
        (table, ids, recordings)
    }

    /// What the buffers hold at the start, with one step size for each replica.
    fn start(params: HeatParams, ids: Ids, dts: &[f64]) -> [(BufferId, Vec<u8>); 3] {
        let rates: Vec<f32> = dts.iter().map(|dt| (dt / (params.dx * params.dx)) as f32).collect();
        let tents = params.tent().repeat(dts.len());
        let progress: Vec<u32> = [0, u32::MAX].repeat(dts.len());
        let bytes = |values: &[f32]| bytemuck::cast_slice(values).to_vec();
        let progress = bytemuck::cast_slice(&progress).to_vec();
        [(ids.rates, bytes(&rates)), (ids.u, bytes(&tents)), (ids.progress, progress)]
    }

    /// The script of a run from the tent, of [`LAUNCH`] steps and some more.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value.
    pub(crate) fn script(params: HeatParams, dts: &[f64]) -> Result<Script, PdeError> {
        let params = params.checked()?;
        check_dts(dts.iter().copied())?;
        let (table, ids, [many, rest]) = Self::plan(params, dts.len());
        let orders = (ids.orders, bytemuck::bytes_of(&(LAUNCH / 3)).to_vec());
        let start = Self::start(params, ids, dts).into_iter().chain([orders]);
        let mut acts: Vec<Act> = start.map(|(buffer, bytes)| Act::Write(buffer, bytes)).collect();
        acts.extend([Act::run("whole launch", many), Act::run("part of a launch", rest)]);
        Ok(Script { table, acts, results: vec![ids.u, ids.progress] })
    }

    /// The recordings of a run, for tests of every kernel.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn recordings(params: HeatParams, replicas: usize) -> Result<Vec<Recording>, PdeError> {
        Ok(Self::plan(params.checked()?, replicas.clamp(1, MAX_REPLICAS)).2.to_vec())
    }

    /// Starts from the tent, with one replica for each step size in `dts`.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value, and [`PdeError::Gpu`] if the device fails.
    pub async fn new(context: Rc<Context>, params: HeatParams, dts: &[f64], fill: Fill) -> Result<Self, PdeError> {
        let params = params.checked()?;
        check_dts(dts.iter().copied())?;
        let (table, ids, recordings) = Self::plan(params, dts.len());
        let buffers = Buffers::allocate(&context, &table, fill).await?;
        let [many, rest] = &recordings;
        let limit = context.adapter().submit_flops();
        let many = Program::build(&context, &buffers, many, limit).await?;
        let programs = [many, Program::build(&context, &buffers, rest, limit).await?];
        let replicas = dts.len();
        let mut this =
            Self { context, params, replicas, buffers, ids, programs, readback: Readback::default(), step: 0 };
        this.restart(dts)?;
        Ok(this)
    }

    /// Returns to the tent, with the same number of other step sizes. Buffers and programs are reused.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid step size or another number of them.
    pub fn restart(&mut self, dts: &[f64]) -> Result<(), PdeError> {
        check_dts(dts.iter().copied())?;
        if dts.len() != self.replicas {
            return Err(PdeError::value("number of replicas", format!("{}, as before", self.replicas), dts.len()));
        }
        for (id, bytes) in Self::start(self.params, self.ids, dts) {
            self.buffers.write(&self.context, id, 0, &bytes);
        }
        self.step = 0;
        Ok(())
    }

    /// Submits `steps` steps without waiting for them.
    pub fn step(&mut self, steps: u32) {
        let rest = steps % LAUNCH;
        self.buffers.write(&self.context, self.ids.orders, 0, bytemuck::bytes_of(&rest));
        let mut submitter = Submitter::new(&self.context);
        for _ in 0..steps / LAUNCH {
            submitter.run(&self.programs[0], &self.buffers);
        }
        if rest > 0 {
            submitter.run(&self.programs[1], &self.buffers);
        }
        submitter.submit();
        self.step += u64::from(steps);
    }

    /// Number of steps submitted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Values of all replicas after the last step, `[R][points]`.
    ///
    /// # Errors
    /// [`PdeError::Gpu`] if the device fails.
    pub async fn values(&self) -> Result<Vec<Vec<f32>>, PdeError> {
        let points = self.params.points as usize;
        let bytes = self.read(self.ids.u, self.replicas * points * 4).await?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(values.chunks(points).map(<[f32]>::to_vec).collect())
    }

    /// For each replica, the step after which a value exceeded [`STOP_ABOVE`], if any.
    ///
    /// # Errors
    /// [`PdeError::Gpu`] if the device fails.
    pub async fn stopped(&self) -> Result<Vec<Option<u64>>, PdeError> {
        let bytes = self.read(self.ids.progress, self.replicas * 8).await?;
        let words: Vec<[u32; 2]> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(words.iter().map(|[_, stopped]| (*stopped != u32::MAX).then_some(u64::from(*stopped))).collect())
    }

    async fn read(&self, id: BufferId, bytes: usize) -> Result<Vec<u8>, PdeError> {
        Ok(self.readback.read(&self.context, &self.buffers, (id, 0, bytes as u64)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stable_step_is_the_papers() {
        assert!((HeatParams::default().edge() - 0.50137).abs() < 5e-6);
        let fine = HeatParams { points: 1001, dx: 0.01 };
        assert!((fine.edge() / 0.5e-4 - 1.0).abs() < 1e-4, "dx^2 / 2 on a long grid");
    }

    #[test]
    fn steps_agree_with_the_solution_by_modes() {
        for (points, dt) in [(31, 0.4), (31, 0.8), (10, 0.5)] {
            let params = HeatParams { points, dx: 1.0 };
            let mut run = HeatDouble::new(params, dt).unwrap();
            let start = run.values().to_vec();
            run.step(25);
            let expected = params.solution(&start, dt, 25);
            let scale = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            for (found, expected) in run.values().iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12 * scale, "{points} {dt}");
            }
        }
    }

    #[test]
    fn bad_values_are_named() {
        let message = |params: HeatParams, dt| HeatDouble::new(params, dt).unwrap_err().to_string();
        let base = HeatParams::default();
        assert_eq!(message(base, 0.0), "dt must be a positive number, not 0");
        assert_eq!(message(HeatParams { points: 2, ..base }, 0.1), "points must be 3 to 1024, not 2");
        assert_eq!(message(HeatParams { dx: -1.0, ..base }, 0.1), "dx must be a positive number, not -1");
    }
}
