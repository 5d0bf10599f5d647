"""The same fit as pPXF's for many spectra at once, on a CPU or a GPU.

The model of a spectrum is pPXF's (Cappellari 2017, Eq. 11)::

    M(λ; m) · Σ w_i T_i(λ; V, σ) + Σ a_k P_k(λ),   w_i >= 0,   M = 1 + Σ m_k L_k

with Legendre polynomials L and P. pPXF solves it by variable projection: a
Levenberg-Marquardt search over V, σ and m with non-negative least squares for w
and a inside. Here both happen in one step: the model is linearised in V, σ² and m
around the current best template, and one bounded least-squares problem gives the
new weights and the steps together (a constrained Gauss-Newton method, damped like
Levenberg-Marquardt). Both stop where the same conditions for a minimum hold. Normal
equations are in float64; the templates' condition number of 1e4 would exhaust float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from galam_explorer.config import LabelConfig
from galam_explorer.labels.batched_bank import EDGE, Smoothed, template_bank
from galam_explorer.labels.batched_draws import draw_weights
from galam_explorer.labels.batched_search import Problem, Search, State
from galam_explorer.labels.fit_input import (
    PIXEL_KMS,
    FitInput,
    fit_input,
    matching_variance,
)
from galam_explorer.labels.noise import noise_draws, with_draws
from galam_explorer.labels.templates import TemplateLibrary, load_templates
from galam_explorer.records import Galaxy, StellarPopulation

__all__ = ["BatchedFitter", "fit_batched"]

MIN_CONTINUUM = 0.1
_CHUNK = 48


class BatchedFitter:
    """Fits spectra in batches with one configuration and one set of templates.

    Parameters
    ----------
    config : LabelConfig
    library : TemplateLibrary, optional
        What `load_templates` gives for `config` by default.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``.
    """

    def __init__(
        self, config: LabelConfig, library: TemplateLibrary | None = None, device: str = "auto"
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config = config
        self.library = library or load_templates(config)
        self.bank = template_bank(self.library, device)
        self.device = self.bank.device

    def problem(self, data: Sequence[FitInput]) -> Problem:
        """Pad some spectra to one length and move them to the device."""
        n = max(len(one) for one in data)
        y, root, matching = (np.zeros((len(data), n)) for _ in range(3))
        degree = max(self.config.degree, self.config.mdegree, 0)
        legendre = np.zeros((len(data), n, degree + 1))
        for row, one in enumerate(data):
            k = len(one)
            root[row, :k] = one.good / one.error
            y[row, :k] = one.flux * root[row, :k]
            matching[row] = np.pad(
                matching_variance(one, self.config, self.library, one.wavelength),
                (0, n - k),
                mode="edge",
            )
            legendre[row, :k] = _legendre(k, degree)
        start = np.array([one.loglam0 for one in data])
        arrays = (start, y, root, matching, legendre)
        return Problem(*(torch.from_numpy(one).to(self.device) for one in arrays))

    def solve(self, problem: Problem) -> tuple[State, torch.Tensor, torch.Tensor]:
        """Fit every spectrum of a batch.

        Returns
        -------
        state : State
        chi2 : Tensor, shape (B,)
        converged : Tensor, shape (B,), bool
        """
        search = Search(self, problem)
        return search.run()

    def templates(self, problem: Problem, state: State) -> Smoothed:
        """Templates at the parameters, with `EDGE` more pixels at each end."""
        return self.bank.evaluate(problem.loglam0, state.velocity, state.variance, problem.matching)

    def continuum(self, problem: Problem, m: torch.Tensor) -> torch.Tensor:
        """The multiplicative polynomial, shape (B, n), not below 0.1 as in pPXF."""
        k = self.config.mdegree
        if not k:
            return torch.ones_like(problem.y)
        series = (problem.legendre[..., 1 : k + 1] @ m[..., None])[..., 0]
        return (1 + series).clamp_min(MIN_CONTINUUM)

    def fit(self, galaxies: Sequence[Galaxy], keep_fit: bool = True) -> list[StellarPopulation]:
        """Fit some galaxies, and their noise draws if the configuration has any.

        Parameters
        ----------
        galaxies : sequence of Galaxy
        keep_fit : bool
            Keep wavelength, flux and best fit with each result.

        Returns
        -------
        list of StellarPopulation
            In the order of `galaxies`; `status` says whether a fit was possible.
        """
        found = [fit_input(one, self.config, self.library) for one in galaxies]
        order = [i for i, one in enumerate(found) if isinstance(one, FitInput)]
        results = list(found)
        # Spectra of about equal length together: less padding.
        order.sort(key=lambda i: len(found[i]))
        with limited_threads(1):
            for first in range(0, len(order), _CHUNK):
                rows = order[first : first + _CHUNK]
                fits = self._fit_chunk([found[i] for i in rows], keep_fit)
                for i, fit in zip(rows, fits, strict=True):
                    results[i] = fit
        return results

    def _fit_chunk(self, data: list[FitInput], keep_fit: bool) -> list[StellarPopulation]:
        problem = self.problem(data)
        state, chi2, converged = self.solve(problem)
        results = []
        usable = torch.isfinite(chi2) & (state.weights.sum(-1) > 0)
        models = self._models(problem, state) if keep_fit else None
        for row, one in enumerate(data):
            if not usable[row] or not converged[row]:
                reason = "did not converge" if usable[row] else "all template weights are 0"
                results.append(StellarPopulation("fit_failed", f"The batched fit: {reason}."))
                continue
            fit = self._result(one, state, float(chi2[row]), row)
            if self.config.draws:
                noise = noise_draws(one, self.config)
                weights = draw_weights(self, problem, state, row, noise).cpu().numpy()
                fit = with_draws(fit, self.library.mean_labels(weights))
            if models is not None:
                fit = replace(
                    fit,
                    wavelength=one.wavelength,
                    flux=one.flux,
                    best_fit=models[row, : len(one)],
                    good=one.good,
                )
            results.append(fit)
        return results

    def _models(self, problem: Problem, state: State) -> np.ndarray:
        model = self.templates(problem, state).mix(state.weights)[:, EDGE:-EDGE]
        model = model * self.continuum(problem, state.m)
        if self.config.degree >= 0:
            basis = problem.legendre[..., : self.config.degree + 1]
            model = model + (basis @ state.a[..., None])[..., 0]
        return model.cpu().numpy()

    def _result(self, data: FitInput, state: State, chi2: float, row: int) -> StellarPopulation:
        weights = state.weights[row].cpu().numpy()
        weights = weights / weights.sum()
        log_age, m_h = self.library.mean_labels(weights)
        n_pixels = int(data.good.sum())
        return StellarPopulation(
            status="ok",
            log_age=float(log_age),
            m_h=float(m_h),
            velocity=float(state.velocity[row]) * PIXEL_KMS,
            sigma=float(state.variance[row]) ** 0.5 * PIXEL_KMS,
            # pPXF's degrees of freedom: the linear parameters do not count.
            chi2=chi2 / (n_pixels - 2 - self.config.mdegree),
            n_pixels=n_pixels,
            weights=weights.reshape(self.library.shape),
        )


def fit_batched(
    galaxies: Sequence[Galaxy],
    config: LabelConfig | None = None,
    library: TemplateLibrary | None = None,
    device: str = "auto",
) -> list[StellarPopulation]:
    """Fit many galaxies at once; see `BatchedFitter`, which keeps its tables between calls."""
    return BatchedFitter(config or LabelConfig(), library, device).fit(galaxies)


@lru_cache(maxsize=512)
def _legendre(n: int, degree: int) -> np.ndarray:
    """Legendre polynomials on n equal steps from -1 to 1, shape (n, degree + 1)."""
    return np.polynomial.legendre.legvander(np.linspace(-1, 1, n), degree)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """The libraries under NumPy, which are looked for once."""
    return ThreadpoolController()


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let torch and NumPy use `count` threads in this process for a while.

    The matrices are small: a second thread mostly waits, and spins while it does. Use
    processes for more cores, as `label_survey` does.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with _blas().limit(limits=count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
