// The share of a thread in a kernel without sums: four columns (a quad) of a row of planes [R][N][C].
// Constants: C, WIDTH.

const QUADS = (WIDTH + 3u) / 4u; // of a row

struct Quad {
    plane: u32,   // index in [R][N][C]
    row: u32,     // or strip of rows
    quad: u32,    // index in the row
    is_own: bool, // false for a lane beyond the last plane
}

// The quad of a lane in planes of `rows` rows of `quads` quads.
fn own_quad(tile: vec3u, lane: u32, rows: u32, quads: u32) -> Quad {
    let t = (job.first_tile + tile.x) * 64u + lane;
    let plane = t / (quads * rows);
    let planes = job.samples * C;
    return Quad(tile.y * planes + plane, (t / quads) % rows, t % quads, plane < planes);
}
