//! Twin of shaders/pde_linear_update.wgsl: a step of the linear one-layer equation.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `pde_linear_update`, one piece per replica.
pub struct PdeLinearUpdate {
    gram: View<f32>,
    source: View<f32>,
    dots: View<f32>,
    coefficients: View<f32>,
    parameters: View<f32>,
    elements: usize,
    stride: usize,
}

impl Twin for PdeLinearUpdate {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            gram: launch.floats(0),
            source: launch.floats(1),
            dots: launch.floats(2),
            coefficients: launch.floats(3),
            parameters: launch.floats(4),
            elements: launch.size("ELEMENTS"),
            stride: launch.job().parameter_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let range = replica * self.stride..replica * self.stride + self.elements;
        // SAFETY: the dispatch only reads all but the parameters, and only this piece accesses those of this replica.
        let (gram, source, inner, by, parameters) = unsafe {
            (
                self.gram.read(range.clone()),
                self.source.read(0..self.elements),
                self.dots.read(replica..replica + 1)[0],
                self.coefficients.read(8 * replica..8 * replica + 8),
                self.parameters.write(range),
            )
        };
        let [dt, alpha, of_gram, of_source, of_dot] = [by[0], by[1], by[2], by[3], by[4]];
        for ((w, gram), source) in parameters.iter_mut().zip(gram).zip(source) {
            let by_source = L::mac1(L::mac1(of_dot, inner, of_source), *source, alpha * *w);
            let g = L::mac1(of_gram, *gram, by_source);
            // Not a product with 0, because g may have overflowed.
            *w = if dt != 0.0 { L::mac1(-dt, g, *w) } else { *w };
        }
    }
}
