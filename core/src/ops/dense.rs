//! The fully connected layer at the end: logits from pooled features.

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// A dense layer with bias.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    /// Input features.
    pub inputs: u32,
    /// Output units.
    pub units: u32,
}

impl Dense {
    fn kernel(&self, shader: Shader) -> Kernel {
        Kernel::new(shader, &[("C", self.inputs.into()), ("K", self.units.into())])
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let weights = u64::from(self.inputs * self.units);
        Work::new(2 * samples * weights, 4 * (samples * u64::from(self.inputs + self.units) + weights))
    }

    /// `logits = features * weight^T + bias`; weight and bias are the arena from their places on.
    pub fn forward(&self, rec: &mut Recording, label: &str, [features, weight, bias, logits]: [Binding; 4]) {
        let threads = u64::from(rec.job.samples) * u64::from(self.units);
        let bindings = [features, weight, bias, logits];
        rec.dispatch(label, self.kernel(Shader::DenseForward), &bindings, workgroups(threads), self.work(rec));
    }

    /// `dfeatures = dlogits * weight`.
    pub fn dinput(&self, rec: &mut Recording, label: &str, [dlogits, weight, dfeatures]: [Binding; 3]) {
        let threads = u64::from(rec.job.samples) * u64::from(self.inputs);
        let bindings = [dlogits, weight, dfeatures];
        rec.dispatch(label, self.kernel(Shader::DenseDinput), &bindings, workgroups(threads), self.work(rec));
    }

    /// Gradients by weight and bias into the arena from `gradient` on; the bias lies `weight_to_bias` elements on.
    pub fn dweight(
        &self,
        rec: &mut Recording,
        label: &str,
        [features, dlogits, gradient]: [Binding; 3],
        weight_to_bias: u32,
    ) {
        let threads = u64::from(self.units * (self.inputs + 1));
        let bindings = [features, dlogits, gradient];
        let kernel = self.kernel(Shader::DenseDweight);
        rec.dispatch_with(label, kernel, &bindings, workgroups(threads), self.work(rec), &[weight_to_bias]);
    }
}
