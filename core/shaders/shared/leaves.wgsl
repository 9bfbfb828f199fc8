// The leaves of batch norm's sums (docs/ORDER.md): four neighbouring pixels of one channel over up to IMAGES images, a chunk of
// the batch. The leaves of a channel are ordered by chunk, then by position. Constants: HEIGHT, WIDTH, IMAGES.

const QUADS = (WIDTH + 3u) / 4u;
const POSITIONS = HEIGHT * QUADS; // leaves of a chunk

struct Leaf {
    row: u32,
    quad: u32,   // index in the row
    first: u32,  // image of the batch
    images: u32,
}

// Number of leaves of a channel.
fn leaf_count() -> u32 {
    return POSITIONS * ((job.samples + IMAGES - 1u) / IMAGES);
}

// Leaf i of a channel.
fn leaf(i: u32) -> Leaf {
    let position = i % POSITIONS;
    let first = (i / POSITIONS) * IMAGES;
    return Leaf(position / QUADS, position % QUADS, first, min(IMAGES, job.samples - first));
}
