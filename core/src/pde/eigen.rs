//! Eigenvalues, without eigenvectors, of a symmetric matrix in float64: Householder's reduction to tridiagonal form, then
//! implicit QL steps (Golub & Van Loan, "Matrix Computations", sections 8.3.1 and 8.3.3).

/// All eigenvalues of the symmetric matrix `a` (`[n][n]`, row-major; only the lower triangle is read), in ascending order.
///
/// # Panics
/// If `a` does not have n^2 entries.
#[must_use]
pub fn symmetric_eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    assert_eq!(a.len(), n * n, "a square matrix");
    let (mut diagonal, mut subdiagonal) = (vec![0.0; n], vec![0.0; n]);
    tridiagonalise(&mut a, n, &mut diagonal, &mut subdiagonal);
    drop(a);
    implicit_ql(&mut diagonal, &mut subdiagonal);
    diagonal.sort_unstable_by(f64::total_cmp);
    diagonal
}

/// For each row i, from the last one up, a reflection makes the entries left of the subdiagonal zero. `subdiagonal[i]` is entry
/// (i, i - 1).
fn tridiagonalise(a: &mut [f64], n: usize, diagonal: &mut [f64], subdiagonal: &mut [f64]) {
    let mut product = vec![0.0; n];
    for i in (1..n).rev() {
        let (above, row) = a.split_at_mut(i * n);
        diagonal[i] = row[i];
        let v = &mut row[..i];
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let last = v[i - 1];
        // The opposite sign avoids cancellation.
        let head = if last > 0.0 { -norm } else { norm };
        subdiagonal[i] = head;
        if norm == 0.0 {
            continue;
        }
        v[i - 1] = last - head;
        // v^T v / 2
        let half = norm * norm - head * last;
        // p = A v / half, from the lower triangle only.
        product[..i].fill(0.0);
        for r in 0..i {
            let line = &above[r * n..r * n + r];
            let (head, vr) = (&mut product[..r], v[r]);
            let mut sum = above[r * n + r] * vr;
            for ((p, x), w) in head.iter_mut().zip(line).zip(&v[..r]) {
                *p += x * vr;
                sum += x * w;
            }
            product[r] += sum;
        }
        product[..i].iter_mut().for_each(|p| *p /= half);
        let share = product[..i].iter().zip(&*v).map(|(p, w)| p * w).sum::<f64>() / (2.0 * half);
        product[..i].iter_mut().zip(&*v).for_each(|(p, w)| *p -= share * w);
        for r in 0..i {
            let (vr, pr) = (v[r], product[r]);
            let line = &mut above[r * n..=r * n + r];
            for ((x, w), p) in line.iter_mut().zip(&*v).zip(&product) {
                *x -= vr * p + pr * w;
            }
        }
    }
    if n > 0 {
        diagonal[0] = a[0];
    }
}

fn implicit_ql(d: &mut [f64], e: &mut [f64]) {
    let n = d.len();
    e.rotate_left(1.min(n));
    for l in 0..n {
        // Each eigenvalue takes a few steps. The bound only matters if entries are NaN.
        for _ in 0..60 {
            let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(|m| small(*m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut whole = true;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    whole = false;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
            }
            if whole {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_difference_has_known_eigenvalues() {
        for n in [1, 2, 3, 40] {
            let entry = |at: usize| match (at / n).abs_diff(at % n) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            };
            let found = symmetric_eigenvalues((0..n * n).map(entry).collect(), n);
            for (i, value) in found.iter().enumerate() {
                let angle = std::f64::consts::PI * (i + 1) as f64 / (n + 1) as f64;
                assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-13, "{n}: {found:?}");
            }
        }
    }

    #[test]
    fn eigenvalues_of_a_full_matrix_keep_trace_and_sum_of_squares() {
        let n = 30;
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Noise, 0);
        let mut a = vec![0.0; n * n];
        for r in 0..n {
            for c in 0..=r {
                a[r * n + c] = stream.normal();
                a[c * n + r] = a[r * n + c];
            }
        }
        let found = symmetric_eigenvalues(a.clone(), n);
        let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
        let squares: f64 = a.iter().map(|x| x * x).sum();
        assert!((found.iter().sum::<f64>() - trace).abs() < 1e-12);
        assert!((found.iter().map(|x| x * x).sum::<f64>() - squares).abs() < 1e-10);
    }
}
