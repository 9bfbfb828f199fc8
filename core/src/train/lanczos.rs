//! The largest eigenvalue of a symmetric matrix of which only products with vectors are known (Lanczos 1950; Golub & Van Loan,
//! "Matrix Computations", section 10.1).

/// Lanczos' iteration. It keeps two vectors: for the largest eigenvalue alone, the copies of converged eigenvalues that appear without
/// reorthogonalisation do no harm (Paige 1980).
pub struct Lanczos {
    diagonal: Vec<f64>,
    /// Norm of what each product adds to the space.
    off_diagonal: Vec<f64>,
    previous: Vec<f64>,
    current: Vec<f64>,
}

/// An estimate of the largest eigenvalue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The largest eigenvalue of the matrix on the space of the vectors so far.
    pub value: f64,
    /// Norm of A x - value x for the unit vector x that belongs to it. An eigenvalue of A lies within this distance.
    pub residual: f64,
}

impl Lanczos {
    /// Begins with `start`, which is not zero.
    pub fn new(mut start: Vec<f64>) -> Self {
        let norm = norm(&start);
        start.iter_mut().for_each(|x| *x /= norm);
        Self { diagonal: Vec::new(), off_diagonal: Vec::new(), previous: vec![0.0; start.len()], current: start }
    }

    /// The unit vector whose product with the matrix comes next.
    pub fn vector(&self) -> &[f64] {
        &self.current
    }

    /// Number of products so far.
    pub fn products(&self) -> usize {
        self.diagonal.len()
    }

    /// Takes the product of the matrix with [`Lanczos::vector`]. Afterwards there is a next vector, unless the space is exhausted
    /// ([`Estimate::residual`] is 0).
    pub fn push(&mut self, mut product: Vec<f64>) {
        let last = self.off_diagonal.last().copied().unwrap_or(0.0);
        product.iter_mut().zip(&self.previous).for_each(|(p, v)| *p -= last * v);
        let along = dot(&product, &self.current);
        product.iter_mut().zip(&self.current).for_each(|(p, v)| *p -= along * v);
        let rest = norm(&product);
        if rest > 0.0 {
            product.iter_mut().for_each(|p| *p /= rest);
        }
        self.diagonal.push(along);
        self.off_diagonal.push(rest);
        self.previous = std::mem::replace(&mut self.current, product);
    }

    /// The estimate after at least one product.
    pub fn largest(&self) -> Estimate {
        let (value, last) = largest_of_tridiagonal(&self.diagonal, &self.off_diagonal);
        Estimate { value, residual: self.off_diagonal.last().map_or(0.0, |rest| rest * last) }
    }
}

/// The sum of products, in order.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The Euclidean norm.
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, and the size of the last component of its unit eigenvector. The last entry
/// of `off_diagonal` is outside the matrix.
fn largest_of_tridiagonal(diagonal: &[f64], off_diagonal: &[f64]) -> (f64, f64) {
    let n = diagonal.len();
    let side = |i: usize| if i == 0 { 0.0 } else { off_diagonal[i - 1] };
    // Gershgorin's circles enclose all eigenvalues.
    let reach = |i: usize| side(i).abs() + if i + 1 < n { off_diagonal[i].abs() } else { 0.0 };
    let mut low = (0..n).map(|i| diagonal[i] - reach(i)).fold(f64::INFINITY, f64::min);
    let mut high = (0..n).map(|i| diagonal[i] + reach(i)).fold(f64::NEG_INFINITY, f64::max);
    // Whether an eigenvalue is above x: the pivots of A - x have as many positive signs (Sylvester's law of inertia).
    let has_above = |x: f64| {
        let mut pivot = 1.0;
        (0..n).any(|i| {
            let fill = if i == 0 { 0.0 } else { side(i) * side(i) / pivot };
            pivot = diagonal[i] - x - fill;
            if pivot == 0.0 {
                pivot = -f64::MIN_POSITIVE.sqrt();
            }
            pivot > 0.0
        })
    };
    while high - low > 1e-14 * high.abs().max(low.abs()) {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if has_above(middle) { low = middle } else { high = middle }
    }
    // The components from the last one back: they grow, so that the recurrence is stable where it matters, for a small last component.
    let (mut component, mut after, mut squares) = (1.0_f64, 0.0_f64, 1.0_f64);
    for i in (1..n).rev() {
        if side(i) == 0.0 {
            break;
        }
        let reached = if i + 1 < n { off_diagonal[i] * after } else { 0.0 };
        let before = ((high - diagonal[i]) * component - reached) / side(i);
        (component, after) = (before, component);
        squares += before * before;
    }
    (high, squares.sqrt().recip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pde::symmetric_eigenvalues;

    fn product(a: &[f64], v: &[f64]) -> Vec<f64> {
        a.chunks(v.len()).map(|row| dot(row, v)).collect()
    }

    /// A symmetric matrix with some large eigenvalues, like the Hessian of a network.
    fn outliers(n: usize) -> Vec<f64> {
        let mut stream = crate::rng::Stream::new(3, crate::rng::Purpose::Noise, 0);
        let vectors: Vec<Vec<f64>> = (0..6).map(|_| (0..n).map(|_| stream.normal()).collect()).collect();
        let mut a = vec![0.0; n * n];
        for (rank, v) in vectors.iter().enumerate() {
            let weight = [4.0, 2.0, 1.0, 0.5, -0.2, -3.0][rank] / n as f64;
            for i in 0..n {
                for j in 0..n {
                    a[i * n + j] += weight * v[i] * v[j];
                }
            }
        }
        for i in 0..n {
            a[i * n + i] += 0.01 * (i as f64 / n as f64);
        }
        a
    }

    #[test]
    fn the_largest_eigenvalue_is_found() {
        let n = 60;
        let a = outliers(n);
        let all = symmetric_eigenvalues(a.clone(), n);
        let wanted = all[n - 1];
        let mut lanczos = Lanczos::new((0..n).map(|i| 1.0 + (i % 7) as f64).collect());
        let mut before = f64::NEG_INFINITY;
        for products in 1..=25 {
            lanczos.push(product(&a, lanczos.vector()));
            assert_eq!(lanczos.products(), products);
            let Estimate { value, residual } = lanczos.largest();
            assert!(value >= before - 1e-9, "estimates grow: {value} after {before}");
            assert!(value <= wanted + 1e-9 * wanted);
            let nearest = all.iter().map(|e| (e - value).abs()).fold(f64::INFINITY, f64::min);
            assert!(nearest <= residual + 1e-9, "an eigenvalue within {residual} of {value}");
            before = value;
        }
        let Estimate { value, residual } = lanczos.largest();
        assert!((value / wanted - 1.0).abs() < 1e-10, "{value}, not {wanted}");
        assert!(residual < 1e-6 * wanted, "{residual}");
    }

    #[test]
    fn an_exhausted_space_has_no_residual() {
        let mut lanczos = Lanczos::new(vec![0.0, 2.0, 0.0]);
        lanczos.push(vec![0.0, -5.0, 0.0]);
        assert_eq!(lanczos.largest(), Estimate { value: -5.0, residual: 0.0 });
    }
}
