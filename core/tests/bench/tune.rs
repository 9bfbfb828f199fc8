//! Tuning chooses among tiles that give the same bits, and refuses tiles that do not.

use std::ops::ControlFlow;

use lastbit_core::bench::tune::{self, Search};
use lastbit_core::nets::GraphBuilder;
use lastbit_core::ops::cross_entropy::Loss;
use lastbit_core::ops::{Activation, Shape, Tile};

use crate::runs;

#[test]
fn every_layer_gets_a_tile_with_the_default_bits() {
    let mut g = GraphBuilder::new("two", Shape::new(3, 8, 8), Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    let x = g.norm_act("bn1", x, Activation::Relu);
    let [y, s] = g.conv_down(["conv2", "downsample"], x, 8);
    let y = g.norm_act("bn2", y, Activation::Relu);
    let y = g.conv3x3("conv3", y, 8);
    let x = g.norm_add_act("bn3", y, s, Activation::Relu);
    let x = g.global_average_pool(x);
    g.dense("fc", x, 4);
    let network = g.finish();
    let expected = tune::passes(&network);
    // The first layer has no gradient by its input.
    assert_eq!(expected.len(), 3 * 3 - 1);

    let context = runs::gpu();
    // Simulates a compiler that computes some tiles incorrectly.
    let has_fault = |tile: Tile| tile.rows == 2 || tile.channels == [2, 4];
    let mut seen = Vec::new();
    let report = |choice: &tune::Choice| {
        seen.push((choice.layer, choice.pass));
        ControlFlow::Continue(())
    };
    let search = Search { staging: true, large: false, has_fault };
    let choices = pollster::block_on(tune::tune(&context, &network, (2, 3), search, report)).unwrap();
    assert_eq!(seen, expected);
    let tiles = tune::tiles(&context, &choices);
    for choice in &choices {
        assert!(tune::is_candidate(choice.tile) && !has_fault(choice.tile), "{choice:?}");
        assert!(choice.ms > 0.0 && choice.default_ms > 0.0, "{choice:?}");
        assert_eq!(tiles.of(choice.layer, choice.pass), choice.tile);
        assert!(!choice.refused.is_empty(), "{choice:?}");
        assert!(choice.refused.iter().all(|tile| has_fault(*tile)), "{choice:?}");
    }
}

#[test]
fn staged_tiles_are_tried() {
    let mut g = GraphBuilder::new("one", Shape::new(3, 8, 8), Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    let x = g.global_average_pool(x);
    g.dense("fc", x, 4);
    let search = Search { staging: true, large: false, has_fault: |tile| tile.staging.is_some() };
    let (context, network) = (runs::gpu(), g.finish());
    for choice in
        pollster::block_on(tune::tune(&context, &network, (2, 3), search, |_| ControlFlow::Continue(()))).unwrap()
    {
        assert!(!choice.refused.is_empty() && choice.tile.staging.is_none(), "{choice:?}");
    }
}
