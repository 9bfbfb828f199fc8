// The share of a thread in a convolution: its tile of pixels and its groups of channels. With UNIFORM, all lanes of a workgroup
// have the same groups, so that GPUs load their weights once for all lanes, and lanes beyond the last tile have no work. Without
// UNIFORM, these lanes continue with the next groups.
// The importing shader declares LANES, UNIFORM, GROUPS (of a thread), and TILES_X and TILES_Y (of a plane).

struct Share {
    tx: u32,
    ty: u32,
    n: u32,     // sample of the batch
    group: u32, // the first
    // False for a lane without work: it repeats the work of another lane and writes nothing.
    is_own: bool,
}

fn share_of(tile: u32, group: u32, is_own: bool) -> Share {
    return Share(tile % TILES_X, (tile / TILES_X) % TILES_Y, tile / (TILES_X * TILES_Y), group * GROUPS, is_own);
}

// The share of a lane; `channel_tiles` is the number of threads that share a tile of pixels.
fn share(workgroup_index: u32, lane: u32, channel_tiles: u32) -> Share {
    let tiles = TILES_X * TILES_Y * job.samples;
    if (UNIFORM) {
        let blocks = (tiles + LANES - 1u) / LANES;
        let tile = (workgroup_index % blocks) * LANES + lane;
        return share_of(min(tile, tiles - 1u), workgroup_index / blocks, tile < tiles);
    }
    let thread = workgroup_index * LANES + lane;
    let own = min(thread, tiles * channel_tiles - 1u);
    return share_of(own % tiles, own / tiles, thread == own);
}
