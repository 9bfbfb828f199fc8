//! The distinct patches of an image under a valid convolution, with their multiplicities, in float64. Sums over pixels become
//! sums over distinct patches. Regular images have few of them (the checkerboard has two).

use std::collections::HashMap;

use super::{Image, PdeError, check_kernel, symmetric_eigenvalues};

/// The distinct patches of an image.
#[derive(Clone, Debug)]
pub struct Patches {
    pixels: Vec<f64>,
    width: usize,
    kernel: usize,
    /// First pixel and multiplicity of each distinct patch.
    distinct: Vec<(usize, f64)>,
    /// Number of output pixels.
    count: f64,
}

impl Patches {
    /// Finds the patches of `image` under a kernel of edge length `kernel`.
    ///
    /// # Errors
    /// [`PdeError::Value`] if `kernel` is 0, larger than the image or larger than [`super::MAX_KERNEL`].
    pub fn new(image: &Image, kernel: u32) -> Result<Self, PdeError> {
        check_kernel(image, kernel)?;
        let (height, width, k) = (image.height() as usize, image.width() as usize, kernel as usize);
        let pixels: Vec<f64> = image.pixels().iter().map(|v| f64::from(*v)).collect();
        let rows = |at: usize| (0..k).map(move |y| at + y * width..at + y * width + k);
        let mut distinct: Vec<(usize, f64)> = Vec::new();
        let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
        for at in (0..=height - k).flat_map(|y| (0..=width - k).map(move |x| y * width + x)) {
            // FNV-1a over words. Patches with equal hashes are then compared.
            let words = rows(at).flat_map(|row| &image.pixels()[row]);
            let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, v| {
                (hash ^ u64::from(v.to_bits())).wrapping_mul(0x0100_0000_01b3)
            });
            let same = by_hash.entry(hash).or_default();
            let equal = |other: usize| rows(at).zip(rows(other)).all(|(a, b)| pixels[a] == pixels[b]);
            match same.iter().find(|index| equal(distinct[**index].0)) {
                Some(index) => distinct[*index].1 += 1.0,
                None => {
                    same.push(distinct.len());
                    distinct.push((at, 1.0));
                }
            }
        }
        let count = ((height - k + 1) * (width - k + 1)) as f64;
        Ok(Self { pixels, width, kernel: k, distinct, count })
    }

    /// Number of elements of the kernel.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Number of distinct patches.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.distinct.len()
    }

    /// Number of patches, which is the number of output pixels.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Multiplicity of each distinct patch.
    pub fn multiplicities(&self) -> impl Iterator<Item = f64> + '_ {
        self.distinct.iter().map(|(_, times)| *times)
    }

    fn rows(&self, first: usize) -> impl Iterator<Item = &[f64]> {
        (0..self.kernel).map(move |y| &self.pixels[first + y * self.width..][..self.kernel])
    }

    /// Inner product of each distinct patch with `w` (`[kh][kw]`), the output of the convolution.
    #[must_use]
    pub fn responses(&self, w: &[f64]) -> Vec<f64> {
        let one = |first: usize| {
            let lines = self.rows(first).zip(w.chunks_exact(self.kernel));
            lines.map(|(x, w)| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()).sum()
        };
        self.distinct.iter().map(|(first, _)| one(*first)).collect()
    }

    /// Sum over all patches of factor times patch, `[kh][kw]`; `factors` has one factor for each distinct patch.
    #[must_use]
    pub fn weighted_sum(&self, factors: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.weights()];
        for ((first, times), factor) in self.distinct.iter().zip(factors) {
            let scale = times * factor;
            for (line, x) in sum.chunks_exact_mut(self.kernel).zip(self.rows(*first)) {
                line.iter_mut().zip(x).for_each(|(s, x)| *s += scale * x);
            }
        }
        sum
    }

    /// Sum of all patches, `[kh][kw]`. The paper writes it as the mean of the image times the number of pixels.
    #[must_use]
    pub fn sum(&self) -> Vec<f64> {
        self.weighted_sum(&vec![1.0; self.distinct()])
    }

    /// Eigenvalues of the Gram matrix, the sum over all patches of patch times patch transposed, in ascending order: one for
    /// each element of the kernel. They are the paper's |Ihat|^2, for a valid convolution.
    #[must_use]
    pub fn gram_eigenvalues(&self) -> Vec<f64> {
        let (n, p) = (self.weights(), self.distinct());
        if p >= n {
            return symmetric_eigenvalues(self.gram(), n);
        }
        // With fewer patches than elements, the p x p matrix of inner products has the same non-zero eigenvalues.
        let patch = |index: usize| self.rows(self.distinct[index].0).flatten();
        let mut a = vec![0.0; p * p];
        for i in 0..p {
            for j in 0..=i {
                let product: f64 = patch(i).zip(patch(j)).map(|(x, y)| x * y).sum();
                a[i * p + j] = product * (self.distinct[i].1 * self.distinct[j].1).sqrt();
            }
        }
        let mut values = vec![0.0; n - p];
        values.extend(symmetric_eigenvalues(a, p));
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// Lower triangle of the Gram matrix, `[kh kw][kh kw]`. Entry (z, z + d) is the sum of the products x[u] x[u + d] over the
    /// window at z, so that each distance d needs one table of sums over rectangles.
    fn gram(&self) -> Vec<f64> {
        let (k, width, n) = (self.kernel, self.width, self.weights());
        let height = self.pixels.len() / width;
        let (rows, columns) = (height - k + 1, width - k + 1);
        let mut a = vec![0.0; n * n];
        let mut table = vec![0.0; (height + 1) * (width + 1)];
        for dy in 0..k {
            for dx in (if dy == 0 { 0 } else { 1 - k as isize })..k as isize {
                let (low, high) = ((-dx).max(0) as usize, (width as isize - dx).min(width as isize) as usize);
                for y in 0..height - dy {
                    let mut line = 0.0;
                    for x in 0..width {
                        if (low..high).contains(&x) {
                            let other = (y + dy) * width + (x as isize + dx) as usize;
                            line += self.pixels[y * width + x] * self.pixels[other];
                        }
                        table[(y + 1) * (width + 1) + x + 1] = table[y * (width + 1) + x + 1] + line;
                    }
                }
                let at = |y: usize, x: usize| table[y * (width + 1) + x];
                for y in 0..k - dy {
                    for x in (0..k).filter(|x| (0..k as isize).contains(&(*x as isize + dx))) {
                        let (z, other) = (y * k + x, (y + dy) * k + (x as isize + dx) as usize);
                        let (y1, x1) = (y + rows, x + columns);
                        a[other * n + z] = at(y1, x1) - at(y, x1) - at(y1, x) + at(y, x);
                    }
                }
            }
        }
        a
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkerboard_has_two_patches_and_one_eigenvalue() {
        let image = Image::checkerboard(64, 50).unwrap();
        let patches = Patches::new(&image, 32).unwrap();
        assert_eq!((patches.distinct(), patches.count()), (2, 33.0 * 19.0));
        let values = patches.gram_eigenvalues();
        assert_eq!(values.len(), 1024);
        assert!((values[1023] / (1024.0 * 33.0 * 19.0) - 1.0).abs() < 1e-12, "{}", values[1023]);
        assert!(values[1022].abs() < 1e-6);
    }

    #[test]
    fn the_table_gives_the_gram_matrix() {
        let image = Image::noise(11, 9, 0.5, 1.0, 3).unwrap();
        let patches = Patches::new(&image, 3).unwrap();
        assert_eq!(patches.distinct(), 63);
        let gram = patches.gram();
        for column in 0..9 {
            let mut unit = vec![0.0; 9];
            unit[column] = 1.0;
            let expected = patches.weighted_sum(&patches.responses(&unit));
            for row in column..9 {
                assert!((gram[row * 9 + column] - expected[row]).abs() < 1e-12, "{row} {column}");
            }
        }
        let values = patches.gram_eigenvalues();
        assert!(
            values[0] > 0.0 && (values.iter().sum::<f64>() - (0..9).map(|i| gram[i * 10]).sum::<f64>()).abs() < 1e-10
        );
    }

    #[test]
    fn repeated_patches_are_counted() {
        let image = Image::grating(16, 16, 4.0, 0.0).unwrap();
        let patches = Patches::new(&image, 5).unwrap();
        assert_eq!(patches.multiplicities().sum::<f64>(), 144.0);
        assert!(patches.distinct() < 144);
        // The same sum over all patches, one at a time.
        let w: Vec<f64> = (0..25).map(|i| f64::from(i) - 7.0).collect();
        let whole = patches.weighted_sum(&patches.responses(&w));
        let mut expected = vec![0.0; 25];
        for at in (0..12).flat_map(|y| (0..12).map(move |x| y * 16 + x)) {
            let patch: Vec<f64> = patches.rows(at).flatten().copied().collect();
            let response: f64 = patch.iter().zip(&w).map(|(x, w)| x * w).sum();
            expected.iter_mut().zip(&patch).for_each(|(e, x)| *e += response * x);
        }
        for (found, expected) in whole.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-9);
        }
    }
}
