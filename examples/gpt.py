"""A small GPT that learns some sonnets by heart."""

from example_data import options, sonnets

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F


class Attention(nn.Module):
    """Each place looks back at those before it, with several heads."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention, then a two-layer network at each place, both added to what was there."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Scores for the next token at each place; the embedding and the head share their weight."""

    def __init__(self, tokens, context, width=64, heads=4, layers=2):
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(tokens, width)
        self.places = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)
        for embedding in (self.tokens, self.places):
            nn.init.normal_(embedding.weight, std=0.1)
        self.head.weight = self.tokens.weight

    def forward(self, x):
        places = torch.arange(x.shape[1], device=x.device)
        x = self.tokens(x) + self.places(places)
        return self.head(self.norm(self.blocks(x)))


def batches(text, context, size, count):
    """Pieces of the text from random places, and the same one character further."""
    for _ in range(count):
        starts = torch.randint(len(text) - context, (size,)).tolist()
        x = torch.stack([text[start : start + context] for start in starts])
        y = torch.stack([text[start + 1 : start + context + 1] for start in starts])
        yield x, y


def train(model, pieces, device):
    """Train on (x, y) pieces with a rising, then falling learning rate; return all losses."""
    pieces = list(pieces)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.99))
    warm_up = len(pieces) // 10 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 1 - step / len(pieces))
    )
    losses = []
    for x, y in pieces:
        loss = F.cross_entropy(model(x.to(device)).flatten(0, 1), y.to(device).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def write(model, start, count, device):
    """Go on from the tokens ``start``, always with the most likely one."""
    tokens = list(start)
    with torch.no_grad():
        for _ in range(count):
            x = torch.tensor([tokens[-model.context :]]).to(device)
            tokens.append(model(x)[0, -1].argmax().item())
    return tokens


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    numbers, characters = sonnets()
    text = torch.from_numpy(numbers)
    context, width, steps = (32, 48, 150) if args.quick else (64, 96, 1500)
    model = GPT(len(characters), context, width).to(args.device)
    losses = train(model, batches(text, context, 16, steps), args.device)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    written = write(model, numbers[:8].tolist(), 60 if args.quick else 300, args.device)
    print("".join(characters[number] for number in written))
    return {"first": losses[0], "last": losses[-1]}


if __name__ == "__main__":
    main()
