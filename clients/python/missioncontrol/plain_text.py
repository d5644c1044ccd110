"""Text from anywhere, made fit for a message: valid UTF-8, no NUL, no longer than a bound in bytes."""

from __future__ import annotations

_ELLIPSIS = "…"


def fit_text(text: str, bytes_max: int) -> str:
    """The text, cut to so many bytes of UTF-8; what cannot be encoded, and NUL, becomes U+FFFD or "?"."""
    data = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return data.decode()
    return data[: bytes_max - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS
