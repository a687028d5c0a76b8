"""Trains ResNet-18 on the digits 0-4, freezes its body, and teaches a new head the digits 5-9."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset


class BasicBlock(nn.Module):
    """Two convolutions around which the input takes a shortcut."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """He et al., "Deep Residual Learning for Image Recognition" (2015); 64 channels wide there."""

    def __init__(self, channels=1, classes=5, width=64):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = self._layer(width, width, 1)
        self.layer2 = self._layer(width, width * 2, 2)
        self.layer3 = self._layer(width * 2, width * 4, 2)
        self.layer4 = self._layer(width * 4, width * 8, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width * 8, classes)

    def _layer(self, inputs, outputs, stride):
        return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def loaders(chosen, count, size):
    """Training and test images of some digits, enlarged; the labels start from 0."""
    images, labels = (torch.from_numpy(part) for part in digits(count))
    keep = (labels >= chosen.start) & (labels < chosen.stop)
    images = F.interpolate(images[keep], size=(size, size), mode="nearest")
    labels = labels[keep] - chosen.start
    test = torch.arange(len(labels)) % 4 == 0
    return (
        DataLoader(TensorDataset(images[~test], labels[~test]), batch_size=32, shuffle=True),
        DataLoader(TensorDataset(images[test], labels[test]), batch_size=64),
    )


def train(model, loader, epochs, device, lr):
    """Train the parameters that require grad; a frozen body keeps its running means, too."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr)
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images.to(device)), labels.to(device)).backward()
            optimizer.step()


def accuracy(model, loader, device):
    model.eval()
    with torch.no_grad():
        hits = [model(x.to(device)).argmax(1) == y.to(device) for x, y in loader]
    return torch.cat(hits).float().mean().item()


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    count, width, epochs = (500, 8, 5) if args.quick else (None, 64, 5)
    model = ResNet18(width=width).to(args.device)
    train_loader, test_loader = loaders(range(5), count, 32)
    train(model, train_loader, epochs, args.device, lr=2e-3)
    first = accuracy(model, test_loader, args.device)

    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 5).to(args.device)  # new, and so not frozen
    body = {name: value.clone() for name, value in model.state_dict().items()}
    train_loader, test_loader = loaders(range(5, 10), count, 32)
    model.eval()
    train(model, train_loader, 2 * epochs, args.device, lr=2e-2)
    second = accuracy(model, test_loader, args.device)
    changed = [n for n, value in model.state_dict().items() if not torch.equal(value, body[n])]
    print(f"accuracy {first:.1%} on 0-4; with a new head {second:.1%} on 5-9; changed: {changed}")
    return {"first": first, "second": second, "changed": changed}


if __name__ == "__main__":
    main()
