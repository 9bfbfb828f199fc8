//! Chooses the tile of each convolution on an adapter by measurement. Before a tile is timed, it computes the layer on random
//! values. A tile whose bits differ from those of the default tile is refused, so that choices do not change results.

use std::ops::ControlFlow;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::cases::{BenchOperation, Recorded, accumulating};
use crate::device::{Buffers, Context, DeviceError, Family, Fill, Program, Readback, Submitter};
use crate::gpu::wgsl;
use crate::nets::{self, Network};
use crate::ops::{Conv, ConvDown, ConvLayer, Pass, Shape, Tile, Tiles};
use crate::record::{BufferId, Recording};
use crate::rng::{Purpose, Stream};
use crate::train::{TrainError, default_tiles};

/// The tile for all layers of one geometry in one pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Choice {
    /// Geometry of the layers.
    pub layer: ConvLayer,
    /// The pass.
    pub pass: Pass,
    /// The fastest tile.
    pub tile: Tile,
    /// Duration with the fastest tile in milliseconds.
    pub ms: f64,
    /// Duration with the default tile in milliseconds, measured alternately with the fastest.
    pub default_ms: f64,
    /// Tiles whose bits differ from those of the default tile. The adapter's compiler cannot be trusted with them.
    pub refused: Vec<Tile>,
}

const ROWS: [u32; 4] = [4, 1, 2, 8];
const GROUPS: [u32; 3] = [1, 2, 4];
const CHANNELS: [[u32; 2]; 8] = [[4, 4], [2, 4], [2, 8], [4, 8], [1, 8], [2, 2], [4, 16], [8, 16]];
const LANES: [u32; 4] = [64, 32, 128, 256];
/// Staged workgroups: number of threads, and how many of them share what they load.
const STAGING: [(u32, u32); 4] = [(64, 2), (128, 4), (256, 4), (256, 8)];
/// A tile must take less than this fraction of the best time so far. A smaller gain is noise.
const WORTH: f64 = 0.95;
/// Measurements of each tile, alternating with the best one so far.
const TURNS: usize = 3;
/// Sums per thread that fit into the registers of a GPU with 255 registers per thread, beside the values that it reads.
const REGISTERS: u32 = 160;
/// Approximate duration of a measurement in seconds.
const LONG_ENOUGH: f64 = 0.02;
/// Number of random floats that fill the inputs, repeated.
const PATTERN: usize = 262_139;

/// Which tiles to try.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// True to try tiles with staging.
    pub staging: bool,
    /// True to try tiles whose sums overflow a GPU's registers. Software adapters take seconds to compile each of them.
    pub large: bool,
    /// A fault injector: selects tiles in whose results a bit is flipped, to show that such tiles are refused.
    pub has_fault: fn(Tile) -> bool,
}

impl Search {
    /// The tiles that may be faster on this adapter. On a software adapter, workgroup memory is ordinary memory, and staging
    /// doubles the time. Its loads are so expensive that large tiles are faster, although their sums are in memory.
    #[must_use]
    pub fn on(context: &Context) -> Self {
        let is_gpu = context.adapter().family == Family::Gpu;
        Self { staging: is_gpu, large: !is_gpu, has_fault: |_| false }
    }
}

/// Finds the tiles for training `network` with `(replicas, samples)` at once. Calls `on_choice` with each choice; if it breaks,
/// the result has only the choices so far.
///
/// # Errors
/// [`TrainError::Gpu`] if the device is lost, a layer does not fit into its memory, or it refuses the default tile.
pub async fn tune(
    context: &Rc<Context>,
    network: &Network,
    sizes: (u32, u32),
    search: Search,
    mut on_choice: impl FnMut(&Choice) -> ControlFlow<()>,
) -> Result<Vec<Choice>, TrainError> {
    let mut choices: Vec<Choice> = Vec::new();
    for layer in passes(network) {
        let choice = choose(context, layer, sizes, search).await?;
        let flow = on_choice(&choice);
        choices.push(choice);
        if flow.is_break() {
            break;
        }
    }
    Ok(choices)
}

/// True for a tile that [`tune`] may choose.
#[must_use]
pub fn is_candidate(tile: Tile) -> bool {
    let are_lanes = match tile.staging {
        Some(sharers) => STAGING.contains(&(tile.lanes, sharers)),
        None => LANES.contains(&tile.lanes),
    };
    are_lanes && ROWS.contains(&tile.rows) && GROUPS.contains(&tile.groups) && CHANNELS.contains(&tile.channels)
}

/// A list of tiles in which every choice of rows, of groups and of channels occurs with every number of threads and every kind
/// of staging.
#[must_use]
pub fn candidates() -> Vec<Tile> {
    let direct = LANES.map(|lanes| (lanes, None)).into_iter();
    let cuts: Vec<_> = direct.chain(STAGING.map(|(lanes, sharers)| (lanes, Some(sharers)))).collect();
    let tile = |i: usize| {
        let (lanes, staging) = cuts[i / CHANNELS.len()];
        Tile {
            rows: ROWS[i % ROWS.len()],
            groups: GROUPS[i % GROUPS.len()],
            channels: CHANNELS[i % CHANNELS.len()],
            lanes,
            uniform: (i / ROWS.len()) % 2 == 1,
            staging,
        }
    };
    (0..CHANNELS.len() * cuts.len()).map(tile).collect()
}

/// A text that changes when the candidates change: the tiles, and the kernels that use them.
#[must_use]
pub fn identity() -> String {
    let conv = Conv { input: Shape::new(16, 8, 8), out_channels: 16, shared_input: false };
    let down = ConvDown { input: Shape::new(16, 8, 8), out_channels: 16 };
    let staged = Tile { lanes: 128, staging: Some(4), ..Tile::default() };
    let mut text = format!("{:?}", candidates());
    for (layer, tile) in
        [(ConvLayer::Conv(conv), Tile::default()), (ConvLayer::Conv(conv), staged), (down.into(), staged)]
    {
        for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
            let recorded =
                BenchOperation::of(layer, pass).record((1, 1), tile).expect("recording a convolution cannot fail");
            recorded.recording.dispatches().for_each(|dispatch| text.push_str(&wgsl::source(&dispatch.kernel)));
        }
    }
    text
}

/// The tiles of `choices`, and the default tiles for all other layers and passes.
#[must_use]
pub fn tiles(context: &Context, choices: &[Choice]) -> Tiles {
    let mut tiles = default_tiles(context.adapter());
    choices.iter().for_each(|choice| tiles.choose(choice.layer, choice.pass, choice.tile));
    tiles
}

/// Finds the tile of one layer in one pass.
pub(super) async fn choose(
    context: &Rc<Context>,
    (layer, pass): (ConvLayer, Pass),
    sizes: (u32, u32),
    search: Search,
) -> Result<Choice, TrainError> {
    Tuner::new(context, layer, pass, sizes).await?.choose(search).await
}

/// The convolutions of `network`, each geometry once, with the passes that training needs.
#[must_use]
pub fn passes(network: &Network) -> Vec<(ConvLayer, Pass)> {
    let mut all = Vec::new();
    for node in &network.nodes {
        let (layer, is_batch) = match &node.operation {
            nets::Operation::Conv(conv) => (ConvLayer::Conv(*conv), conv.shared_input),
            nets::Operation::ConvDown(conv) => (ConvLayer::ConvDown(*conv), false),
            _ => continue,
        };
        for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
            let is_needed = pass != Pass::InputGradient || !is_batch;
            if is_needed && !all.contains(&(layer, pass)) {
                all.push((layer, pass));
            }
        }
    }
    all
}

/// Measures one layer in one pass.
struct Tuner<'a> {
    context: &'a Rc<Context>,
    layer: ConvLayer,
    pass: Pass,
    sizes: (u32, u32),
    buffers: Buffers,
    outputs: Vec<(BufferId, u64)>,
}

impl<'a> Tuner<'a> {
    async fn new(
        context: &'a Rc<Context>,
        layer: ConvLayer,
        pass: Pass,
        sizes: (u32, u32),
    ) -> Result<Self, TrainError> {
        let Recorded { table, outputs, planes, .. } = BenchOperation::of(layer, pass).record(sizes, Tile::default())?;
        let buffers = Buffers::allocate(context, &table, Fill::Zero).await?;
        let mut stream = Stream::new(1, Purpose::Synthetic, 0);
        let pattern: Vec<f32> = (0..PATTERN).map(|_| stream.below(1 << 16) as f32 / 32_768.0 - 1.0).collect();
        let of_bytes = |id: BufferId| (id, table.spec(id).bytes);
        for (id, bytes) in table.ids().map(of_bytes) {
            // The borders of planes must stay zero, because kernels may read them.
            let shape = planes.iter().find(|(of, _)| *of == id).map(|(_, shape)| shape);
            let whole = |shape: &Shape| {
                let pixels = (shape.height * shape.width) as usize;
                let count = (PATTERN / pixels).max(1);
                let values: Vec<f32> = pattern.iter().copied().cycle().take(count * pixels).collect();
                let mut planes = shape.to_planes(&values);
                planes.truncate(count * shape.plane() as usize * 4);
                planes
            };
            let values = shape.map_or_else(|| pattern.clone(), whole);
            let values: &[u8] = bytemuck::cast_slice(&values);
            let mut at = 0;
            while at < bytes {
                let n = (bytes - at).min(values.len() as u64);
                buffers.write(context, id, at, &values[..n as usize]);
                at += n;
            }
        }
        let outputs = outputs.into_iter().map(of_bytes).collect();
        Ok(Self { context, layer, pass, sizes, buffers, outputs })
    }

    async fn program(&self, tile: Tile) -> Result<Program, TrainError> {
        let recorded = BenchOperation::of(self.layer, self.pass).record(self.sizes, tile)?;
        self.build(&recorded.recording).await
    }

    async fn build(&self, recording: &Recording) -> Result<Program, TrainError> {
        Ok(Program::build(self.context, &self.buffers, recording, self.context.adapter().submit_flops()).await?)
    }

    /// The bytes that the launches write into poisoned buffers. For a gradient by the input, also the bytes after the
    /// accumulating kernel has added it a second time.
    async fn bits(&self, tile: Tile, program: &Program) -> Result<Vec<Vec<u8>>, TrainError> {
        let poison = vec![0xa5; 1 << 20];
        for (id, bytes) in &self.outputs {
            for at in (0..*bytes).step_by(poison.len()) {
                self.buffers.write(self.context, *id, at, &poison[..(bytes - at).min(poison.len() as u64) as usize]);
            }
        }
        let mut all = self.outputs_of(program).await?;
        if let (ConvLayer::Conv(conv), Pass::InputGradient) = (self.layer, self.pass) {
            let again = self.build(&accumulating(conv, self.sizes, tile).recording).await?;
            all.extend(self.outputs_of(&again).await?);
        }
        Ok(all)
    }

    async fn outputs_of(&self, program: &Program) -> Result<Vec<Vec<u8>>, TrainError> {
        let mut submitter = Submitter::new(self.context);
        submitter.run(program, &self.buffers);
        submitter.submit();
        let readback = Readback::default();
        let mut all = Vec::new();
        for (id, bytes) in &self.outputs {
            all.push(readback.read(self.context, &self.buffers, (*id, 0, *bytes)).await?);
        }
        Ok(all)
    }

    /// The tiles that differ from `tile` in the rows of a thread or, for weight gradients, in its channels.
    fn other_threads(&self, tile: Tile, search: Search) -> Vec<Tile> {
        self.of_use(
            tile,
            search,
            match self.pass {
                Pass::WeightGradient => CHANNELS.map(|channels| Tile { channels, ..tile }).to_vec(),
                Pass::Forward | Pass::InputGradient => ROWS.map(|rows| Tile { rows, ..tile }).to_vec(),
            },
        )
    }

    /// The tiles that differ from `tile` in a thread's groups of channels.
    fn other_groups(&self, tile: Tile, search: Search) -> Vec<Tile> {
        match self.pass {
            Pass::WeightGradient => Vec::new(),
            Pass::Forward | Pass::InputGradient => {
                self.of_use(tile, search, GROUPS.map(|groups| Tile { groups, ..tile }).to_vec())
            }
        }
    }

    /// Removes tiles from `others` that are not worth trying beside `tile`. A tile taller than the layer is the same kernel as
    /// one as tall as the layer, and a tile of twice the layer's channels computes values that are never used.
    fn of_use(&self, tile: Tile, search: Search, mut others: Vec<Tile>) -> Vec<Tile> {
        // A tile's rows are output rows, also in a pair's gradient by the input, where a thread owns two input rows for each.
        let rows = |tile: &Tile| tile.rows.min(self.layer.output().height);
        let (groups_c, groups_k) = (self.layer.input().channels.div_ceil(4), self.layer.output().channels.div_ceil(4));
        others.retain(|other| {
            let [c, k] = other.channels.map(|channels| channels.div_ceil(4));
            let is_narrow = match self.pass {
                Pass::WeightGradient => c < 2 * groups_c && k < 2 * groups_k,
                Pass::Forward => other.groups < 2 * groups_k,
                Pass::InputGradient => other.groups < 2 * groups_c,
            };
            let is_other = Tile { rows: rows(other), ..*other } != Tile { rows: rows(&tile), ..tile };
            is_other && is_narrow && (search.large || self.sums(other, rows(other)) <= REGISTERS)
        });
        others
    }

    /// Number of sums that a thread keeps if it has `rows` rows.
    fn sums(&self, tile: &Tile, rows: u32) -> u32 {
        let [c, k] = tile.channels;
        match (self.layer, self.pass) {
            (ConvLayer::Conv(_), Pass::WeightGradient) => c * k * 9,
            (ConvLayer::ConvDown(_), Pass::WeightGradient) => c * k * 10,
            (ConvLayer::Conv(_), _) => rows * tile.groups * 16,
            (ConvLayer::ConvDown(_), Pass::Forward) => rows * tile.groups * 32,
            (ConvLayer::ConvDown(_), Pass::InputGradient) => rows * tile.groups * 80,
        }
    }

    /// The tiles that differ from `tile` in the grouping of threads into workgroups.
    fn other_workgroups(&self, tile: Tile) -> Vec<Tile> {
        let others = LANES.into_iter().filter(|lanes| *lanes != tile.lanes);
        let others = others.map(|lanes| Tile { lanes, ..tile });
        let has_groups = self.pass != Pass::WeightGradient;
        others.chain(has_groups.then_some(Tile { uniform: !tile.uniform, ..tile })).collect()
    }

    /// Variants of `tile` with staging.
    fn staged(&self, tile: Tile) -> Vec<Tile> {
        self.staging(STAGING.map(|(lanes, sharers)| Tile { lanes, staging: Some(sharers), ..tile }).to_vec())
    }

    /// Keeps the tiles with which this layer is staged, because it fits.
    fn staging(&self, mut tiles: Vec<Tile>) -> Vec<Tile> {
        let ConvLayer::Conv(conv) = self.layer else { return Vec::new() };
        tiles.retain(|tile| conv.is_staged(self.pass, *tile, self.sizes.1));
        tiles
    }

    async fn choose(self, search: Search) -> Result<Choice, TrainError> {
        let default = default_tiles(self.context.adapter()).of(self.layer, self.pass);
        let default_program = self.program(default).await?;
        let expected = self.bits(default, &default_program).await?;
        let mut best = (default, default_program);
        let mut refused = Vec::new();
        let once = best.1.time(self.context, &self.buffers, 1)?.seconds;
        let repeats = (LONG_ENOUGH / once.max(1e-7)).clamp(1.0, 500.0) as u32;
        for stage in 0..6 {
            let tile = best.0;
            let candidates = match stage {
                0 => self.other_threads(tile, search),
                1 => self.other_groups(tile, search),
                2 => self.other_workgroups(tile),
                3 if search.staging => self.staged(tile),
                // The best rows and groups without staging need not be the best ones with it.
                4 if tile.staging.is_some() => self.staging(self.other_threads(tile, search)),
                5 if tile.staging.is_some() => self.staging(self.other_groups(tile, search)),
                _ => Vec::new(),
            };
            for candidate in candidates {
                let Some((program, mut bits)) = self.computed(candidate).await? else { continue };
                if (search.has_fault)(candidate) {
                    bits[0][0] ^= 1;
                }
                if bits != expected {
                    refused.push(candidate);
                    continue;
                }
                let (of_best, of_candidate) = self.compare(&best.1, &program, repeats)?;
                if of_candidate < of_best * WORTH {
                    best = (candidate, program);
                }
            }
        }
        // Compare the best tile once more with the default one: a tile that won by noise will not win twice.
        let (default_seconds, mut seconds) = self.compare(&self.program(default).await?, &best.1, repeats)?;
        let mut tile = best.0;
        if tile == default || seconds > default_seconds * WORTH {
            (tile, seconds) = (default, default_seconds);
        }
        let Self { layer, pass, .. } = self;
        Ok(Choice { layer, pass, tile, ms: seconds * 1e3, default_ms: default_seconds * 1e3, refused })
    }

    /// The program of a tile and its output; `None` if the driver refuses it.
    async fn computed(&self, tile: Tile) -> Result<Option<(Program, Vec<Vec<u8>>)>, TrainError> {
        let computed = match self.program(tile).await {
            Ok(program) => self.bits(tile, &program).await.map(|bits| (program, bits)),
            Err(error) => Err(error),
        };
        match computed {
            Ok(computed) => Ok(Some(computed)),
            Err(TrainError::Gpu(DeviceError::Refused(_))) => match self.context.check() {
                // The device may report the same refusal a second time.
                Ok(()) | Err(DeviceError::Refused(_)) => Ok(None),
                Err(lost) => Err(lost.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// The shortest duration of each program in seconds, measured alternately.
    fn compare(&self, a: &Program, b: &Program, repeats: u32) -> Result<(f64, f64), TrainError> {
        let mut least = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TURNS {
            least.0 = least.0.min(a.time(self.context, &self.buffers, repeats)?.seconds);
            least.1 = least.1.min(b.time(self.context, &self.buffers, repeats)?.seconds);
        }
        Ok(least)
    }
}
