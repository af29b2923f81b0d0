"""What tests of the command share: runs in this process, logs as comparable streams of messages."""

import re
from typing import NamedTuple

PREFIX = re.compile(r"([IWEF])(?:\d{4}|\d{8}) (\d\d:\d\d:\d\d\.\d{6}) +(\d+) ([\w.]+:\d+)\] ")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
IGNORED = (
    "Restarting data prefetching from start.",  # the data reader's thread says it at any moment
    "Waiting for data",
    "Datatype class: H5T_FLOAT",  # a detail of genuine Caffe's HDF5 reader
)


class Message(NamedTuple):
    """One log entry: severity, source file and line, text (of several lines for messages)."""

    severity: str
    place: str
    text: str


def messages(log: str) -> list[Message]:
    """The entries of a log in order; lines without prefix belong to the entry before them."""
    found: list[Message] = []
    for line in log.splitlines():
        match = PREFIX.match(line)
        if match:
            found.append(Message(match[1], match[4], line[match.end() :]))
        elif found:
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line}")
    return _outer_layers([m for m in found if m.text not in IGNORED])


def _outer_layers(entries: list[Message]) -> list[Message]:
    """The entries without the creation of layers inside layers, which go by their outer's name."""
    kept, created = [], None
    for entry in entries:
        if entry.place == "layer_factory.hpp:77":
            if entry == created:
                continue
            created = entry
        kept.append(entry)
    return kept


def without_times(text: str) -> str:
    """The text with speeds and times masked."""
    text = re.sub(r"\(\S+ iter/s, \S+s/", "(* iter/s, *s/", text)
    return re.sub(r"(?<=: )\S+ ms\.", "* ms.", text)


def differences(got: str, expected: str) -> list[str]:
    """Where two logs differ in order, place or text; numbers may differ by 1e-4 or 2e-5."""
    ours, theirs = messages(got), messages(expected)
    wrong = [
        f"{a.place}] {a.text!r}, expected {b.place}] {b.text!r}"
        for a, b in zip(ours, theirs)
        if (a.severity, a.place) != (b.severity, b.place) or not same(a.text, b.text)
    ]
    for extra in (ours[len(theirs) :], theirs[len(ours) :]):
        wrong += [f"only one log has {m.text!r}" for m in extra]
    return wrong


def same(got: str, expected: str) -> bool:
    """Whether two texts are equal up to rounding of their numbers."""
    got, expected = without_times(got), without_times(expected)
    if NUMBER.sub("#", got) != NUMBER.sub("#", expected):
        return False
    pairs = zip(NUMBER.findall(got), NUMBER.findall(expected))
    return all(abs(float(a) - float(b)) <= 2e-5 + 1e-4 * abs(float(b)) for a, b in pairs)
