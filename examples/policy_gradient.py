"""Learns to walk to a goal by trial and error: REINFORCE on a small grid."""

from example_data import options

import tensorplug as torch
import tensorplug.nn as nn

SIZE, GOAL, LIMIT = 4, 15, 20
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]


class Grid:
    """A field of SIZE x SIZE squares; each step costs 0.05, the goal gives 1."""

    def reset(self):
        self.place, self.steps = 0, 0
        return self.place

    def step(self, move):
        row, column = divmod(self.place, SIZE)
        down, right = MOVES[move]
        row, column = row + down, column + right
        if 0 <= row < SIZE and 0 <= column < SIZE:
            self.place = row * SIZE + column
        self.steps += 1
        done = self.place == GOAL
        return self.place, 1.0 if done else -0.05, done or self.steps == LIMIT


def episode(policy, grid, device):
    """Play once; return the logarithm of each move's probability, and each reward."""
    place, done, chances, rewards = grid.reset(), False, [], []
    while not done:
        here = nn.functional.one_hot(torch.tensor(place), SIZE * SIZE).float().to(device)
        log_p = torch.log_softmax(policy(here), dim=-1)
        move = torch.multinomial(log_p.detach().exp(), 1).item()
        place, reward, done = grid.step(move)
        chances.append(log_p[move])
        rewards.append(reward)
    return torch.stack(chances), rewards


def returns(rewards, discount=0.95):
    """What each move was worth: its reward and the later ones, discounted."""
    found, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
        found.append(total)
    return found[::-1]


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    grid = Grid()
    policy = nn.Sequential(nn.Linear(SIZE * SIZE, 32), nn.Tanh(), nn.Linear(32, 4))
    policy.to(args.device)
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
    scores, usual = [], 0.0
    for number in range(150 if args.quick else 600):
        chances, rewards = episode(policy, grid, args.device)
        worth = torch.tensor(returns(rewards), device=args.device)
        usual = 0.9 * usual + 0.1 * worth[0].item()  # a baseline: better than usual, or worse?
        loss = -(chances * (worth - usual)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scores.append(sum(rewards))
        if number % 50 == 49:
            print(f"episodes {number - 48}-{number + 1}: mean reward {sum(scores[-50:]) / 50:.2f}")
    return {"first": sum(scores[:30]) / 30, "last": sum(scores[-30:]) / 30}


if __name__ == "__main__":
    main()
