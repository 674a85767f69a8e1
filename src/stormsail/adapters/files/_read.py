"""Reading a small text file that a person wrote."""

from __future__ import annotations

from pathlib import Path

from stormsail.core import ConfigError


def read_text(path: str | Path, what: str) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Args:
        path: Which file.
        what: What it should be, for the cure: ``a policy file``.

    Raises:
        ConfigError: If it is missing or is not text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", cure=f"name {what}", where=str(path)) from error
