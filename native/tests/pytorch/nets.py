"""lastbit's networks in PyTorch, all but the one-layer network: ResNet (He et al. 2016, section 4.2, with projection shortcuts),
PreResNet (He et al. 2016, "Identity Mappings in Deep Residual Networks"), WideResNet (Zagoruyko & Komodakis 2016), VGG, and MLPs as
in Cohen et al. 2021. `norm` is batch, group or none.

Modules have torchvision's names, so that checkpoints load with `strict=True`.
"""

import re

import torch
from torch import nn


class Swish(nn.Module):
    """x * sigmoid(beta * x); the paper's ResNets have beta = 5."""

    def __init__(self, beta=5.0):
        super().__init__()
        self.beta = beta

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


def conv(inputs, outputs, kernel=3, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Bias(nn.Module):
    """A bias for each channel, in a norm's place."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return x + self.bias.view(-1, 1, 1)


def group_norm(channels):
    """Groups of 8 channels, or of the largest divisor of the channels up to 8."""
    size = max(size for size in range(1, 9) if channels % size == 0)
    return nn.GroupNorm(channels // size, channels)


NORMS = {"batch": nn.BatchNorm2d, "group": group_norm, "none": Bias}


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, activation, norm):
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn1 = norm(outputs)
        self.conv2 = conv(outputs, outputs)
        self.bn2 = norm(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), norm(outputs))
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(y)) + self.downsample(x))


class PreBlock(nn.Module):
    """The pre-activation form: nothing lies on the identity path, and a projection takes the activated input."""

    def __init__(self, inputs, outputs, stride, activation, norm):
        super().__init__()
        self.bn1 = norm(inputs)
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn2 = norm(outputs)
        self.conv2 = conv(outputs, outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride))
        self.activation = activation

    def forward(self, x):
        a = self.activation(self.bn1(x))
        shortcut = self.downsample(a) if hasattr(self, "downsample") else x
        return self.conv2(self.activation(self.bn2(self.conv1(a)))) + shortcut


def stages(block, inputs, first, blocks, activation, norm):
    """Three stages with `first`, 2 `first` and 4 `first` channels; all but the first halve the resolution."""
    for stage in range(3):
        outputs, modules = first << stage, []
        for index in range(blocks):
            modules.append(block(inputs, outputs, 2 if stage > 0 and index == 0 else 1, activation, norm))
            inputs = outputs
        yield nn.Sequential(*modules)


class ResNet(nn.Module):
    """CIFAR ResNet of depth 6n + 2."""

    def __init__(self, depth, activation, width, norm, channels=3, classes=10):
        super().__init__()
        first = int(16 * width)
        self.conv1 = conv(channels, first)
        self.bn1 = norm(first)
        self.activation = activation
        self.layer1, self.layer2, self.layer3 = stages(BasicBlock, first, first, (depth - 2) // 6, activation, norm)
        self.fc = nn.Linear(4 * first, classes)

    def forward(self, x):
        x = self.activation(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class PreResNet(nn.Module):
    """CIFAR PreResNet of depth 6n + 2, or WideResNet of depth 6n + 4 with `factor` times as many channels after the first convolution."""

    def __init__(self, depth, activation, width, norm, factor=1, channels=3, classes=10):
        super().__init__()
        stem = int(16 * width)
        first = factor * stem
        self.conv1 = conv(channels, stem)
        self.layer1, self.layer2, self.layer3 = stages(PreBlock, stem, first, (depth - 2) // 6, activation, norm)
        self.bn = norm(4 * first)
        self.activation = activation
        self.fc = nn.Linear(4 * first, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(self.activation(self.bn(x)).mean((2, 3)))


class VGG(nn.Module):
    """CIFAR VGG: convolutions before each of five max pools, the mean over what is left, one dense layer."""

    STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}

    def __init__(self, depth, activation, width, norm, channels=3, classes=10):
        super().__init__()
        modules, inputs = [], channels
        for stage, convolutions in enumerate(self.STAGES[depth]):
            outputs = int(64 * width) << min(stage, 3)
            for _ in range(convolutions):
                modules += [conv(inputs, outputs), norm(outputs), activation]
                inputs = outputs
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class MLP(nn.Module):
    """Hidden layers of 200 units on the flattened image, and a last layer."""

    def __init__(self, layers, activation, width, inputs=3 * 32 * 32, classes=10):
        super().__init__()
        units = int(200 * width)
        for layer in range(1, layers + 1):
            setattr(self, f"fc{layer}", nn.Linear(inputs, units))
            inputs = units
        setattr(self, f"fc{layers + 1}", nn.Linear(inputs, classes))
        self.layers, self.activation = layers, activation

    def forward(self, x):
        x = x.flatten(1)
        for layer in range(1, self.layers + 1):
            x = self.activation(getattr(self, f"fc{layer}")(x))
        return getattr(self, f"fc{self.layers + 1}")(x)


def build(net, activation=None, width=1.0, norm="batch"):
    """The network that `--net`, `--activation`, `--width` and `--norm` name."""
    family, size, _, factor = re.fullmatch(r"([a-z]+)(\d+)(-(\d+))?", net).groups()
    name, _, beta = (activation or ("tanh" if family == "mlp" else "relu")).partition(":")
    function = {"relu": nn.ReLU, "tanh": nn.Tanh, "swish": lambda: Swish(float(beta or 5))}[name]()
    if family == "mlp":
        return MLP(int(size), function, width)
    networks = {"resnet": ResNet, "preresnet": PreResNet, "wrn": PreResNet, "vgg": VGG}
    factors = {"factor": int(factor)} if factor else {}
    return networks[family](int(size), function, width, NORMS[norm], **factors)
