#import division
#import opaque
// Chan, Golub, LeVeque 1979: merges (count, mean, M2) of two disjoint sets, where M2 is the sum of squared distances to the mean.

fn chan_merge(a: vec3f, b: vec3f) -> vec3f {
    if (b.x == 0.0) {
        return a;
    }
    // The first set of a lane is returned unchanged: its squared distance from the empty set's mean of 0 may overflow.
    if (a.x == 0.0) {
        return b;
    }
    let n = a.x + b.x;
    let share = quotient(b.x, n);
    let distance = b.y - a.y;
    let squares = fma(opaque(distance * distance), opaque(a.x * share), b.z);
    return opaque3(vec3f(n, fma(distance, share, a.y), a.z + opaque(squares)));
}
