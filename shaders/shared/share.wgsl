// The share of a thread: its tile of pixels and its group of channels. With UNIFORM, all lanes of a workgroup have the same
// group, so that GPUs load its weights once for all lanes, and lanes beyond the last tile have no work. Without UNIFORM, these
// lanes continue with the next group.

struct Share {
    tile: u32,
    group: u32,
    // False for a lane without work: it repeats the work of another lane and writes nothing.
    is_own: bool,
}

fn share(workgroup_index: u32, lane: u32, tiles: u32, groups: u32) -> Share {
    if (UNIFORM) {
        let blocks = (tiles + LANES - 1u) / LANES;
        let tile = (workgroup_index % blocks) * LANES + lane;
        return Share(min(tile, tiles - 1u), workgroup_index / blocks, tile < tiles);
    }
    let thread = workgroup_index * LANES + lane;
    let own = min(thread, tiles * groups - 1u);
    return Share(own % tiles, own / tiles, thread == own);
}
