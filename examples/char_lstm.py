"""Learns to write sonnets with an LSTM, one character after the other."""

from example_data import options, sonnets

import tensorplug as torch
import tensorplug.nn as nn
import tensorplug.nn.functional as F


class CharLSTM(nn.Module):
    """The next character's scores, from a character and the state that the LSTM carries along."""

    def __init__(self, characters, hidden):
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, x, state=None):
        out, state = self.lstm(self.embedding(x), state)
        return self.head(out), state


def train(model, rows, steps, length, device):
    """Read all rows at once, ``length`` characters per step, and carry the state on."""
    optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-3)
    losses, state, at = [], None, 0
    for _ in range(steps):
        if at + length + 1 > rows.shape[1]:
            state, at = None, 0  # from the start again
        x = rows[:, at : at + length].to(device)
        y = rows[:, at + 1 : at + length + 1].to(device)
        scores, state = model(x, state)
        state = tuple(part.detach() for part in state)  # gradients do not go further back
        loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        at += length
    return losses


def write(model, start, characters, count, device):
    """Go on from a text, by the most likely of the next characters, drawn at random."""
    model.eval()
    numbers = [characters.index(character) for character in start]
    x, state = torch.tensor([numbers]).to(device), None
    with torch.no_grad():
        for _ in range(count):
            scores, state = model(x, state)
            x = torch.multinomial(F.softmax(scores[:, -1] / 0.7, dim=-1), 1)
            numbers.append(x.item())
    return "".join(characters[number] for number in numbers)


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    text, characters = sonnets()
    count = len(text) // 16
    rows = torch.from_numpy(text[: 16 * count].reshape(16, count))
    steps, hidden = (120, 64) if args.quick else (1500, 128)
    model = CharLSTM(len(characters), hidden).to(args.device)
    losses = train(model, rows, steps, 32, args.device)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    print(write(model, "Shall I ", characters, 60 if args.quick else 300, args.device))
    return {"first": losses[0], "last": losses[-1]}


if __name__ == "__main__":
    main()
