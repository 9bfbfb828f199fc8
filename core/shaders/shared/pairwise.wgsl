// Combines the parts of the 64 lanes of a workgroup pairwise: lane l takes lane l + 32, then l + 16, ... l + 1 (docs/ORDER.md).
// The importing shader declares the type Part and combine(a: Part, b: Part) -> Part. All lanes must call this, and only once.

var<workgroup> sh_parts: array<Part, 64>;

fn combine_lanes(part: Part, lane: u32) -> Part {
    sh_parts[lane] = part;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width >>= 1u) {
        if (lane < width) {
            sh_parts[lane] = combine(sh_parts[lane], sh_parts[lane + width]);
        }
        workgroupBarrier();
    }
    return sh_parts[0];
}
