// Position of a thread's tile in the output of a convolution; `sample` is an index over the samples of all replicas.

struct Place {
    sample: u32,
    group: u32,
    row: u32,
    tx: u32,
}
