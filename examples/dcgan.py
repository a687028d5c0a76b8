"""Two convolutional networks play against each other: one draws digits, one tells them apart."""

from example_data import digits, options

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F
from tensorplug.utils.data import DataLoader, TensorDataset

LATENT = 16


def start_values(module):
    """The initial weights of Radford, Metz and Chintala, the DCGAN paper (2015)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def networks(width):
    """The generator, from ``(batch, LATENT, 1, 1)`` to images, and the discriminator."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * width, 4, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 2),
        nn.Flatten(),
    )
    return generator.apply(start_values), discriminator.apply(start_values)


def step(generator, discriminator, optimizers, real):
    """One move of each: first the discriminator, then the generator; returns both losses."""
    noise = torch.randn(len(real), LATENT, 1, 1, device=real.device)
    ones = torch.ones(len(real), 1, device=real.device)
    fake = generator(noise)

    optimizers[1].zero_grad()
    loss_real = F.binary_cross_entropy_with_logits(discriminator(real), ones)
    loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()), 0 * ones)
    (loss_real + loss_fake).backward()
    optimizers[1].step()

    optimizers[0].zero_grad()
    loss = F.binary_cross_entropy_with_logits(discriminator(fake), ones)
    loss.backward()
    optimizers[0].step()
    return (loss_real + loss_fake).item(), loss.item()


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    images = torch.from_numpy(digits()[0])
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    generator, discriminator = networks(8 if args.quick else 32)
    generator, discriminator = generator.to(args.device), discriminator.to(args.device)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999))
        for network in (generator, discriminator)
    ]
    noise = torch.randn(64, LATENT, 1, 1, device=args.device)
    mean = images.mean(0).to(args.device)
    with torch.no_grad():
        before = (generator(noise).mean(0) - mean).abs().mean().item()
    losses = []
    for _ in range(3 if args.quick else 50):
        for (real,) in loader:
            losses.append(step(generator, discriminator, optimizers, real.to(args.device)))
    with torch.no_grad():
        after = (generator(noise).mean(0) - mean).abs().mean().item()
    print(f"discriminator {losses[-1][0]:.3f}, generator {losses[-1][1]:.3f}")
    print(f"mean drawing against mean digit: {before:.3f} -> {after:.3f}")
    return {"losses": losses, "before": before, "after": after}


if __name__ == "__main__":
    main()
