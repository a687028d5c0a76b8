"""Logistic regression by hand: tensors and gradients only, no layers and no optimizer."""

from example_data import digits, options

import tensorplug as torch


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    images, labels = digits()
    x = torch.from_numpy(images).reshape(-1, 64).to(args.device)
    y = torch.from_numpy((labels % 2).astype("float32")).to(args.device)  # odd or even?
    test = torch.arange(len(x), device=args.device) % 5 == 0
    x_train, y_train, x_test, y_test = x[~test], y[~test], x[test], y[test]

    weight = torch.zeros(64, device=args.device, requires_grad=True)
    bias = torch.zeros(1, device=args.device, requires_grad=True)
    losses = []
    for _ in range(100 if args.quick else 1000):
        p = torch.sigmoid(x_train @ weight + bias).clamp(1e-6, 1 - 1e-6)
        loss = -(y_train * p.log() + (1 - y_train) * (1 - p).log()).mean()
        loss.backward()
        with torch.no_grad():
            weight -= 1.0 * weight.grad
            bias -= 1.0 * bias.grad
            weight.grad.zero_()
            bias.grad.zero_()
        losses.append(loss.item())

    with torch.no_grad():
        right = ((x_test @ weight + bias > 0) == (y_test > 0.5)).float().mean().item()
        by_hand = x_train.T @ (torch.sigmoid(x_train @ weight + bias) - y_train) / len(x_train)
    p = torch.sigmoid(x_train @ weight + bias)
    loss = -(y_train * p.log() + (1 - y_train) * (1 - p).log()).mean()
    (gradient,) = torch.autograd.grad(loss, weight)
    error = (gradient - by_hand).abs().max().item()
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, odd or even on test digits {right:.1%}")
    print(f"gradient against the formula: {error:.1e}")
    return {"first": losses[0], "last": losses[-1], "accuracy": right, "error": error}


if __name__ == "__main__":
    main()
