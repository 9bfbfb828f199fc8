//! A run that is divided among the members of a team has the bits of a run in one place.

mod runs;

use std::cell::RefCell;
use std::rc::Rc;

use lastbit_core::device::Fill;
use lastbit_core::train::{
    Assign, Event, FlipBit, Member, Optimizer, Phase, Results, Start, State, Task, TrainConfig, Trainer, Tuning,
    chunks_of,
};
use runs::{context, dataset, finish, small, trainer};

/// A shared log of the tasks: chunk, phase, and whether the task has a state.
type Log = Rc<RefCell<Vec<(usize, Phase, bool)>>>;

/// One replica at a time, as in a team.
fn tuning(fill: Fill) -> Tuning {
    Tuning { chunk_replicas: Some(1), fill, ..Tuning::default() }
}

/// Members 1 to `size - 1`, all in this thread.
async fn team(config: &TrainConfig, size: usize, log: Log) -> Assign {
    let mut members = Vec::new();
    for member in 1..size {
        let outline = serde_json::to_string(&dataset().outline()).unwrap();
        let outline = serde_json::from_str(&outline).unwrap();
        let new = Member::new(context(), config, &outline, tuning(Fill::Junk), (member, size)).await;
        members.push(new.unwrap_or_else(|e| panic!("{e}")));
    }
    let members = Rc::new(members);
    Box::new(move |tasks: Vec<Task>| -> Results {
        let (members, log) = (Rc::clone(&members), Rc::clone(&log));
        Box::pin(async move {
            let mut results = Vec::new();
            for task in tasks {
                log.borrow_mut().push((task.chunk, task.phase, task.state.is_some()));
                let member = &members[task.chunk % size - 1];
                results.push(member.work(&task).await.map_err(|error| error.to_string())?);
            }
            Ok(results)
        })
    })
}

/// Runs to the end with a bit flipped in each of two replicas.
async fn outcome(mut trainer: Trainer) -> (Vec<String>, State) {
    let mut events = Vec::new();
    for (step, replica) in [(2, 3), (7, 0)] {
        let tensor = "layer1.0.conv1.weight".to_owned();
        trainer.flip_bit(FlipBit { tensor, index: 3, step, replica }).await.unwrap();
        while trainer.submitted() < step {
            events.extend(trainer.advance().await.unwrap().events);
        }
    }
    events.extend(finish(&mut trainer).await);
    (events.iter().map(Event::to_json).collect(), trainer.state().await.unwrap())
}

#[test]
fn every_division_gives_the_bits_of_one_place() {
    // Two and a half epochs with a smaller last batch, and evaluations.
    let config = TrainConfig { ks: vec![1, 3, 2, 5], steps: Some(13), ..small() };
    check_divisions(&config);
    // A state of more arenas.
    check_divisions(&TrainConfig { optimizer: Optimizer::AdamW, ..config });
}

fn check_divisions(config: &TrainConfig) {
    pollster::block_on(async {
        let whole = outcome(trainer(config, Tuning::default(), Start::Fresh).await).await;
        assert!(whole.0.iter().any(|event| event.contains("test_accuracy")), "{:?}", whole.0);
        for size in [2, 3, 4, 9] {
            let mut lead = trainer(config, tuning(Fill::Junk), Start::Fresh).await;
            let log = Log::default();
            lead.divide(size, team(config, size, Rc::clone(&log)).await);
            let divided = outcome(lead).await;
            assert_eq!(divided.0, whole.0, "team of {size}");
            assert!(divided.1 == whole.1, "team of {size}: the states differ");
            // The state goes to a member before the first step and after a change by the lead, and never else.
            let log = log.borrow();
            let sent: Vec<_> = log.iter().enumerate().filter(|(_, task)| task.2).map(|(_, task)| task.0).collect();
            let elsewhere: Vec<_> = (0..4).filter(|chunk| chunk % size != 0).collect();
            let flipped = elsewhere.contains(&3).then_some(3);
            assert_eq!(sent, elsewhere.iter().copied().chain(flipped).collect::<Vec<_>>(), "team of {size}");
            let phases = [Phase::Train, Phase::Evaluate].map(|phase| log.iter().filter(|task| task.1 == phase).count());
            assert_eq!(phases, [13, 3].map(|batches| batches * elsewhere.len()), "team of {size}");
        }
    });
}

#[test]
fn a_member_that_stops_is_an_error() {
    let config = TrainConfig { ks: vec![1, 3], steps: Some(3), ..small() };
    pollster::block_on(async {
        let mut lead = trainer(&config, tuning(Fill::Zero), Start::Fresh).await;
        lead.divide(2, Box::new(|_| Box::pin(async { Err("a worker stopped".to_owned()) })));
        let error = lead.advance().await.unwrap_err().to_string();
        assert!(error.contains("a worker stopped"), "{error}");
    });
}

#[test]
fn chunks_go_round() {
    let of = |member, size| chunks_of(member, size, 5).collect::<Vec<_>>();
    assert_eq!([of(0, 1), of(0, 2), of(1, 2), of(6, 7)], [vec![0, 1, 2, 3, 4], vec![0, 2, 4], vec![1, 3], vec![]]);
}
