"""The networks: the published layers, shapes, and gradients that reach every weight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from galam_explorer.config import NetworkConfig
from galam_explorer.networks import (
    build_network,
    count_parameters,
    image_tensor,
    normalise_features,
    spectrum_tensor,
)

COMPACT, PAPER = NetworkConfig(), NetworkConfig.paper()
SMALL = NetworkConfig(width=0.25)


def conv(inputs: int, outputs: int, size: int) -> int:
    return outputs * (inputs * size + 1)


def dense(*widths: int) -> int:
    return sum(o * (i + 1) for i, o in itertools.pairwise(widths))


def published_m1() -> int:
    total, channels, length = 0, 1, 4171
    for filters in (16, 32, 64, 128):
        total += conv(channels, filters, 3) + conv(filters, filters, 3)
        channels, length = filters, (length - 4) // 3
    return total + dense(length * channels, 4171, 2048, 1024, 2)


def published_m2() -> int:
    total, channels, side = 0, 3, 128
    for filters in (32, 64, 128, 256):
        total += conv(channels, filters, 9)
        channels, side = filters, (side - 2) // 2
    return total + dense(side * side * channels, 1024, 1024)


def published_m3() -> int:
    total, channels = 0, 3
    for filters in (32, 64, 128, 256):
        total += conv(channels, filters, 9) + 2 * conv(filters, filters, 9)
        channels = filters
    return total + dense(8 * 8 * 256, 2048, 1024, 2)


@pytest.mark.parametrize(
    ("stage", "layers", "number"),
    [
        ("m1", published_m1(), 36_907_229),
        ("m2", published_m2(), 10_876_224),
        ("m3", published_m3(), 37_612_802),
    ],
)
def test_paper_parameters_follow_from_the_published_layers(
    stage: str, layers: int, number: int
) -> None:
    assert layers == number
    with torch.device("meta"):
        assert count_parameters(build_network(stage, PAPER)) == number


def test_paper_fusion_parameters_follow_from_the_published_layers() -> None:
    heads_of_1024 = dense(1024, 8 * 1024)
    fusion = 3 * heads_of_1024 + dense(8 * 1024, 1024) + 2 * 1024
    regressor = dense(1024, 2048, 1024, 512, 128, 2)
    assert (fusion, regressor) == (33_582_080, 4_788_098)
    with torch.device("meta"):
        network = build_network("m4", PAPER)
    parts = [network.attention, network.norm]
    assert sum(count_parameters(part) for part in parts) == fusion
    assert count_parameters(network.regressor) == regressor
    assert count_parameters(network) == fusion + regressor


@pytest.mark.parametrize("config", [COMPACT, PAPER], ids=["compact", "paper"])
def test_the_rival_is_as_large_as_m2_m3_and_m4_together(config: NetworkConfig) -> None:
    with torch.device("meta"):
        parts = [build_network(stage, config) for stage in ("m2", "m3", "m4")]
        rival = count_parameters(build_network("image_only", config))
    together = sum(map(count_parameters, parts))
    assert rival == pytest.approx(together, rel=0.01)


def test_compact_networks_fit_into_the_released_size() -> None:
    stages = ("m1", "m2", "m3", "m4")
    numbers = sum(count_parameters(build_network(stage, COMPACT)) for stage in stages)
    assert 4 * numbers < 25e6


def inputs(config: NetworkConfig, batch: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (batch, 128, 128, 3), dtype=np.uint8)
    spectra = random.random((batch, 4171), dtype=np.float32)
    return image_tensor(images, config), spectrum_tensor(spectra)


def outputs(config: NetworkConfig, networks: dict) -> dict:
    images, spectra = inputs(config)
    out = {"m1": networks["m1"](spectra), "m2": networks["m2"](images)}
    out["m3"] = networks["m3"](images)
    out["image_only"] = networks["image_only"](images)
    out["m4"] = networks["m4"](normalise_features(out["m2"].features), out["m3"].tokens)
    return out


CONFIGS = {
    "compact": SMALL,
    "single": NetworkConfig(width=0.25, attention="single"),
    "64 px, one band": NetworkConfig(width=0.25, resolution=64, bands="g"),
    "two bands": NetworkConfig(width=0.25, bands="gi", queries=8, heads=4),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_shapes_of_the_compact_variants(config: NetworkConfig) -> None:
    torch.manual_seed(1)
    stages = ("m1", "m2", "m3", "m4", "image_only")
    out = outputs(config, {stage: build_network(stage, config).eval() for stage in stages})
    for stage in ("m1", "m3", "m4", "image_only"):
        assert out[stage].mean.shape == out[stage].log_sigma.shape == (4, 2)
    for stage in ("m1", "m2", "m3", "image_only"):
        assert out[stage].features.shape == (4, 1024)
    assert (out["m2"].features >= 0).all()
    tokens = 1 if config.attention == "single" else 64
    assert out["m3"].tokens.shape[:2] == (4, tokens)
    weights = out["m4"].attention
    assert weights.shape == (4, config.heads, config.queries, tokens)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


@pytest.mark.parametrize("config", [SMALL, PAPER], ids=["compact", "paper"])
def test_gradients_reach_every_parameter(config: NetworkConfig) -> None:
    torch.manual_seed(2)
    stages = ("m1", "m2", "m3", "m4")
    networks = {stage: build_network(stage, config).train() for stage in stages}
    images, spectra = inputs(config)
    single = config.attention == "single"
    for stage in stages:
        if stage == "m4":
            queries = torch.rand(4, 1024, requires_grad=True)
            width = 1024 if single else networks["m3"](images).tokens.shape[-1]
            out = networks["m4"](queries, torch.randn(4, 1 if single else 64, width))
        else:
            out = networks[stage](spectra if stage == "m1" else images)
        loss = sum(
            (part * torch.randn_like(part)).sum()
            for part in (out.mean, out.log_sigma, out.features)
            if part is not None
        )
        loss.backward()
        for name, weight in networks[stage].named_parameters():
            assert weight.grad is not None, f"{stage}.{name}"
            # A softmax over one key is constant: queries and keys cannot learn there.
            dead = (
                stage == "m4" and single and name.startswith(("attention.query", "attention.key"))
            )
            # A softmax does not change when all its scores do.
            dead = dead or name == "attention.key.bias"
            assert dead or bool((weight.grad != 0).any()), f"{stage}.{name}"


def test_attention_follows_the_token_that_matters() -> None:
    """A trained attention finds the one token that carries the answer."""
    torch.manual_seed(3)
    config = NetworkConfig(width=0.25, dropout=0.0)
    network = build_network("m4", config).train()
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    width = network.token.in_features
    for _ in range(150):
        place = torch.randint(64, (32,))
        value = torch.rand(32)
        tokens = torch.zeros(32, 64, width)
        tokens[torch.arange(32), place, :4] = 3.0
        tokens[torch.arange(32), place, 4] = 4 * value
        out = network(torch.ones(32, 1024) * 0.5, tokens)
        loss = (out.mean[:, 0] - value).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        weights = network(torch.ones(32, 1024) * 0.5, tokens).attention.amax(dim=(1, 2))
    found = weights.argmax(dim=1) == place
    assert found.float().mean() > 0.9
    assert loss < 0.02


def test_bands_and_resolution_choose_what_is_seen() -> None:
    image = np.zeros((1, 128, 128, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10, 20, 30  # i, r, g
    for bands, seen in (("g", [30]), ("ri", [10, 20]), ("gri", [10, 20, 30])):
        planes = image_tensor(image, NetworkConfig(bands=bands))
        assert planes.shape == (1, len(seen), 128, 128)
        np.testing.assert_allclose(planes[0, :, 5, 5] * 255, seen, rtol=1e-6)
    random = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    small = image_tensor(random, NetworkConfig(resolution=64))
    means = random.reshape(2, 64, 2, 64, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(small, means, atol=1e-6)


def test_features_are_normalised_within_each_galaxy() -> None:
    features = torch.tensor([[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]])
    torch.testing.assert_close(
        normalise_features(features), torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    )


def test_m1_does_not_care_for_the_scale_of_a_spectrum() -> None:
    """A sky residual that sets the maximum only rescales the rest."""
    network = build_network("m1", SMALL).eval()
    spectra = torch.rand(2, 4171)
    with torch.inference_mode():
        torch.testing.assert_close(
            network(spectra).mean, network(spectra * 0.2 + 0.1).mean, atol=1e-4, rtol=1e-4
        )


def test_only_the_paper_regularises_convolutions() -> None:
    network = build_network("m3", PAPER)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    wanted = sum(
        float(one.weight.detach().square().sum()) for n, one in enumerate(convolutions) if n % 3 < 2
    )
    assert network.l2_terms().item() == pytest.approx(wanted, rel=1e-5)
    assert build_network("m3", SMALL).l2_terms().item() == 0.0
