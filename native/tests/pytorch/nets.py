"""lastbit's networks in PyTorch: He et al. 2016, section 4.2 with projection shortcuts, and VGG with batch norm.

Modules have torchvision's names, so that checkpoints load with `strict=True`.
"""

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


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, activation):
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet(nn.Module):
    """CIFAR ResNet of depth 6n + 2."""

    def __init__(self, depth, activation, width=1.0, channels=3, classes=10):
        super().__init__()
        first = int(16 * width)
        self.conv1 = conv(channels, first)
        self.bn1 = nn.BatchNorm2d(first)
        self.activation = activation
        inputs = first
        for stage in range(3):
            blocks = []
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(inputs, first << stage, stride, activation))
                inputs = first << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.activation(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class VGG(nn.Module):
    """CIFAR VGG: convolutions before each of five max pools, the mean over what is left, one dense layer."""

    STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}

    def __init__(self, depth, activation, width=1.0, channels=3, classes=10):
        super().__init__()
        modules, inputs = [], channels
        for stage, convolutions in enumerate(self.STAGES[depth]):
            outputs = int(64 * width) << min(stage, 3)
            for _ in range(convolutions):
                modules += [conv(inputs, outputs), nn.BatchNorm2d(outputs), activation]
                inputs = outputs
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def build(net, activation="relu", width=1.0):
    """The network that `--net`, `--activation` and `--width` name."""
    name, _, beta = activation.partition(":")
    function = nn.ReLU() if name == "relu" else Swish(float(beta or 5))
    family, depth = (VGG, net[3:]) if net.startswith("vgg") else (ResNet, net[6:])
    return family(int(depth), function, width)
