"""Non-negative least squares for many small problems at once.

The active-set method of Lawson & Hanson (1974, Solving Least Squares Problems,
ch. 23) on normal equations, every round one exchange in every problem of the batch;
a search that has been near the answer before starts there and needs a few rounds.
Block pivoting from an empty set took some hundred rounds on these templates, whose
Gram matrix has a condition number of 1e8, and first-order methods stall.
"""

from __future__ import annotations

import torch

__all__ = ["bounded_solve", "nnls"]

_RIDGE = 1e-13
_TOLERANCE = 1e-10
_ROUNDS_PER_VARIABLE = 6


def bounded_solve(
    gram: torch.Tensor, rhs: torch.Tensor, n_bounded: int, start: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise x'Gx/2 - c'x where the first `n_bounded` variables are not negative.

    Parameters
    ----------
    gram : Tensor, shape (B, n, n), float64
        Positive definite.
    rhs : Tensor, shape (B, n), float64
    n_bounded : int
    start : Tensor, shape (B, n_bounded), optional
        A first guess, not negative.

    Returns
    -------
    x : Tensor, shape (B, n)
    passive : Tensor, shape (B, n_bounded), bool
    """
    scale = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-300).rsqrt()
    gram = gram * scale[:, :, None] * scale[:, None, :]
    rhs = rhs * scale
    k = n_bounded
    start = None if start is None else start / scale[:, :k]
    if k == gram.shape[-1]:
        x, passive = nnls(gram, rhs, start)
        return x * scale, passive
    # The free variables follow from the bounded ones: eliminate them first.
    eye = torch.eye(gram.shape[-1] - k, dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky_ex(gram[:, k:, k:] + 1e-12 * eye).L
    joint = torch.cat([gram[:, k:, :k], rhs[:, k:, None]], -1)
    half = torch.linalg.solve_triangular(factor, joint, upper=False)
    reduced = gram[:, :k, :k] - half[..., :k].mT @ half[..., :k]
    reduced_rhs = rhs[:, :k] - (half[..., :k].mT @ half[..., k:])[..., 0]
    bounded, passive = nnls(reduced, reduced_rhs, start)
    right = half[..., k] - (half[..., :k] @ bounded[..., None])[..., 0]
    free = torch.linalg.solve_triangular(factor.mT, right[..., None], upper=True)[..., 0]
    return torch.cat([bounded, free], -1) * scale, passive


def nnls(
    gram: torch.Tensor, rhs: torch.Tensor, start: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise x'Gx/2 - c'x with x >= 0 for every problem of a batch.

    Parameters
    ----------
    gram : Tensor, shape (B, n, n), float64
        Positive definite, diagonal about 1 or less.
    rhs : Tensor, shape (B, n), float64
    start : Tensor, shape (B, n), optional
        A point with x >= 0; the variables above 0 are the first passive set.

    Returns
    -------
    x : Tensor, shape (B, n)
    passive : Tensor, shape (B, n), bool
        The variables that are free of their bound.
    """
    batch, n = rhs.shape
    answer = torch.zeros_like(rhs)
    passive = torch.zeros_like(rhs, dtype=torch.bool)
    todo = torch.arange(batch, device=rhs.device)
    g = gram + _RIDGE * torch.eye(n, dtype=gram.dtype, device=gram.device)
    c = rhs
    x = torch.zeros_like(rhs) if start is None else start.clone()
    p = x > 0
    tolerance = _TOLERANCE * c.abs().amax(-1, keepdim=True)
    added = torch.full((batch,), -1, device=rhs.device)
    for _ in range(_ROUNDS_PER_VARIABLE * n):
        z = _solve_passive(g, c, p)
        blocked = p & (z <= 0)
        # As far towards z as the bounds let; all the way where none is in the way.
        share = torch.where(blocked, x / (x - z).clamp_min(1e-300), 2.0).amin(-1)
        inside = share > 1
        x = torch.where(inside[:, None], z, x + share[:, None] * (z - x))
        stop = blocked & (x <= _TOLERANCE * x.amax(-1, keepdim=True))
        p = p & ~(stop & ~inside[:, None])
        x = torch.where(p, x, 0)
        gain = torch.where(p, -torch.inf, c - (g @ x[..., None])[..., 0])
        best, index = gain.max(-1)
        # The one that came last and left at once would come again for ever: rounding.
        again = ~inside & ~p.gather(1, added.clamp_min(0)[:, None])[:, 0] & (added >= 0)
        done = (inside & (best <= tolerance[:, 0])) | (again & (share == 0))
        if done.any():
            answer[todo[done]], passive[todo[done]] = x[done], p[done]
            keep = ~done
            if not keep.any():
                return answer, passive
            g, c, x, p, todo = g[keep], c[keep], x[keep], p[keep], todo[keep]
            inside, index, added = inside[keep], index[keep], added[keep]
            tolerance = tolerance[keep]
        added = torch.where(inside, index, added)
        p = p.scatter(1, index[:, None], p.gather(1, index[:, None]) | inside[:, None])
    # Rounding left ties that exchanging cannot settle: the best point it has.
    answer[todo], passive[todo] = x, p
    return answer, passive


def _solve_passive(gram: torch.Tensor, rhs: torch.Tensor, passive: torch.Tensor) -> torch.Tensor:
    """Solve for the passive variables of each problem, the others being 0."""
    inside = passive.to(gram.dtype)
    masked = gram * inside[:, :, None] * inside[:, None, :]
    masked.diagonal(dim1=-2, dim2=-1).add_(1 - inside)
    factor, info = torch.linalg.cholesky_ex(masked)
    if info.any():
        bad = info > 0
        masked[bad] += 1e-9 * torch.eye(rhs.shape[1], dtype=gram.dtype, device=gram.device)
        factor[bad] = torch.linalg.cholesky_ex(masked[bad]).L
    return torch.cholesky_solve((rhs * inside)[..., None], factor)[..., 0]
