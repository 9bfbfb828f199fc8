//! Runs that do not depend on each other, trained at the same time: one thread for each adapter takes the next from the list
//! and trains it whole. Afterwards [`Study::train`] finds them finished.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lastbit_core::train::TrainConfig;

use super::Study;
use crate::failure::Failure;
use crate::reproduce::{Common, Environment};
use crate::run::finished_step;
use crate::terminal::name_thread;
use crate::{device, interrupt};

/// The flags as they would be for each of `--adapters` alone; none where they are not given.
pub fn hands(common: &Common) -> Result<Vec<Common>, Failure> {
    let adapters = common.adapters.as_deref().unwrap_or_default();
    if adapters.len() == 1 {
        return Err(Failure::usage("--adapters: give at least two, or --adapter"));
    }
    Ok(adapters.iter().map(|adapter| Common { adapter: Some(adapter.clone()), ..common.clone() }).collect())
}

impl Study {
    /// Refuses adapters of several makes: their runs would not be comparable.
    pub(super) fn check_hands(&self) -> Result<(), Failure> {
        let first = Environment::of(self.context.adapter(), &[]);
        for hand in self.hands.iter().skip(1) {
            let other = Environment::of(device::open(hand.adapter.as_deref())?.adapter(), &[]);
            if other != first {
                return Err(Failure::usage(format!(
                    "--adapters: '{}' ({}, {}) and '{}' ({}, {}) are not of one make, and their bits may differ: a reproduction \
                     has runs of one make only, so give adapters of the same name, driver and interface",
                    first.adapter, first.driver, first.backend, other.adapter, other.driver, other.backend
                )));
            }
        }
        Ok(())
    }

    /// What is said behind a forecast, which counts one run after the other.
    pub(in crate::reproduce) fn hands_text(&self) -> String {
        match self.hands.len() {
            0 => String::new(),
            n => format!("; the time is that of one adapter, and runs are trained on {n} at a time"),
        }
    }

    /// Trains the runs that are not finished, on all adapters at the same time. Does nothing on one adapter: there
    /// [`Study::train`] comes to them in turn.
    pub fn train_ahead(&mut self, runs: &[(String, TrainConfig)]) -> Result<(), Failure> {
        let place = self.place()?.clone();
        let is_left = |run: &&(String, TrainConfig)| finished_step(&place.run(&run.0), &run.1).is_none();
        let left: Vec<&(String, TrainConfig)> = runs.iter().filter(is_left).collect();
        if self.hands.is_empty() || left.len() < 2 {
            return Ok(());
        }
        let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
        let broken = &self.broken;
        let train = |hand: &Common| {
            let mut study = Self::on(hand, Some(place.clone()), self.hands.len() as u64)?;
            study.is_beside = true;
            if study.broken != *broken {
                return Err(Failure::other("--adapters: the self-test ends otherwise than on the first of them"));
            }
            while let Some((name, config)) = left.get(next.fetch_add(1, Ordering::SeqCst)) {
                study.train(name, config)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            for (index, hand) in self.hands.iter().enumerate() {
                let (train, failure) = (&train, &failure);
                scope.spawn(move || {
                    let _span = tracing::info_span!("hand", hand = index).entered();
                    name_thread(&format!("adapter {}", hand.adapter.as_deref().unwrap_or_default()));
                    if let Err(error) = train(hand) {
                        // The first one is the cause; the others stop and save.
                        let place = format!("adapter {}", hand.adapter.as_deref().unwrap_or_default());
                        let failed = if interrupt::requested() { error } else { error.within(place) };
                        failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(failed);
                        interrupt::stop_all();
                    }
                });
            }
        });
        self.begun += left.len();
        failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }
}
