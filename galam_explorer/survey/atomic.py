"""Writing files so that a crash, a full disk or kill -9 never leaves half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from galam_explorer.errors import GalamError

__all__ = ["atomic_path", "storage_error", "write_text"]


def storage_error(error: OSError, path: Path) -> GalamError:
    """Turn an operating system error while writing `path` into a `GalamError`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return GalamError("the disk is full", path, "free some space and start again: it resumes")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return GalamError("cannot write here", path, "choose another folder with --out")
    return GalamError(f"cannot write ({error.strerror or error})", path)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success.

    The file is flushed to disk before the rename, and removed if the block
    fails.

    Parameters
    ----------
    path : Path
        The final path. Its folder is created.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    GalamError
        If the folder is not writable or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        # What stopped the writing may also forbid this; the first error counts.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
