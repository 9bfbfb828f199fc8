// Which tile of pixels a thread computes, and which of the parts into which the channels are cut. With UNIFORM a workgroup has one
// part, and lanes are left over at the end of its tiles; GPUs then load its weights once for all lanes. Otherwise threads go on
// with the next part.

struct Share {
    tile: u32,
    group: u32,
    // False for a lane that is left over: it computes what another one does, and writes nothing.
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
