//! What the graph builder accepts and refuses.

use super::*;

const RELU: Activation = Activation::Relu;

/// The message with which the builder refuses the network that `declare` declares, if it does.
fn refusal(declare: impl FnOnce(&mut GraphBuilder)) -> Option<String> {
    let build = || {
        let mut g = GraphBuilder::new("net", Shape::new(3, 8, 8), Loss::SoftmaxCrossEntropy);
        declare(&mut g);
        g.finish()
    };
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)).err()?;
    Some(panic.downcast_ref::<String>().expect("a formatted message").clone())
}

/// The end that a network needs.
fn head(g: &mut GraphBuilder, x: TensorId) {
    let features = g.global_average_pool(x);
    g.dense("fc", features, 10);
}

/// A network whose layers `declare` adds to a first convolution of four channels.
fn refusal_after_conv(declare: impl FnOnce(&mut GraphBuilder, TensorId) -> TensorId) -> Option<String> {
    refusal(|g| {
        let x = g.conv3x3("conv1", g.input(), 4);
        let x = declare(g, x);
        head(g, x);
    })
}

#[track_caller]
fn assert_refused(found: Option<String>, message: &str) {
    assert_eq!(found.as_deref(), Some(message));
}

#[test]
fn a_network_whose_tensors_fit_is_built() {
    let found = refusal_after_conv(|g, x| {
        let [y, s] = g.conv_down(["conv2", "projection"], x, 8);
        let y = g.norm_add_act("bn2", y, s, RELU);
        let y = g.add("sum", y, s);
        g.max_pool("pool", y)
    });
    assert_eq!(found, None);
}

#[test]
fn a_tensor_that_the_graph_does_not_have_is_refused() {
    let found = refusal_after_conv(|g, _| g.norm("bn1", TensorId(9)));
    assert_refused(found, "net: bn1 needs an input that is in this graph");
}

#[test]
fn summands_and_shortcuts_of_other_shapes_are_refused() {
    // Other channels, other pixels, features of as many values.
    let found = refusal_after_conv(|g, x| {
        let wide = g.conv3x3("conv2", x, 8);
        g.add("sum", x, wide)
    });
    assert_refused(found, "net: sum needs two inputs of one shape");
    let found = refusal_after_conv(|g, x| {
        let small = g.max_pool("pool", x);
        g.norm_add_act("bn1", x, small, RELU)
    });
    assert_refused(found, "net: bn1 needs a shortcut of its input's shape");
    let found = refusal_after_conv(|g, x| {
        let pixel = ["pool1", "pool2", "pool3"].iter().fold(x, |x, name| g.max_pool(name, x));
        let features = g.global_average_pool(pixel);
        g.add("sum", pixel, features)
    });
    assert_refused(found, "net: sum needs two inputs of one shape");
}

#[test]
fn planes_and_features_are_distinguished() {
    assert_refused(refusal_after_conv(|g, x| g.dense("fc1", x, 10)), "net: fc1 needs features, not planes");
    let found = refusal_after_conv(|g, x| {
        let features = g.global_average_pool(x);
        let twice = g.add("twice", features, features);
        g.conv3x3("conv2", twice, 4)
    });
    assert_refused(found, "net: conv2 needs planes, not features");
}

#[test]
fn sizes_that_an_operation_cannot_compute_are_refused() {
    assert_refused(
        refusal_after_conv(|g, x| g.conv3x3("conv2", x, 0)),
        "net: conv2.weight needs dimensions above zero",
    );
    let found = refusal_after_conv(|g, x| {
        let x = [1, 2, 3].iter().fold(x, |x, i| g.max_pool(&format!("pool{i}"), x));
        g.max_pool("pool4", x)
    });
    assert_refused(found, "net: pool4 needs an input with even sides");
    let found = refusal(|g| {
        let x = g.conv_valid("conv1", g.input(), 4);
        head(g, x);
    });
    assert_refused(found, "net: conv1 needs the batch of one-channel images as its input");
    let large = std::panic::catch_unwind(|| {
        let mut g = GraphBuilder::new("net", Shape::new(1, 8, 6), Loss::SigmoidBinaryCrossEntropy);
        g.conv_valid("conv1", g.input(), 7)
    });
    let message = large.unwrap_err().downcast::<String>().expect("a formatted message");
    assert!(message.starts_with("net: conv1 needs "), "{message}");
}

#[test]
fn names_occur_once() {
    // The second convolution would overwrite the first one's tensor in a checkpoint, the second sum its buffer.
    let found = refusal_after_conv(|g, x| g.conv3x3("conv1", x, 4));
    assert_refused(found, "net: conv1.weight needs a name of its own");
    let found = refusal_after_conv(|g, x| {
        let sum = g.add("sum", x, x);
        g.add("sum", sum, x)
    });
    assert_refused(found, "net: sum needs a name of its own");
}

#[test]
fn the_last_layer_computes_the_logits_and_every_other_output_is_read() {
    let without_logits = "net: the last layer needs to compute features, the logits";
    assert_refused(refusal(|_| ()), without_logits);
    assert_refused(refusal(|g| _ = g.conv3x3("conv1", g.input(), 4)), without_logits);
    let found = refusal(|g| {
        let features = g.conv3x3("conv1", g.input(), 2);
        g.global_average_pool(features);
        g.network.loss = Loss::SigmoidBinaryCrossEntropy;
    });
    assert_refused(found, "net: the loss needs one logit");
    let found = refusal_after_conv(|g, x| {
        g.norm("bn1", x);
        x
    });
    assert_refused(found, "net: bn1 needs a layer that reads its output");
    let found = refusal_after_conv(|g, x| g.conv_down(["conv2", "projection"], x, 8)[0]);
    assert_refused(found, "net: conv2 needs a layer that reads its output");
}

#[test]
fn a_moved_parameter_stays_with_its_layer() {
    let mut g = GraphBuilder::new("net", Shape::new(3, 8, 8), Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    let x = g.conv3x3("conv2", x, 4);
    let x = g.conv3x3("conv3", x, 4);
    head(&mut g, x);
    g.move_after("conv1.weight", "conv3.weight");
    let network = g.finish();
    let names: Vec<_> = network.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["conv2.weight", "conv3.weight", "conv1.weight", "fc.weight", "fc.bias"]);
    for node in network.nodes.iter().filter(|node| !node.parameters.is_empty()) {
        assert_eq!(network.parameters[node.weight().0].name, format!("{}.weight", node.name));
    }
    // 4 x 4 x 9 and 4 x 3 x 9 floats, each rounded up to 64.
    let offsets: Vec<_> = network.parameters.iter().map(|p| p.offset).collect();
    assert_eq!(offsets, [0, 192, 384, 512, 576]);
    assert_eq!(network.parameter_stride, 640);
}
