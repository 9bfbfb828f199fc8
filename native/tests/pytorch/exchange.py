"""PyTorch's side of native/tests/testsuite/pytorch.rs. Reads commands, each a line with a JSON list of texts, and answers each with
a line of JSON.

    evaluate NET ACTIVATION WIDTH CHECKPOINT DATA          logits, loss and accuracy of the test images
    train NET ACTIVATION WIDTH PREFIX START DATA           saves initial weights to START, takes 3 steps of SGD
    adamw NET ACTIVATION WIDTH PREFIX START DATA           the same with 4 steps of AdamW
    continue NET ACTIVATION WIDTH NORM LOSS WEIGHTS DATA   loads WEIGHTS, takes 4 steps of SGD
    curvature NET ACTIVATION WIDTH NORM LOSS WEIGHTS DATA  the loss's Hessian at WEIGHTS in float64: its largest eigenvalue on the
                                                           first 32 images, Batch Sharpness
    snippets DOCUMENT                                      runs the Python in a Markdown file, here
"""

import json
import re
import struct
import sys
import types
from functools import partial
from pathlib import Path

import torch
from nets import build
from torch.nn import functional

DTYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
MEAN = torch.tensor([0.507, 0.487, 0.441]).view(3, 1, 1)
STD = torch.tensor([0.267, 0.256, 0.276]).view(3, 1, 1)
BATCH = 16


def load_file(path):
    """A safetensors file: length of the header, header in JSON, values."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)

    def tensor(entry):
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        return torch.frombuffer(bytearray(data[first:last]), dtype=DTYPES[entry["dtype"]]).view(entry["shape"])

    return {name: tensor(entry) for name, entry in header.items()}


def save_file(tensors, path):
    """The same way back."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, values = {}, b""
    for name, tensor in tensors.items():
        offsets = [len(values), len(values) + tensor.numel() * tensor.element_size()]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        values += tensor.detach().contiguous().numpy().tobytes()
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + values)


def images(folder, names):
    """Normalised images and labels of CIFAR-10's binary files."""
    records = torch.tensor(bytearray(b"".join((Path(folder) / name).read_bytes() for name in names))).view(-1, 3073)
    return (records[:, 1:].view(-1, 3, 32, 32).float() / 255 - MEAN) / STD, records[:, 0].long()


def scores(model, data):
    """With running statistics."""
    x, labels = images(data, ["test_batch.bin"])
    model.eval()
    with torch.no_grad():
        logits = model(x)
    correct = (logits.argmax(1) == labels).float().mean().item()
    loss = functional.cross_entropy(logits, labels).item()
    return {"logits": logits.flatten().tolist(), "loss": loss, "accuracy": 100 * correct}


def evaluate(net, activation, width, checkpoint, data):
    model = build(net, activation, float(width))
    model.load_state_dict(load_file(checkpoint), strict=True)
    return scores(model, data)


def sgd(parameters, lr=0.1, weight_decay=5e-4):
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=weight_decay, nesterov=True)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.003, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.5)


def squared_error(logits, labels):
    """`--loss mse`: half the squared distance from the one-hot label, averaged over the samples."""
    wanted = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return functional.mse_loss(logits, wanted) * logits.shape[1] / 2


LOSSES = {"cross-entropy": functional.cross_entropy, "mse": squared_error}


def batches(data):
    """The training images and labels in file order, in batches."""
    x, labels = images(data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    return list(zip(x.split(BATCH), labels.split(BATCH)))


def train_on(model, loss_function, optimizer, data):
    """A step on each batch of `data`. Returns the losses."""
    losses = []
    for x, labels in data:
        loss = loss_function(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def train(make_optimizer, steps, net, activation, width, prefix, start, data):
    torch.manual_seed(1)
    model = build(net, activation, float(width))
    save_file({prefix + name: tensor for name, tensor in model.state_dict().items()}, start)
    losses = train_on(model, functional.cross_entropy, make_optimizer(model.parameters()), batches(data)[:steps])
    return {"losses": losses, "test": scores(model, data)}


def loaded(net, activation, width, norm, weights):
    model = build(net, activation, float(width), norm)
    model.load_state_dict(load_file(weights), strict=True)
    return model


def continued(net, activation, width, norm, loss, weights, data):
    model = loaded(net, activation, width, norm, weights)
    optimizer = sgd(model.parameters(), lr=0.02, weight_decay=0.05)
    return {"losses": train_on(model, LOSSES[loss], optimizer, batches(data)[:4])}


class Hessian:
    """The Hessian of the mean loss over batches, by automatic differentiation of the gradient."""

    def __init__(self, model, loss_function, data):
        self.parameters = list(model.parameters())
        loss = sum(loss_function(model(x), labels) for x, labels in data) / len(data)
        self.loss = loss.item()
        self.differentiable = torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.parameters, create_graph=True)])
        self.gradient = self.differentiable.detach()

    def times(self, v):
        products = torch.autograd.grad(self.differentiable, self.parameters, v, retain_graph=True)
        return torch.cat([p.flatten() for p in products])


def largest_eigenvalue(hessian):
    """By Lanczos' iteration: every new vector is made orthogonal to all before it. Returns the norm of the residual, too."""
    noise = torch.randn_like(hessian.gradient)
    v = hessian.gradient / hessian.gradient.norm() + noise / noise.norm()
    basis, products = [], []
    for _ in range(40):
        basis.append(v / v.norm())
        products.append(hessian.times(basis[-1]))
        q, hq = torch.stack(basis), torch.stack(products)
        values, vectors = torch.linalg.eigh(q @ hq.T)
        value, coefficients = values[-1], vectors[:, -1]
        residual = (coefficients @ hq - value * (coefficients @ q)).norm()
        if residual < 1e-4 * value:
            break
        v = products[-1]
        for _ in range(2):
            v = v - (q @ v) @ q
    return value.item(), residual.item()


def curvature(net, activation, width, norm, loss, weights, data):
    torch.manual_seed(1)
    model = loaded(net, activation, width, norm, weights).double()
    data = [(x.double(), labels) for x, labels in batches(data)]
    subset = Hessian(model, LOSSES[loss], data[:2])
    lambda_max, residual = largest_eigenvalue(subset)
    ratios = []
    for batch in data:
        hessian = Hessian(model, LOSSES[loss], [batch])
        g = hessian.gradient
        ratios.append((g @ hessian.times(g) / (g @ g)).item())
    return {
        "lambda_max": lambda_max,
        "residual": residual,
        "batch_sharpness": sum(ratios) / len(ratios),
        "loss": subset.loss,
        "gradient_norm": subset.gradient.norm().item(),
    }


def snippets(document):
    try:
        import safetensors.torch  # noqa: F401, the real one where there is one
    except ImportError:
        stand_in = types.ModuleType("safetensors.torch")
        stand_in.load_file, stand_in.save_file = load_file, save_file
        sys.modules.update({"safetensors": types.ModuleType("safetensors"), "safetensors.torch": stand_in})
    blocks = re.findall(r"^```python\n(.*?)^```", Path(document).read_text(), re.MULTILINE | re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    return {"blocks": len(blocks)}


if __name__ == "__main__":
    commands = {
        "evaluate": evaluate,
        "train": partial(train, sgd, 3),
        "adamw": partial(train, adamw, 4),
        "continue": continued,
        "curvature": curvature,
        "snippets": snippets,
    }
    # The tensors are small: beside other work, threads that wait for each other take three times as long.
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(commands[name](*arguments)), flush=True)
