"""Files that say how queues shall be: read whole, with every fault, before anything is done with them.

A document is a mapping with the queue's `name` and its whole `policy`; a file has any number of documents, each of them
one queue or a list of queues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.text_input import read_text
from missioncontrol.cli.yaml_reading import Fault, YamlReader, line_of
from missioncontrol.cli.yaml_writing import dump, message_value
from missioncontrol.errors import InvalidArgument
from missioncontrol.v1 import queue_pb2

_KEYS = ("name", "policy")
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class QueueDocument:
    """How one queue shall be, and where that was written."""

    file: str
    line: int
    name: str
    policy: queue_pb2.QueuePolicy
    reader: YamlReader

    def explain(self, refused: InvalidArgument) -> list[str]:
        """What a service says of the policy, with the lines in the file."""
        faults = [
            Fault(self.reader.nearest_line(each.field) or self.line, each.field, each.description)
            for each in refused.field_violations
        ]
        return [sentence(self.file, fault) for fault in faults] or [f"{self.file}:{self.line}: {refused.message}"]


def read_queue_files(names: Sequence[str]) -> list[QueueDocument]:
    """All documents of these files, of the files in these folders, or of stdin ("-").

    Raises RefusedInputError with a line for each fault, OSError for what cannot be read.
    """
    documents: list[QueueDocument] = []
    faults: list[str] = []
    for name, text in _texts(names):
        found, wrong = parse_queues(name, text)
        documents += found
        faults += wrong
    faults += _twice(documents)
    if faults:
        raise RefusedInputError("\n".join(faults))
    if not documents:
        raise RefusedInputError(f"{', '.join(names)}: no queue is in there")
    return documents


def parse_queues(file: str, text: str) -> tuple[list[QueueDocument], list[str]]:
    """The documents of a file, and a line for each of its faults. Raises RefusedInputError for what is no YAML."""
    documents: list[QueueDocument] = []
    faults: list[str] = []
    for reader, node in _queues(file, text):
        found = _document(file, reader, node)
        faults += [sentence(file, fault) for fault in reader.faults]
        documents += [found] if found is not None else []
    return documents, faults


def queue_text(queue: queue_pb2.Queue) -> str:
    """A queue as a document that can be read again."""
    return dump({"name": queue.name, "policy": message_value(queue.policy)})


def sentence(file: str, fault: Fault) -> str:
    """A fault as a line for people, as compilers write them."""
    return (
        f"{file}:{fault.line}: {fault.path}: {fault.reason}" if fault.path else f"{file}:{fault.line}: {fault.reason}"
    )


def _texts(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = Path(name)
        if name != "-" and path.is_dir():
            yield from (read_text(str(each)) for each in sorted(path.iterdir()) if each.suffix in _SUFFIXES)
        else:
            yield read_text(name)


def _queues(name: str, text: str) -> Iterator[tuple[YamlReader, yaml.Node]]:
    """The queues of a file, each with a reader of its own. Raises RefusedInputError for what is no YAML."""
    try:
        for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if document is None or document.tag.endswith(":null"):
                continue  # nothing between two marks
            for node in document.value if isinstance(document, yaml.SequenceNode) else [document]:
                yield YamlReader(), node
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise RefusedInputError(f"{name}:{line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RefusedInputError(f"{name}: {error}") from None


def _document(file: str, reader: YamlReader, node: yaml.Node) -> QueueDocument | None:
    """One queue; None if it cannot be told which, or how it shall be. The reader has the faults."""
    name, policy = "", None
    for key, value in reader.entries(node, ""):
        if key == "name":
            name = value.value if isinstance(value, yaml.ScalarNode) else ""
        elif key == "policy":
            policy = queue_pb2.QueuePolicy()
            reader.fill(policy, value, "policy")
        else:
            reader.unknown_key(value, key, known=_KEYS)
    if not name:
        reader.fault(node, "name", "is needed: the queue's name")
    if policy is None:
        reader.fault(node, "policy", "is needed; {} is the default policy")
    return QueueDocument(file, line_of(node), name, policy, reader) if name and policy is not None else None


def _twice(documents: Iterable[QueueDocument]) -> Iterator[str]:
    seen: dict[str, QueueDocument] = {}
    for each in documents:
        first = seen.setdefault(each.name, each)
        if first is not each:
            yield f"{each.file}:{each.line}: queue {each.name} is in {first.file}:{first.line}, too"
