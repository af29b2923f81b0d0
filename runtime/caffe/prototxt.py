"""Protobuf's text format: nets and solvers as prototxt, with errors that name file:line:column.

Reads what genuine Caffe reads (protobuf's C++ text format) and prints what its log prints.
"""

import re
import struct
from collections.abc import Iterator
from ctypes import c_float
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from .errors import CaffeError, similar
from .files import PathLike, read_bytes, replacing
from .schema import MESSAGES, is_repeated

NetParameter, SolverParameter = MESSAGES["NetParameter"], MESSAGES["SolverParameter"]
LayerParameter = MESSAGES["LayerParameter"]

_TOKEN = re.compile(
    r"""(?P<skip> [ \t\r\n\f\v]+ | \#[^\n]* )
      | (?P<word> [A-Za-z_]\w* )
      | (?P<number> (?: 0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]? ) (?![\w.]) )
      | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
      | (?P<mark> [{}<>\[\]:;,-] )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))",
    re.DOTALL,
)
_ESCAPED = dict(zip(b"abfnrtv\\?'\"", b"\a\b\f\n\r\t\v\\?'\"", strict=True))
_CLOSING = {"{": "}", "<": ">"}

LISTED = 20  # names at most that an error lists

_INTEGER_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
}
_FLOATS = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)
_STRINGS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_BOOLS = dict.fromkeys(("true", "True", "t", "1"), True) | dict.fromkeys(
    ("false", "False", "f", "0"), False
)


class Token(NamedTuple):
    """A word, number, string, mark or the end of the text, and where it starts."""

    kind: str
    text: str
    offset: int

    def __str__(self) -> str:
        return "the end of the text" if self.kind == "end" else _shortened(self.text)


def read(path: PathLike, message_class: type[Message]) -> Any:
    """The message that a prototxt file holds."""
    return parse(read_text(path), message_class, str(path))


def read_text(path: PathLike) -> str:
    """The text of a prototxt file; bytes that are not UTF-8 are left for `parse` to refuse."""
    data = read_bytes(path, "a prototxt file")
    return data.decode("utf-8-sig", "surrogateescape")


def parse(text: str, message_class: type[Message], source: str = "<text>") -> Any:
    """The message that a text holds; errors name `source`, the line and the column."""
    message = message_class()
    _Parser(text, source).read_message(message, None)
    return message


def write(path: PathLike, message: Message) -> None:
    """Writes a message as prototxt."""
    content = text(message).encode("ascii")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def text(message: Message) -> str:
    """A message as text, number for number as Caffe's log prints it."""
    return "".join(_lines(message, ""))


def layer_lines(text: str) -> list[int]:
    """The line, from 1, on which each top-level `layer` or `layers` block of a net begins."""
    depth, in_list, name = 0, False, Token("end", "", 0)
    starts = []
    for token in _tokens(text, "<text>"):
        if depth == 0 and token.kind == "word":
            name = token
        elif depth == 0 and token.text in ("[", "]"):
            in_list = token.text == "["
        elif token.text in _CLOSING:
            if depth == 0 and name.text in ("layer", "layers"):
                starts.append(token.offset if in_list else name.offset)
            depth += 1
        elif token.text in _CLOSING.values():
            depth -= 1
    return [text.count("\n", 0, start) + 1 for start in starts]


def _fail(text: str, offset: int, source: str, complaint: str) -> NoReturn:
    """Raises CaffeError at a place in the text."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    raise CaffeError(f"{source}:{line}:{column}: {complaint}")


def _tokens(text: str, source: str) -> Iterator[Token]:
    """The tokens of a text, the last of kind "end"; blanks and comments are left out."""
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            _fail(text, offset, source, _lexical_complaint(text, offset))
        if match.lastgroup != "skip":
            yield Token(str(match.lastgroup), match.group(), offset)
        offset = match.end()
    yield Token("end", "", offset)


def _lexical_complaint(text: str, offset: int) -> str:
    """Why no token starts here."""
    char = text[offset]
    if char in "\"'":
        return f"string is not closed, expected {char} before the end of the line"
    if char in "0123456789.":
        word = re.compile(r"[\w.]*", re.ASCII).match(text, offset)
        return f"{_shortened(word.group())} is no number" if word else "no number"
    if not char.isprintable():
        return f"unexpected {char!a}, expected prototxt (is this a binary file?)"
    return f'unexpected "{char}", expected a field name, a value or a brace'


def _shortened(text: str) -> str:
    """A token as errors show it: in quotes, printable and never long."""
    text = text if len(text) <= 40 else text[:37] + "..."
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return text if text[:1] in ('"', "'") else f'"{text}"'


class _Parser:
    """Reads one text, field by field."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.rest = _tokens(text, source)
        self.token = next(self.rest)
        self.open: list[tuple[Message, Token | None]] = []

    def fail(self, token: Token, complaint: str) -> NoReturn:
        _fail(self.text, token.offset, self.source, complaint)

    def take(self) -> Token:
        """The current token; moves to the next."""
        token = self.token
        if token.kind != "end":
            self.token = next(self.rest)
        return token

    def take_mark(self, *marks: str) -> Token | None:
        """The current token if it is one of these marks."""
        return self.take() if self.token.kind == "mark" and self.token.text in marks else None

    def line_of(self, token: Token) -> int:
        return self.text.count("\n", 0, token.offset) + 1

    def read_message(self, message: Message, opening: Token | None) -> None:
        """Reads fields up to the closing brace, or up to the end of the text."""
        seen: dict[str, Token] = {}
        self.open.append((message, opening))
        while not self.at_close(message, opening):
            name = self.take()
            field = self.field_named(name, message)
            if not is_repeated(field):
                self.check_first(seen.setdefault(name.text, name), name, message)
            self.read_field(message, field, name)
            self.take_mark(";", ",")
        if not message.IsInitialized():
            missing = " and ".join(f'"{name}"' for name in message.FindInitializationErrors())
            self.fail(opening or self.token, f"{message.DESCRIPTOR.name} needs {missing}")
        self.open.pop()

    def at_close(self, message: Message, opening: Token | None) -> bool:
        """Whether the message ends here; takes its closing brace."""
        if self.token.kind == "word":
            return False
        if opening is None:
            if self.token.kind != "end":
                self.fail(self.token, f"expected a field name, found {self.token}")
            return True
        closing = _CLOSING[opening.text]
        if self.token.kind == "end":
            name = message.DESCRIPTOR.name
            self.fail(opening, f'"{opening.text}" of {name} is never closed, expected "{closing}"')
        if not self.take_mark(closing):
            where = f'"{closing}" for the "{opening.text}" of line {self.line_of(opening)}'
            self.fail(self.token, f"expected a field name or {where}, found {self.token}")
        return True

    def field_named(self, name: Token, message: Message) -> FieldDescriptor:
        descriptor = message.DESCRIPTOR
        field = descriptor.fields_by_name.get(name.text)
        if field is None:
            layer, layer_hint = _layer_of(message)
            hint = self.brace_hint(name.text) or layer_hint or _hint(name.text, descriptor)
            self.fail(name, f'{layer}unknown field "{name.text}" in {descriptor.name}{hint}')
        return field

    def brace_hint(self, name: str) -> str:
        """Asks for the closing brace where the field is one of an enclosing message."""
        for (outer, _), (_, opening) in pairwise(self.open):
            if opening and name in outer.DESCRIPTOR.fields_by_name:
                return f'; is the "{opening.text}" of line {self.line_of(opening)} closed?'
        return ""

    def check_first(self, first: Token, name: Token, message: Message) -> None:
        """Refuses the second value of a field that holds one."""
        if first is not name:
            where = f"{message.DESCRIPTOR.name} (first on line {self.line_of(first)})"
            self.fail(name, f'field "{name.text}" given twice in {where}, expected one value')

    def read_field(self, message: Message, field: FieldDescriptor, name: Token) -> None:
        """Reads the value, or the list of values, after a field's name."""
        colon = self.take_mark(":")
        if field.message_type is None and colon is None:
            self.fail(self.token, f'expected ":" after "{name.text}", found {self.token}')
        opening = self.take_mark("[") if is_repeated(field) else None
        if opening is None:
            self.read_value(message, field)
            return
        if self.take_mark("]"):
            return
        self.read_value(message, field)
        while not self.take_mark("]"):
            if not self.take_mark(","):
                where = f"the list of line {self.line_of(opening)}"
                self.fail(self.token, f'expected "," or "]" in {where}, found {self.token}')
            self.read_value(message, field)

    def read_value(self, message: Message, field: FieldDescriptor) -> None:
        """Reads one value into the message."""
        if field.message_type is not None:
            self.read_submessage(message, field)
        elif is_repeated(field):
            getattr(message, field.name).append(self.scalar(field))
        else:
            setattr(message, field.name, self.scalar(field))

    def read_submessage(self, message: Message, field: FieldDescriptor) -> None:
        opening = self.take_mark(*_CLOSING)
        if opening is None:
            self.fail(self.token, f'expected "{{" after "{field.name}", found {self.token}')
        value = getattr(message, field.name)
        if is_repeated(field):
            value = value.add()
        else:
            value.SetInParent()
        self.read_message(value, opening)

    def scalar(self, field: FieldDescriptor) -> Any:
        """The value of a field that is no message."""
        if field.type in _STRINGS:
            return self.string(field)
        start = self.token
        sign = "-" if self.take_mark("-") else ""
        token = self.take()
        if field.enum_type is not None:
            return self.enum(field, start, sign, token)
        value: Any
        if field.type == FieldDescriptor.TYPE_BOOL:
            value, expected = _bool(sign, token), "true or false"
        elif field.type in _FLOATS:
            value, expected = _float(sign, token, field), "a number"
        else:
            low, high = _INTEGER_RANGES[field.type]
            value, expected = _integer(sign, token), f"an integer from {low} to {high}"
            if value is not None and not low <= value <= high:
                value = None
        if value is None:
            self.fail_value(field, start, sign, token, expected)
        return value

    def enum(self, field: FieldDescriptor, start: Token, sign: str, token: Token) -> int:
        """The number of an enum value, given by name or by number."""
        known = field.enum_type.values_by_name.get(token.text) if not sign else None
        number = _integer(sign, token)
        if number is not None:
            known = field.enum_type.values_by_number.get(number)
        if known is None:
            names = [value.name for value in field.enum_type.values]
            expected = f"one of {', '.join(names)}"
            if len(names) > LISTED:
                expected = f"a {field.enum_type.full_name.partition('.')[2]}"
            self.fail_value(field, start, sign, token, expected)
        return known.number

    def string(self, field: FieldDescriptor) -> str | bytes:
        """One string, or several that stand side by side and are joined."""
        start = self.token
        if start.kind != "string":
            self.fail_value(field, start, "", start, "a string in quotes")
        data = b""
        while self.token.kind == "string":
            data += self.unescaped(self.take())
        if field.type == FieldDescriptor.TYPE_BYTES:
            return data
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(start, f'"{field.name}" is not UTF-8, expected UTF-8 text')

    def unescaped(self, token: Token) -> bytes:
        """The bytes that a quoted string stands for."""

        def byte(match: re.Match[bytes]) -> bytes:
            octal, hexadecimal, *code_points, char = match.groups()
            if octal and int(octal, 8) < 256:
                return bytes([int(octal, 8)])
            if hexadecimal:
                return bytes([int(hexadecimal, 16)])
            code_point = int(code_points[0] or code_points[1] or b"110000", 16)
            if code_point < 0x110000:
                return chr(code_point).encode("utf-8", "surrogatepass")
            if not char or char[0] not in _ESCAPED:
                shown = match.group().decode("ascii", "backslashreplace")
                self.fail(token, f"unknown escape {shown} in a string, expected one such as \\n")
            return bytes([_ESCAPED[char[0]]])

        return _ESCAPE.sub(byte, token.text[1:-1].encode("utf-8", "surrogateescape"))

    def fail_value(
        self, field: FieldDescriptor, start: Token, sign: str, token: Token, expected: str
    ) -> NoReturn:
        found = f"is {token._replace(text=sign + token.text)}"
        if token.kind in ("mark", "end"):
            found = f"is followed by {token}"
        self.fail(start, f'"{field.name}" {found}, expected {expected}')


def _layer_of(message: Any) -> tuple[str, str]:
    """How errors name a layer that is being read, and that its type is unknown if it is."""
    if message.DESCRIPTOR is not LayerParameter.DESCRIPTOR:
        return "", ""
    shown = f' "{message.name}"' if message.name else ""
    if not message.type:
        return (f"layer{shown}: " if shown else ""), ""
    from .net_building import layer_type_list  # which imports this module

    known = message.type in layer_type_list()
    hint = "" if known else "; this type of layer is not one of Caffe's"
    return f"layer{shown} ({message.type}): ", hint


def _hint(name: str, descriptor: Any) -> str:
    """Where a field that a message lacks may have been meant to go, or which fields it has."""
    fields = descriptor.fields_by_name
    close = similar(name, fields)
    if close:
        names = " or ".join(f'"{other}"' for other in close)
        return f"; did you mean {names}?"
    inner = [
        f.name for f in fields.values() if f.message_type and name in f.message_type.fields_by_name
    ]
    if inner:
        return f"; it belongs in {' or '.join(inner[:3])}"
    for other in (NetParameter, SolverParameter):
        if name in other.DESCRIPTOR.fields_by_name:
            return f"; it is a field of {other.DESCRIPTOR.name}"
    return f", expected one of {', '.join(fields)}" if len(fields) <= LISTED else ""


def _bool(sign: str, token: Token) -> bool | None:
    return None if sign else _BOOLS.get(token.text)


def _integer(sign: str, token: Token) -> int | None:
    """A decimal, octal (0...) or hexadecimal (0x...) integer."""
    if token.kind != "number":
        return None
    digits = token.text
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    try:
        return int(sign + digits, base)
    except ValueError:
        return None


def _float(sign: str, token: Token, field: FieldDescriptor) -> float | None:
    """A decimal number, with or without a final f, or inf or nan, as precise as the field."""
    if token.kind == "word" and token.text.lower() in ("inf", "infinity", "nan"):
        return float(sign + token.text)
    if token.kind != "number" or re.match(r"0[0-9xX]", token.text):
        return None
    value = float(sign + token.text.rstrip("fF"))
    return c_float(value).value if field.type == FieldDescriptor.TYPE_FLOAT else value


def _lines(message: Message, indent: str) -> Iterator[str]:
    for field, values in message.ListFields():
        for value in values if is_repeated(field) else [values]:
            if field.message_type is None:
                yield f"{indent}{field.name}: {_scalar_text(field, value)}\n"
            else:
                yield f"{indent}{field.name} {{\n"
                yield from _lines(value, indent + "  ")
                yield f"{indent}}}\n"


def _scalar_text(field: FieldDescriptor, value: Any) -> str:
    if field.type in _STRINGS:
        return _quoted(value.encode("utf-8") if isinstance(value, str) else value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest("f", value, 6, 9)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _shortest("d", value, 15, 17)
    return str(value)


def _shortest(kind: str, value: float, digits: int, all_digits: int) -> str:
    """The number with few digits where they say it exactly, else with enough."""
    short = f"{value:.{digits}g}"
    exact = struct.pack(kind, float(short)) == struct.pack(kind, value)
    return short if exact else f"{value:.{all_digits}g}"


_NAMED = {ord(char): "\\" + name for char, name in zip("\n\r\t\"'\\", "nrt\"'\\", strict=True)}


def _quoted(data: bytes) -> str:
    """A string in quotes, all that is not printable ASCII escaped."""
    plain = [_NAMED.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in data]
    return f'"{"".join(plain)}"'
