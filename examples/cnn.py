"""Recognises handwritten digits with a small convolutional network."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """Two convolutions with pooling, two linear layers, dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def train(model, loader, epochs, device):
    """Train with a falling learning rate; return the loss of every step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    losses = []
    model.train()
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    return losses


def accuracy(model, loader, device):
    """The part of the images that is recognised."""
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            guess = model(images.to(device)).argmax(dim=1)
            right += (guess == labels.to(device)).sum().item()
            total += len(labels)
    return right / total


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    images, labels = (torch.from_numpy(part) for part in digits())
    test = torch.arange(len(labels)) % 5 == 0
    train_data = TensorDataset(images[~test], labels[~test])
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(images[test], labels[test]), batch_size=360)
    model = Net().to(args.device)
    losses = train(model, train_loader, 5 if args.quick else 15, args.device)
    found = accuracy(model, test_loader, args.device)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, test accuracy {found:.1%}")
    return {"first": losses[0], "last": losses[-1], "accuracy": found}


if __name__ == "__main__":
    main()
