"""Non-negative least squares for many small problems at once.

Block principal pivoting (Kim & Park 2011, SIAM J. Sci. Comput. 33, 3261):
each round exchanges all variables on the wrong side between the passive set and
the bound; where that does not progress, one at a time (Murty's rule, which
cannot cycle). First-order methods stall on templates, whose Gram matrix has a
condition number of 1e8.
"""

from __future__ import annotations

import torch

__all__ = ["bounded_solve", "nnls"]

_RIDGE = 1e-13
_TOLERANCE = 1e-10
_FULL_EXCHANGES = 3
_MAX_ROUNDS = 300


def bounded_solve(
    gram: torch.Tensor, rhs: torch.Tensor, n_bounded: int, passive: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise x'Gx/2 - c'x where the first `n_bounded` variables are not negative.

    Parameters
    ----------
    gram : Tensor, shape (B, n, n), float64
        Positive definite.
    rhs : Tensor, shape (B, n), float64
    n_bounded : int
    passive : Tensor, shape (B, n_bounded), bool, optional
        First guess of the variables that are not 0.

    Returns
    -------
    x : Tensor, shape (B, n)
    passive : Tensor, shape (B, n_bounded), bool
    """
    scale = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-300).rsqrt()
    gram = gram * scale[:, :, None] * scale[:, None, :]
    rhs = rhs * scale
    k = n_bounded
    if k == gram.shape[-1]:
        x, passive = nnls(gram, rhs, passive)
        return x * scale, passive
    # The free variables follow from the bounded ones: eliminate them first.
    eye = torch.eye(gram.shape[-1] - k, dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky_ex(gram[:, k:, k:] + 1e-12 * eye).L
    joint = torch.cat([gram[:, k:, :k], rhs[:, k:, None]], -1)
    half = torch.linalg.solve_triangular(factor, joint, upper=False)
    reduced = gram[:, :k, :k] - half[..., :k].mT @ half[..., :k]
    reduced_rhs = rhs[:, :k] - (half[..., :k].mT @ half[..., k:])[..., 0]
    bounded, passive = nnls(reduced, reduced_rhs, passive)
    right = half[..., k] - (half[..., :k] @ bounded[..., None])[..., 0]
    free = torch.linalg.solve_triangular(factor.mT, right[..., None], upper=True)[..., 0]
    return torch.cat([bounded, free], -1) * scale, passive


def nnls(
    gram: torch.Tensor, rhs: torch.Tensor, passive: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise x'Gx/2 - c'x with x >= 0 for every problem of a batch.

    Parameters
    ----------
    gram : Tensor, shape (B, n, n), float64
        Positive definite, diagonal about 1 or less.
    rhs : Tensor, shape (B, n), float64
    passive : Tensor, shape (B, n), bool, optional
        First guess of the variables that are not 0.

    Returns
    -------
    x : Tensor, shape (B, n)
    passive : Tensor, shape (B, n), bool
    """
    batch, n = rhs.shape
    ridge = _RIDGE * torch.eye(n, dtype=gram.dtype, device=gram.device)
    gram = gram + ridge
    passive = torch.zeros_like(rhs, dtype=torch.bool) if passive is None else passive.clone()
    answer = torch.zeros_like(rhs)
    todo = torch.arange(batch, device=rhs.device)
    fewest = torch.full((batch,), n + 1, device=rhs.device)
    chances = torch.full((batch,), _FULL_EXCHANGES, device=rhs.device)
    g, c, p = gram, rhs, passive.clone()
    order = torch.arange(n, device=rhs.device)
    for _ in range(_MAX_ROUNDS):
        x = _solve_passive(g, c, p)
        slope = (g @ x[..., None])[..., 0] - c
        low_x = -_TOLERANCE * x.abs().amax(-1, keepdim=True)
        low_slope = -_TOLERANCE * c.abs().amax(-1, keepdim=True)
        wrong = torch.where(p, x < low_x, slope < low_slope)
        count = wrong.sum(-1)
        done = count == 0
        if done.any():
            answer[todo[done]] = x[done].clamp_min(0)
            passive[todo[done]] = p[done]
            keep = ~done
            if not keep.any():
                return answer, passive
            g, c, p, wrong, count = g[keep], c[keep], p[keep], wrong[keep], count[keep]
            todo, fewest, chances = todo[keep], fewest[keep], chances[keep]
        better = count < fewest
        fewest = torch.minimum(fewest, count)
        chances = torch.where(better, _FULL_EXCHANGES, chances - 1)
        last = torch.where(wrong, order, -1).amax(-1, keepdim=True)
        single = wrong & (order == last)
        p = p ^ torch.where((chances >= 0)[:, None], wrong, single)
    # Rounding left ties that pivoting cannot settle: the best point it has.
    answer[todo] = _solve_passive(g, c, p).clamp_min(0)
    passive[todo] = p
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
