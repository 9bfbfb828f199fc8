//! Compares every kernel with its twin, on the shapes of the published networks. The page contains no twins, so it leaves this out.

use std::rc::Rc;

use super::lockstep::{Compared, Lockstep, Walk};
use super::{Event, Promise, SUBNORMALS, Settings, Subject, class_of, flushes, report, subjects};
use crate::arithmetic::{Arithmetic, Subnormals};
use crate::device::{AdapterChoice, Context, DeviceError, Family, Options};
use crate::ops::Tiles;
use crate::processor::{Class, Isa};
use crate::threads::Threads;
use crate::train::TrainError;

/// Checks the promises `twins` (of a processor: `instruction sets and threads`), `tile-independent` and `subnormals`.
pub(super) async fn check(
    device: &Rc<Context>,
    arithmetic: Arithmetic,
    settings: &Settings,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), TrainError> {
    let subjects = subjects::all(device, settings.quick);
    check_kernels(device, arithmetic, settings, &subjects, on_event).await?;
    let subjects = subjects::with_tiny_gradients(settings.quick);
    check_tiny_gradients(device, arithmetic, settings, &subjects, on_event).await
}

/// The twins that a device is compared with, and the device. Of a processor, its other instruction sets and numbers of threads.
struct Sides {
    reference: Rc<Context>,
    devices: Vec<(String, Rc<Context>)>,
}

impl Sides {
    async fn of(device: &Rc<Context>, class: Class, threads: &Threads) -> Result<Self, DeviceError> {
        let processor = async |instructions: Option<Isa>, threads: Threads| {
            let adapter = AdapterChoice::Named(class.adapter().to_owned());
            let options = Options { adapter, threads, instructions, ..Options::default() };
            Context::open(options).await.map(Rc::new)
        };
        if device.adapter().family != Family::Processor {
            let reference = processor(None, threads.clone()).await?;
            return Ok(Self { reference, devices: vec![(String::new(), Rc::clone(device))] });
        }
        let mut devices = Vec::new();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available() && *isa != Isa::best()) {
            devices.push((isa.name().to_owned(), processor(Some(isa), threads.clone()).await?));
        }
        for count in THREADS {
            // A system that cannot start so many threads computes with fewer.
            let pool = Threads::new(count).unwrap_or_else(|_| Threads::one());
            devices.push((format!("{} with {count} threads", Isa::best().name()), processor(None, pool).await?));
        }
        Ok(Self { reference: processor(None, Threads::one()).await?, devices })
    }
}

/// Numbers of threads with which a processor must have the same bits as with one.
const THREADS: [usize; 3] = [2, 3, 7];
/// Factor on the gradient of the loss with which a backward pass has subnormal numbers.
const TINY: f32 = f32::from_bits((127 - 120) << 23);

/// Compares the kernels of `subjects` with their twins, and those of convolutions with other tiles: the promises `twins` and
/// `tile-independent`.
///
/// # Errors
/// Same as [`run`](super::run).
pub async fn check_kernels(
    device: &Rc<Context>,
    arithmetic: Arithmetic,
    settings: &Settings,
    subjects: &[Subject],
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), TrainError> {
    let sides = Sides::of(device, class_of(arithmetic), &settings.threads).await?;
    let walk = Walk { gradient_scale: None, fault: settings.fault };
    let (mut twins, mut tiles) = (Compared::default(), Compared::default());
    for subject in subjects {
        on_event(Event::Subject(&subject.name));
        let compared = compare(device, &sides, subject, &settings.tuned, walk, &mut twins, &mut tiles).await;
        report::note(&mut twins.findings, compared)?;
    }
    let is_processor = device.adapter().family == Family::Processor;
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
    let mut checked = twins.text();
    if is_processor {
        let others: Vec<_> = sides.devices.iter().map(|(name, _)| name.as_str()).collect();
        let best = Isa::best().name();
        checked = format!("{checked}: {} against {best} with one thread", others.join(", "));
    }
    let checked = format!("{checked}; {}", names.join("; "));
    let exception = twins.exception();
    let (name, meaning) =
        if is_processor { ("instruction sets and threads", INSTRUCTION_SETS) } else { ("twins", TWINS) };
    on_event(Event::Promise(Promise { exception, ..twins.findings.promise(name, meaning, checked) }));
    if tiles.launches > 0 {
        let (checked, exception) = (tiles.text(), tiles.exception());
        let promise = tiles.findings.promise("tile-independent", TILES, checked);
        on_event(Event::Promise(Promise { exception, ..promise }));
    }
    Ok(())
}

/// Compares the backward kernels of `subjects` on gradients that are subnormal numbers: the promise `subnormals`.
///
/// # Errors
/// Same as [`run`](super::run).
pub async fn check_tiny_gradients(
    device: &Rc<Context>,
    arithmetic: Arithmetic,
    settings: &Settings,
    subjects: &[Subject],
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), TrainError> {
    if arithmetic.subnormals == Subnormals::Flushed {
        on_event(Event::Promise(flushes("not checked")));
        return Ok(());
    }
    let sides = Sides::of(device, class_of(arithmetic), &settings.threads).await?;
    let walk = Walk { gradient_scale: Some(TINY), fault: settings.fault };
    let mut twins = Compared::default();
    for subject in subjects {
        let name = format!("{}, tiny gradients", subject.name);
        on_event(Event::Subject(&name));
        let compared = compare(device, &sides, subject, &[], walk, &mut twins, &mut Compared::default()).await;
        report::note(&mut twins.findings, compared)?;
    }
    let (checked, exception) =
        (format!("{}, {} subnormal numbers", twins.text(), twins.tally.subnormal), twins.exception());
    let promise = twins.findings.promise("subnormals", SUBNORMALS, checked);
    on_event(Event::Promise(Promise { exception, ..promise }));
    Ok(())
}

async fn compare(
    device: &Rc<Context>,
    sides: &Sides,
    subject: &Subject,
    tuned: &[Tiles],
    walk: Walk,
    twins: &mut Compared,
    tiles: &mut Compared,
) -> Result<(), TrainError> {
    let (script, variants) = subject.scripts(device, tuned)?;
    let Sides { reference, devices } = sides;
    let lockstep = Lockstep::new(&subject.name, &script, reference, devices, walk).await?;
    Ok(lockstep.run(&variants, twins, tiles).await?)
}

impl Compared {
    /// What was compared, such as `123 kernels in 4567 launches, 89 million words`.
    fn text(&self) -> String {
        let Self { kernels, launches, recordings, tally, .. } = self;
        let whole = if *recordings > 0 { format!(" and {recordings} whole recordings") } else { String::new() };
        format!(
            "{} kernels in {launches} launches{whole}, {:.1} million words",
            kernels.len(),
            tally.words as f64 * 1e-6
        )
    }

    /// The documented exceptions that were needed.
    fn exception(&self) -> Option<String> {
        let zeros = (self.tally.zeros > 0).then(|| {
            format!("{} zeros have the other sign (docs/RULES.md: compilers fold x * 0 and x + 0)", self.tally.zeros)
        });
        let nans = (self.tally.nans > 0).then(|| format!("{} NaNs have other bits", self.tally.nans));
        let all: Vec<_> = zeros.into_iter().chain(nans).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

const TWINS: &str = "Every kernel writes the bits of its twin on the processor, and nothing else.";
const INSTRUCTION_SETS: &str = "Every instruction set and any number of threads give the same bits.";
const TILES: &str = "A convolution has the same bits with any tile.";
