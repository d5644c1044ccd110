"""Page tokens: where a list goes on. Opaque to clients, and good only for the very list that gave them.

A token is base64url of JSON with a version, the digest of the request's filter, and the key behind which the next page
begins. It is no secret and grants nothing: every query asks for the namespace besides.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TypeVar

import msgspec
from google.protobuf.message import Message

from services.domain.errors import InvalidArgument

_VERSION = 1

Key = TypeVar("Key", str, int)


class _Token(msgspec.Struct, frozen=True, array_like=True):
    version: int
    filter_digest: str
    key: str | int


def write_page_token(request: Message, key: str | int | None) -> str:
    """The token of the page behind this key; empty if there is none."""
    if key is None:
        return ""
    token = msgspec.json.encode(_Token(_VERSION, _filter_digest(request), key))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def read_page_token(request: Message, first: Key) -> Key:
    """The key behind which the page begins; `first` without a token. Raises InvalidArgument for a foreign token."""
    text: str = request.page_token  # type: ignore[attr-defined]  # every list request has one
    if not text:
        return first
    try:
        token = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), "-_", validate=True), type=_Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _refusal("is not a token that this service gave") from None
    if token.version != _VERSION or not isinstance(token.key, type(first)) or not _is_possible(token.key):
        raise _refusal("is not a token that this service gave")
    if token.filter_digest != _filter_digest(request):
        raise _refusal("belongs to a list with other filters: the other fields of the request must stay the same")
    return token.key


def _is_possible(key: str | int) -> bool:
    """Whether a database can be asked for what lies behind this key."""
    return "\0" not in key if isinstance(key, str) else 0 <= key < 1 << 63


def _refusal(reason: str) -> InvalidArgument:
    return InvalidArgument(f"page_token: {reason}", fields=[("page_token", reason)])


def _filter_digest(request: Message) -> str:
    """Names the list: all of the request but the place in it and the size of a page."""
    filter_ = type(request)()
    filter_.CopyFrom(request)
    filter_.ClearField("page_token")
    filter_.ClearField("page_size")
    content = request.DESCRIPTOR.full_name.encode() + b"\0" + filter_.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=8).hexdigest()
