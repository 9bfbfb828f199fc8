//! The oracle: candle's automatic differentiation on the CPU, in f64.

use candle_core::{DType, Device, Tensor, Var};

/// A variable with these f32 values, of which gradients can be taken.
pub fn leaf(values: &[f32], dims: &[u32]) -> Var {
    Var::from_tensor(&constant(values, dims)).expect("a tensor becomes a variable")
}

/// A tensor that needs no gradient.
pub fn constant(values: &[f32], dims: &[u32]) -> Tensor {
    let dims: Vec<_> = dims.iter().map(|d| *d as usize).collect();
    let tensor = Tensor::from_slice(values, dims, &Device::Cpu).expect("as many values as the shape has");
    tensor.to_dtype(DType::F64).expect("f32 becomes f64")
}

/// All values, in row-major order.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("f64 on the CPU")
}

/// Gradients of `sum(output * direction)` by each of `leaves`.
pub fn gradients(output: &Tensor, direction: &Tensor, leaves: &[&Var]) -> Vec<Vec<f64>> {
    let scalar = output.mul(direction).and_then(|t| t.sum_all()).expect("same shapes");
    let store = scalar.backward().expect("every operation has a gradient");
    leaves.iter().map(|leaf| values(store.get(leaf.as_tensor()).expect("the leaf is used"))).collect()
}

/// Convolution with zero padding. Strides select from the outputs at stride 1, because candle's own strided gradient fails
/// if height and width differ in parity.
pub fn convolution(x: &Tensor, w: &Tensor, padding: u32, stride: u32) -> Tensor {
    let mut y = x.conv2d(w, padding as usize, 1, 1, 1).expect("a convolution");
    for axis in [2, 3] {
        let size = y.dims()[axis] as u32;
        let every = Tensor::from_iter((0..size).step_by(stride as usize), &Device::Cpu);
        y = every.and_then(|every| y.index_select(&every, axis)).expect("indices inside");
    }
    y
}

/// `z * sigmoid(beta z)`, ReLU, tanh or `z` itself.
pub fn activate(z: &Tensor, activation: Option<lastbit_core::ops::Activation>) -> Tensor {
    use lastbit_core::ops::Activation;
    match activation {
        None => z.clone(),
        Some(Activation::Relu) => z.relu().expect("elementwise"),
        Some(Activation::Swish { beta }) => {
            let e = z.affine(-f64::from(beta), 0.0).and_then(|t| t.exp()).and_then(|t| t + 1.0);
            z.div(&e.expect("elementwise")).expect("same shapes")
        }
        Some(Activation::Tanh) => z.tanh().expect("elementwise"),
    }
}
