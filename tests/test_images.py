"""Decoding cutouts: every kind of image file, and none that takes the memory."""

from __future__ import annotations

import io
import resource

import numpy as np
import pytest
from PIL import Image

from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout
from galam_explorer.survey.images import MAX_SIDE, decode_cutout


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    rows, columns = np.mgrid[:40, :60]
    return np.stack([rows * 4, columns * 4, 255 - rows * 2], axis=2).astype(np.uint8)


def test_rgb_png_is_exact_and_jpeg_close(rgb: np.ndarray) -> None:
    image = Image.fromarray(rgb)
    np.testing.assert_array_equal(decode_cutout(encode(image)), rgb)
    decoded = decode_cutout(Cutout(encode(image, "JPEG", quality=95, subsampling=0)))
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - rgb).max() < 12


def test_greyscale_is_repeated(rgb: np.ndarray) -> None:
    grey = Image.fromarray(rgb[..., 0])
    decoded = decode_cutout(encode(grey))
    for channel in range(3):
        np.testing.assert_array_equal(decoded[..., channel], rgb[..., 0])


def test_transparency_is_laid_on_black(rgb: np.ndarray) -> None:
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[:, :30] = 255
    decoded = decode_cutout(encode(Image.fromarray(np.dstack([rgb, alpha]))))
    np.testing.assert_array_equal(decoded[:, :30], rgb[:, :30])
    assert not decoded[:, 30:].any()


def test_cmyk_and_palette_keep_their_colours(rgb: np.ndarray) -> None:
    red = Image.new("RGB", (64, 64), (200, 10, 10))
    for encoded in (encode(red.convert("CMYK"), "JPEG"), encode(red.convert("P"))):
        assert np.abs(decode_cutout(encoded).mean(axis=(0, 1)) - (200, 10, 10)).max() < 8


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    encoded = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_cutout(encoded)[0, 0], (255, 0, 0))


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    decoded = decode_cutout(encode(Image.fromarray(deep)))
    assert decoded[0, 0, 0] == 0
    assert decoded[-1, -1, 0] == 255
    assert decoded[16, 0, 0] == pytest.approx(deep[16, 0] / 257, abs=1)


def test_exif_rotation_is_applied(rgb: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    decoded = decode_cutout(encode(Image.fromarray(rgb), exif=exif))
    np.testing.assert_array_equal(decoded, np.rot90(rgb, -1))


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "empty"),
        (b"this is no image at all", "not an image"),
        (b"\xff\xd8\xff\xe0", "not an image"),
    ],
)
def test_bytes_that_are_no_image(encoded: bytes, message: str) -> None:
    with pytest.raises(GalamError, match=message) as caught:
        decode_cutout(encoded, "galaxy-7")
    assert caught.value.where == "galaxy-7"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    encoded = encode(Image.fromarray(noise), kind)
    with pytest.raises(GalamError, match="image"):
        decode_cutout(encoded[: int(len(encoded) * share)])


def test_damaged_bytes_never_raise_anything_else(rgb: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"):
        original = encode(Image.fromarray(rgb), kind)
        for _ in range(40):
            damaged = bytearray(original)
            for place in rng.integers(0, len(damaged), 6):
                damaged[place] = rng.integers(256)
            try:
                decoded = decode_cutout(bytes(damaged))
            except GalamError:
                continue
            assert decoded.dtype == np.uint8
            assert decoded.ndim == 3


def test_one_pixel_is_too_small() -> None:
    with pytest.raises(GalamError, match="1×1 px"):
        decode_cutout(encode(Image.new("RGB", (1, 1))))


def test_a_large_png_is_refused_by_its_header() -> None:
    encoded = encode(Image.new("1", (20_000, MAX_SIDE // 2)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(GalamError, match="20000×2048 px"):
        decode_cutout(encoded)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_bomb_is_refused() -> None:
    with pytest.raises(GalamError, match="too large"):
        decode_cutout(encode(Image.new("1", (20_000, 20_000))))


def test_a_large_jpeg_is_decoded_at_a_reduced_size() -> None:
    large = Image.new("RGB", (6000, 5000), (40, 90, 160))
    decoded = decode_cutout(encode(large, "JPEG"))
    assert max(decoded.shape) < 2000
    assert decoded.shape[1] / decoded.shape[0] == pytest.approx(6 / 5, rel=0.01)
    assert np.abs(decoded[100, 100].astype(int) - (40, 90, 160)).max() < 4
