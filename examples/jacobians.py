"""Products with Jacobians and Hessians that are never written out, and one that is."""

from example_data import options

import tensorplug as torch


def vjp(function, x, v):
    """``v @ J``: one backward pass."""
    x = x.detach().requires_grad_()
    (product,) = torch.autograd.grad(function(x), x, grad_outputs=v)
    return product


def jvp(function, x, v):
    """``J @ v``: a derivative of the backward pass, which is linear in what it starts from."""
    x = x.detach().requires_grad_()
    y = function(x)
    u = torch.zeros_like(y, requires_grad=True)
    (pulled,) = torch.autograd.grad(y, x, grad_outputs=u, create_graph=True)
    (product,) = torch.autograd.grad(pulled, u, grad_outputs=v)
    return product


def jacobian(function, x):
    """All of J, a row for each output."""
    rows = len(function(x))
    return torch.stack([vjp(function, x, row) for row in torch.eye(rows, device=x.device)])


def hvp(function, x, v):
    """``H @ v`` for a function with one output: the derivative of ``gradient @ v``."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x), x, create_graph=True)
    (product,) = torch.autograd.grad(gradient @ v, x)
    return product


def smallest_eigenvector(function, x, steps):
    """Of the Hessian, by power iteration on ``c - H``: no Hessian is ever stored."""
    v = torch.ones_like(x) / len(x) ** 0.5
    for _ in range(steps):
        v = 20.0 * v - hvp(function, x, v)
        v = v / v.norm()
    return v


def main(argv=None):
    args = options(__doc__, argv)
    torch.manual_seed(0)
    weight = torch.randn(3, 5, device=args.device)
    x = torch.randn(5, device=args.device)

    def function(x):
        return torch.tanh(weight @ x) * x[:3].exp()

    def bowl(x):
        scale = torch.arange(1.0, 6.0, device=x.device)
        return 0.5 * (scale * x**2).sum() + 0.1 * (x**4).sum()

    full = jacobian(function, x)
    right, left = torch.randn(5, device=args.device), torch.randn(3, device=args.device)
    step = 1e-2
    moved = (function(x + step * right) - function(x - step * right)) / (2 * step)
    hessian_diagonal = torch.arange(1.0, 6.0, device=args.device) + 1.2 * x**2
    errors = {
        "vjp": (vjp(function, x, left) - left @ full).abs().max().item(),
        "jvp": (jvp(function, x, right) - full @ right).abs().max().item(),
        "hvp": (hvp(bowl, x, right[:5]) - hessian_diagonal * right[:5]).abs().max().item(),
        "finite differences": (jvp(function, x, right) - moved).abs().max().item(),
    }
    for name, error in errors.items():
        print(f"{name}: error {error:.1e}")
    v = smallest_eigenvector(bowl, x, 100 if args.quick else 500)
    found = (v @ hvp(bowl, x, v)).item()
    print(f"smallest curvature {found:.4f}, expected {hessian_diagonal.min().item():.4f}")
    return {**errors, "curvature": abs(found - hessian_diagonal.min().item())}


if __name__ == "__main__":
    main()
