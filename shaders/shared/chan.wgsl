// Chan, Golub, LeVeque 1979: merging (count, mean, M2) of two disjoint sets, M2 = sum of squared distances to the mean.

fn chan_merge(a: vec3f, b: vec3f) -> vec3f {
    if (b.x == 0.0) {
        return a;
    }
    // The first set of a lane: taken as it is, for the square of its distance from nothing may overflow.
    if (a.x == 0.0) {
        return b;
    }
    let n = a.x + b.x;
    let share = b.x / n;
    let distance = b.y - a.y;
    return vec3f(n, fma(distance, share, a.y), a.z + fma(distance * distance, a.x * share, b.z));
}
