"""PyTorch's side of native/tests/testsuite/pytorch.rs. Prints one line of JSON.

    exchange.py evaluate NET ACTIVATION WIDTH CHECKPOINT DATA    logits, loss and accuracy of the test images
    exchange.py train NET ACTIVATION WIDTH PREFIX START DATA     saves initial weights to START, takes 3 steps of SGD
    exchange.py adamw NET ACTIVATION WIDTH PREFIX START DATA     the same with 4 steps of AdamW
    exchange.py snippets DOCUMENT                                runs the Python in a Markdown file, here
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
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return {"logits": logits.flatten().tolist(), "loss": loss, "accuracy": 100 * correct}


def evaluate(net, activation, width, checkpoint, data):
    model = build(net, activation, float(width))
    model.load_state_dict(load_file(checkpoint), strict=True)
    return scores(model, data)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.003, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.5)


def train(make_optimizer, steps, net, activation, width, prefix, start, data):
    torch.manual_seed(1)
    model = build(net, activation, float(width))
    save_file({prefix + name: tensor for name, tensor in model.state_dict().items()}, start)
    x, labels = images(data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    optimizer = make_optimizer(model.parameters())
    losses = []
    for step in range(steps):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        loss = torch.nn.functional.cross_entropy(model(x[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "test": scores(model, data)}


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
    commands = {"evaluate": evaluate, "train": partial(train, sgd, 3), "adamw": partial(train, adamw, 4), "snippets": snippets}
    command = commands[sys.argv[1]]
    print(json.dumps(command(*sys.argv[2:])))
