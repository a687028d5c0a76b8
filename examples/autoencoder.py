"""Squeezes images of digits from 784 pixels to 3 numbers and back."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset, random_split


class Autoencoder(nn.Module):
    """An encoder 784-64-3 and a decoder 3-64-784."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 28 * 28))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def dataset(count=None):
    """Images of 28 x 28 pixels as rows of 784 numbers."""
    images = torch.from_numpy(digits(count)[0])
    large = F.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)
    return TensorDataset(large.reshape(len(large), -1))


def evaluate(model, loader, device):
    """The mean loss over a loader, without gradients."""
    model.eval()
    total = count = 0
    with torch.no_grad():
        for (x,) in loader:
            x = x.to(device)
            total += F.mse_loss(model(x), x).item() * len(x)
            count += len(x)
    return total / count


def train(model, train_loader, valid_loader, epochs, device):
    """Train; return the loss of every step, and the validation loss of every epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses, validation = [], []
    for _ in range(epochs):
        model.train()
        for (x,) in train_loader:
            x = x.to(device)
            loss = F.mse_loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        validation.append(evaluate(model, valid_loader, device))
    return losses, validation


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    data = dataset(600 if args.quick else None)
    train_data, valid_data = random_split(data, [0.8, 0.2])
    train_loader = DataLoader(train_data, batch_size=32, shuffle=True)
    valid_loader = DataLoader(valid_data, batch_size=32)
    model = Autoencoder().to(args.device)
    epochs = 5 if args.quick else 30
    losses, validation = train(model, train_loader, valid_loader, epochs, args.device)
    for epoch, loss in enumerate(validation):
        print(f"epoch {epoch + 1}: validation loss {loss:.4f}")
    print(f"first loss {losses[0]:.4f}, last {losses[-1]:.4f}")
    return {"first": losses[0], "validation": validation[-1]}


if __name__ == "__main__":
    main()
