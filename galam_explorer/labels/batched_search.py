"""The damped Gauss-Newton search of a batch of spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from galam_explorer.labels.batched_bank import (
    EDGE,
    MAX_VARIANCE,
    MIN_VARIANCE,
    Smoothed,
    derivatives,
)
from galam_explorer.labels.batched_nnls import bounded_solve
from galam_explorer.labels.fit_input import PIXEL_KMS

if TYPE_CHECKING:
    from galam_explorer.labels.batched import BatchedFitter

__all__ = ["Problem", "Search", "State"]

MAX_VELOCITY = 2000 / PIXEL_KMS
_MAX_STEPS = 60
_FIRST_DAMPING = 1e-3
_COARSE = 4


@dataclass
class Problem:
    """A batch of spectra, padded to one length n; weights are 0 where there is no pixel.

    Parameters
    ----------
    loglam0 : Tensor, shape (B,)
    y : Tensor, shape (B, n)
        Flux over error.
    root : Tensor, shape (B, n)
        One over the error.
    matching : Tensor, shape (B, n)
        Variance to the instrument's resolution, pixels².
    legendre : Tensor, shape (B, n, max degree + 1)
    """

    loglam0: torch.Tensor
    y: torch.Tensor
    root: torch.Tensor
    matching: torch.Tensor
    legendre: torch.Tensor

    def take(self, keep: torch.Tensor) -> Problem:
        """The problems of some rows."""
        return Problem(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


@dataclass
class State:
    """Parameters of a batch: velocity (B,), variance (B,), m (B, K), weights (B, nt), a (B, Kₐ)."""

    velocity: torch.Tensor
    variance: torch.Tensor
    m: torch.Tensor
    weights: torch.Tensor
    a: torch.Tensor

    def take(self, keep: torch.Tensor) -> State:
        """The parameters of some rows."""
        return State(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def where(self, take: torch.Tensor, other: State) -> State:
        """These parameters where `take` (B,) holds, else those of `other`."""
        pairs = ((getattr(self, n), getattr(other, n)) for n in self.__dataclass_fields__)
        return State(*(torch.where(take if x.ndim == 1 else take[:, None], x, y) for x, y in pairs))

    def put(self, rows: torch.Tensor, other: State) -> None:
        """Overwrite some rows with the parameters of `other`."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(other, name)


class Search:
    """The damped Gauss-Newton iteration of one batch."""

    def __init__(self, fitter: BatchedFitter, problem: Problem) -> None:
        self.fitter, self.config, self.problem = fitter, fitter.config, problem
        batch = len(problem.y)
        self.n_additive = self.config.degree + 1
        self.n_templates = fitter.bank.n_templates

        def zeros(*shape: int) -> torch.Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=fitter.device)

        self.state = State(
            zeros(batch),
            zeros(batch) + (self.config.sigma_start / PIXEL_KMS) ** 2,
            zeros(batch, self.config.mdegree),
            zeros(batch, self.n_templates),
            zeros(batch, self.n_additive),
        )
        self.damping = zeros(batch) + _FIRST_DAMPING
        # One buffer for all steps: fresh pages cost as much as the arithmetic. On a CPU
        # one spectrum at a time, which stays in the cache.
        size = self.n_templates + 2 + self.config.mdegree + self.n_additive + 1
        rows = batch if fitter.bank.together else 1
        self.buffer = zeros(rows, problem.y.shape[1], size)

    def run(self) -> tuple[State, torch.Tensor, torch.Tensor]:
        """Iterate until every problem has converged; finished ones leave the batch."""
        batch = len(self.problem.y)
        rows = torch.arange(batch, device=self.fitter.device)
        final = self.state.take(rows)
        final_chi2 = torch.full_like(self.damping, float("nan"))
        converged = torch.zeros(batch, dtype=torch.bool, device=self.fitter.device)
        templates = self.fitter.templates(self.problem, self.state)
        self._start(templates)
        stars, chi2 = self._evaluate(templates, self.state)
        for _ in range(_MAX_STEPS):
            trial, predicted = self._step(templates, stars)
            # So near the minimum that the linearised model says all: no need to look.
            done = (1 - predicted / chi2 < self.config.ftol) & (self.damping <= _FIRST_DAMPING)
            if done.any():
                final.put(rows[done], trial.take(done))
                final_chi2[rows[done]], converged[rows[done]] = predicted[done], True
                if done.all():
                    break
                keep = ~done
                rows, chi2, stars = self._keep(keep, rows, chi2, stars)
                templates, trial, predicted = (
                    templates.take(keep),
                    trial.take(keep),
                    predicted[keep],
                )
            new_templates = self.fitter.templates(self.problem, trial)
            new_stars, new_chi2 = self._evaluate(new_templates, trial)
            better, done = self._judge(chi2, predicted, new_chi2)
            self.state = trial.where(better, self.state)
            chi2 = torch.where(better, new_chi2, chi2)
            stars = torch.where(better[:, None], new_stars, stars)
            templates = new_templates.where(better, templates)
            final.put(rows, self.state)
            final_chi2[rows] = chi2
            converged[rows] = done
            if done.all():
                break
            if done.any():
                rows, chi2, stars = self._keep(~done, rows, chi2, stars)
                templates = templates.take(~done)
        return final, final_chi2, converged

    def _keep(self, keep: torch.Tensor, *arrays: torch.Tensor) -> list[torch.Tensor]:
        """Let the other problems leave the batch; `arrays` without them."""
        self.state, self.problem = self.state.take(keep), self.problem.take(keep)
        self.damping = self.damping[keep]
        return [array[keep] for array in arrays]

    def _judge(
        self, chi2: torch.Tensor, predicted: torch.Tensor, found: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which trials are better, and which problems are done; adapts the damping."""
        expected, actual = 1 - predicted / chi2, 1 - found / chi2
        better = actual > 0
        ratio = actual / expected.clamp_min(1e-300)
        ftol = self.config.ftol
        done = (expected < ftol) & (actual.abs() < ftol)
        done = done | (~better & (self.damping > 1e8))
        self.damping = torch.where(ratio > 0.75, self.damping / 8, self.damping)
        self.damping = torch.where(ratio < 0.25, self.damping.clamp_min(1e-3) * 8, self.damping)
        return better, done

    def _start(self, templates: Smoothed) -> None:
        """Weights at the first guess of everything else, from some of the pixels.

        They are linear parameters: every step finds all of them anew, and needs these
        only to know about how the spectrum changes with V and σ.
        """
        p, n, some = self.problem, self.n_templates, slice(None, None, _COARSE)
        root, legendre = p.root[:, some, None], p.legendre[:, some, : self.n_additive]
        found = []
        for part, rows in zip(templates.parts, templates.slices(), strict=True):
            columns = (part[:, EDGE:-EDGE][:, some], legendre[rows])
            scaled = [column * root[rows] for column in columns]
            found.append(_squared(torch.cat([*scaled, p.y[rows, some, None]], -1)))
        product = torch.cat(found)
        x, _ = bounded_solve(product[:, :-1, :-1], product[:, :-1, -1], n)
        self.state.weights, self.state.a = x[:, :n], x[:, n:]

    def _evaluate(self, templates: Smoothed, state: State) -> tuple[torch.Tensor, torch.Tensor]:
        """The stars' spectrum with its margins, (B, n + 2 · EDGE), and χ² (B,)."""
        p = self.problem
        stars = templates.mix(state.weights)
        model = stars[:, EDGE:-EDGE] * self.fitter.continuum(p, state.m)
        if self.n_additive:
            model += (p.legendre[..., : self.n_additive] @ state.a[..., None])[..., 0]
        residual = model.mul_(p.root).sub_(p.y)
        return stars, torch.linalg.vecdot(residual, residual)

    def _product(
        self,
        templates: Smoothed,
        continuum: torch.Tensor,
        bend: torch.Tensor,
        slope: torch.Tensor,
        stars: torch.Tensor,
    ) -> torch.Tensor:
        """Products of all columns of the model and the data with each other, (B, N, N).

        Columns, over the error: templates, d/dσ² (`bend`), d/dV (`slope`), polynomials
        times `stars`, additive polynomials; the data. All of shape (B, n), over the error.
        """
        p, n, k = self.problem, self.n_templates, self.config.mdegree
        found = []
        for part, rows in zip(templates.parts, templates.slices(), strict=True):
            design, legendre = self.buffer[: len(part)], p.legendre[rows]
            torch.mul(part[:, EDGE:-EDGE], continuum[rows][..., None], out=design[..., :n])
            design[..., n] = bend[rows]
            design[..., n + 1] = slope[rows]
            columns = design[..., n + 2 : n + 2 + k]
            torch.mul(legendre[..., 1 : k + 1], stars[rows][..., None], out=columns)
            columns = design[..., n + 2 + k : -1]
            torch.mul(legendre[..., : self.n_additive], p.root[rows][..., None], out=columns)
            design[..., -1] = p.y[rows]
            found.append(_squared(design))
        return torch.cat(found)

    def _step(self, templates: Smoothed, stars: torch.Tensor) -> tuple[State, torch.Tensor]:
        """Trial parameters, and the χ² that the linearised model expects there."""
        p, s, n, k = self.problem, self.state, self.n_templates, self.config.mdegree
        continuum = self.fitter.continuum(p, s.m) * p.root
        slope, bend = derivatives(stars)
        # The heat equation gives d/dσ². The data are a column too: one product gives
        # both sides of the equations.
        product = self._product(
            templates,
            continuum,
            bend.mul_(continuum).mul_(0.5),
            slope.mul_(continuum).neg_(),
            stars[:, EDGE:-EDGE] * p.root,
        )
        gram, rhs, square = product[:, :-1, :-1], product[:, :-1, -1], product[:, -1, -1]
        # The unknown of σ² is its distance from the lower bound, of V and m the step.
        above = s.variance - MIN_VARIANCE
        square = square + 2 * above * rhs[:, n] + above**2 * gram[:, n, n]
        rhs = rhs + above[:, None] * gram[:, n]
        damped, pulled = gram.clone(), rhs.clone()
        extra = gram.diagonal(dim1=-2, dim2=-1)[:, n : n + 2 + k] * self.damping[:, None]
        damped.diagonal(dim1=-2, dim2=-1)[:, n : n + 2 + k] += extra
        pulled[:, n] += extra[:, 0] * above
        start = torch.cat([s.weights, above[:, None]], 1)
        x, _ = bounded_solve(damped, pulled, n + 1, start)
        x[:, n] = x[:, n].clamp_max(MAX_VARIANCE - MIN_VARIANCE)
        predicted = square + (x * ((gram @ x[..., None])[..., 0] - 2 * rhs)).sum(-1)
        trial = State(
            (s.velocity + x[:, n + 1]).clamp(-MAX_VELOCITY, MAX_VELOCITY),
            x[:, n] + MIN_VARIANCE,
            (s.m + x[:, n + 2 : n + 2 + k]).clamp(-1, 1),
            x[:, :n],
            x[:, n + 2 + k :],
        )
        return trial, predicted


def _squared(design: torch.Tensor) -> torch.Tensor:
    """Columns (b, n, N) times each other, (b, N, N), float64."""
    if design.device.type == "cpu" and len(design) == 1:
        # NumPy sees that the product is symmetric, and does half the work.
        columns = design[0].numpy()
        return torch.from_numpy(columns.T @ columns)[None]
    return design.mT @ design
