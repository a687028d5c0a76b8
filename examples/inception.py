"""Recognises digits with GoogLeNet's inception blocks: four branches side by side."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset


def conv(inputs, outputs, size):
    """A convolution that keeps the image's size, then batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Szegedy et al., "Going Deeper with Convolutions" (2014), figure 2b.

    Args:
        inputs: channels.
        one: channels of the 1x1 branch.
        three, five: channels before and after the 3x3 and the 5x5 convolution.
        pool: channels of the pooling branch.
    """

    def __init__(self, inputs, one, three, five, pool):
        super().__init__()
        self.one = conv(inputs, one, 1)
        self.three = nn.Sequential(conv(inputs, three[0], 1), conv(three[0], three[1], 3))
        self.five = nn.Sequential(conv(inputs, five[0], 1), conv(five[0], five[1], 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(inputs, pool, 1))
        self.channels = one + three[1] + five[1] + pool

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class Net(nn.Module):
    """A stem, two inception blocks, and the mean over the image."""

    def __init__(self):
        super().__init__()
        self.stem = conv(1, 16, 3)
        self.block1 = Inception(16, 8, (8, 16), (4, 8), 8)
        self.pool = nn.MaxPool2d(2)
        self.block2 = Inception(self.block1.channels, 16, (16, 32), (4, 8), 8)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(0.2),
            nn.Linear(self.block2.channels, 10),
        )  # fmt: skip

    def forward(self, x):
        return self.head(self.block2(self.pool(self.block1(self.stem(x)))))


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    images, labels = (torch.from_numpy(part) for part in digits(800 if args.quick else None))
    images, labels = images.to(args.device), labels.to(args.device)
    cut = len(labels) * 4 // 5
    loader = DataLoader(TensorDataset(images[:cut], labels[:cut]), batch_size=64, shuffle=True)
    model = Net().to(args.device)
    epochs = 5 if args.quick else 20
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-2, epochs=epochs, steps_per_epoch=len(loader)
    )
    losses = []
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        found = (model(images[cut:]).argmax(1) == labels[cut:]).float().mean().item()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, test accuracy {found:.1%}")
    return {"first": losses[0], "last": losses[-1], "accuracy": found}


if __name__ == "__main__":
    main()
