"""PyTorch's side of `cargo xtask bench --peers`: trains the networks of native/tests/pytorch/nets.py one after the other.

    peer.py NET BATCH REPLICAS WEIGHTS IMAGES eager|best|deterministic float32|tf32

WEIGHTS is a safetensors file, IMAGES one of CIFAR-10's binary files. The program first prints one line of JSON: what it trains,
and the first losses. Each line on stdin then holds a number of steps, and is answered with the seconds of each step.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "native/tests/pytorch"))
from exchange import MEAN, STD, load_file  # noqa: E402
from nets import build  # noqa: E402


def load_batch(path, samples):
    records = torch.frombuffer(bytearray(Path(path).read_bytes()[: samples * 3073]), dtype=torch.uint8).view(-1, 3073)
    return (records[:, 1:].reshape(-1, 3, 32, 32).float() / 255 - MEAN) / STD, records[:, 0].long()


def convolution_flops(model, x):
    """Operations of the convolutions in a step: forward, gradient by the weights, and gradient by the input for all but the first."""
    forward = []

    def count(module, _, output):
        forward.append(2 * output.numel() * module.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    model.eval()  # keeps the running statistics
    with torch.no_grad():
        model(x)
    model.train()
    for hook in hooks:
        hook.remove()
    return 3 * sum(forward) - forward[0]


def main(net, batch, replicas, weights, images, mode, precision):
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    is_best = mode == "best"
    if mode == "deterministic":  # eager, with algorithms that give the same bits in every run
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = is_best
    layout = torch.channels_last if is_best else torch.contiguous_format
    x, labels = (tensor.to(device) for tensor in load_batch(images, int(batch)))
    x = x.to(memory_format=layout)
    criterion = nn.CrossEntropyLoss()

    def network():
        model = build(net)
        model.load_state_dict(load_file(weights), strict=False)
        model.to(device, memory_format=layout)
        fused = {"fused": True} if is_best and cuda else {}
        return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True, **fused)

    networks = [network() for _ in range(int(replicas))]
    flops = convolution_flops(networks[0][0], x)
    parameters = sum(p.numel() for p in networks[0][0].parameters())
    setting = f"eager, deterministic algorithms, {precision}" if mode == "deterministic" else f"{mode}, {precision}"

    def step(forwards):
        losses = []
        for forward, (_, optimizer) in zip(forwards, networks):
            loss = criterion(forward(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    forwards = [model for model, _ in networks]
    if is_best:
        setting = "channels_last, torch.compile" + (" with CUDA graphs" if cuda else "")
        kind = "reduce-overhead" if cuda else "default"
        start = {name: tensor.clone() for name, tensor in networks[0][0].state_dict().items()}
        try:
            compiled = [torch.compile(model, mode=kind) for model in forwards]
            step(compiled[:1])
            forwards = compiled
        except Exception as error:  # such as a missing compiler for the generated code
            setting = f"channels_last; no torch.compile: {str(error).strip().splitlines()[0][:100]}"
        networks[0][0].load_state_dict(start)
        networks[0][1].state.clear()
        setting += f", {precision}" if cuda else ""
    losses = [step(forwards)[0] for _ in range(3)]
    about = {"version": f"PyTorch {torch.__version__}", "setting": setting, "parameters": parameters, "flops": flops}
    about["device"] = torch.cuda.get_device_name() if cuda else f"the processor, {torch.get_num_threads()} threads"
    print(json.dumps({**about, "losses": losses}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            started = time.perf_counter()
            step(forwards)
            seconds.append(time.perf_counter() - started)
        memory = {"mib": torch.cuda.max_memory_allocated() / 2**20} if cuda else {}
        print(json.dumps({"seconds": seconds, **memory}), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try:
        main(*sys.argv[1:])
    except Exception as error:
        print(json.dumps({"error": str(error).strip().split("\n")[0] or type(error).__name__}), flush=True)
        raise
