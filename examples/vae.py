"""Draws new digits with a variational autoencoder."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    """Kingma and Welling, "Auto-Encoding Variational Bayes" (2013)."""

    def __init__(self, latent=4):
        super().__init__()
        self.latent = latent
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
        self.mean = nn.Linear(64, latent)
        self.log_variance = nn.Linear(64, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 64), nn.Unflatten(1, (1, 8, 8))
        )

    def forward(self, x):
        hidden = self.body(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        noise = torch.randn_like(mean)
        return self.decoder(mean + noise * torch.exp(log_variance / 2)), mean, log_variance


def loss_of(x, scores, mean, log_variance):
    """The negative evidence lower bound of an image, in nats."""
    reconstruction = F.binary_cross_entropy_with_logits(scores, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (reconstruction + divergence) / len(x)


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    images = torch.from_numpy(digits()[0])
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    model = VAE().to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    means = []
    for epoch in range(5 if args.quick else 60):
        losses = []
        for (x,) in loader:
            x = x.to(args.device)
            loss = loss_of(x, *model(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
        print(f"epoch {epoch + 1}: {means[-1]:.2f} nats an image")
    with torch.no_grad():
        drawn = model.decoder(torch.randn(3, model.latent, device=args.device)).sigmoid()
    for rows in drawn[:, 0].cpu().tolist():
        print("\n".join("".join(" .:*#"[min(int(ink * 5), 4)] * 2 for ink in row) for row in rows))
    return {"first": means[0], "last": means[-1], "ink": drawn.mean().item()}


if __name__ == "__main__":
    main()
