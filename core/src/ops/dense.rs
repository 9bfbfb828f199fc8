//! Fully connected layers: logits from pooled features, and the layers of an MLP.

use super::workgroups;
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// A dense layer with bias.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    /// Number of input features.
    pub inputs: u32,
    /// Number of output units.
    pub units: u32,
    /// True if all replicas share the input: the flattened batch.
    pub shared_input: bool,
}

/// Threads for `rows` x `columns` results: each computes 4 x 4 of them.
fn threads(rows: u32, columns: u32) -> u64 {
    u64::from(rows.div_ceil(4)) * u64::from(columns.div_ceil(4))
}

impl Dense {
    fn kernel(&self, shader: Shader) -> Kernel {
        let mut all: Vec<(&str, Constant)> = vec![("C", self.inputs.into()), ("K", self.units.into())];
        if shader != Shader::DenseDinput {
            all.push(("SHARED_INPUT", self.shared_input.into()));
        }
        Kernel::new(shader, &all)
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let weights = u64::from(self.inputs * self.units);
        Work::new(2 * samples * weights, 4 * (samples * u64::from(self.inputs + self.units) + weights))
    }

    /// Appends `logits = features * weight^T + bias`. The bindings of weight and bias extend to the end of the arena.
    pub fn forward(&self, rec: &mut Recording, label: &str, [features, weight, bias, logits]: [Binding; 4]) {
        let threads = threads(rec.job.samples, self.units);
        let bindings = [features, weight, bias, logits];
        rec.dispatch(label, self.kernel(Shader::DenseForward), &bindings, workgroups(threads), self.work(rec));
    }

    /// Appends `dfeatures = dlogits * weight`.
    pub fn dinput(&self, rec: &mut Recording, label: &str, [dlogits, weight, dfeatures]: [Binding; 3]) {
        let threads = threads(rec.job.samples, self.inputs);
        let bindings = [dlogits, weight, dfeatures];
        rec.dispatch(label, self.kernel(Shader::DenseDinput), &bindings, workgroups(threads), self.work(rec));
    }

    /// Appends the gradients by weight and bias, written to the arena at `gradient`; the bias follows the weight at a distance
    /// of `weight_to_bias` elements.
    pub fn dweight(
        &self,
        rec: &mut Recording,
        label: &str,
        [features, dlogits, gradient]: [Binding; 3],
        weight_to_bias: u32,
    ) {
        // The bias is one more column.
        let threads = threads(self.units, self.inputs + 1);
        let bindings = [features, dlogits, gradient];
        let kernel = self.kernel(Shader::DenseDweight);
        rec.dispatch_with(label, kernel, &bindings, workgroups(threads), self.work(rec), &[weight_to_bias]);
    }
}
