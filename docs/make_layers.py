"""Write docs/layers.md from the code: the layers' docstrings and the table of messages.

`python docs/make_layers.py` writes the page; with `--check` it only says whether it is up to date.
"""

import inspect
import re
import sys
from functools import lru_cache
from pathlib import Path

from caffe.layer import Layer
from caffe.net_building import REGISTRY  # with all types
from caffe.ops import data
from caffe.proto import caffe_pb2
from caffe.schema import is_repeated

PAGE = Path(__file__).with_name("layers.md")
HELPERS = {  # where families have their parameters read for them
    "caffe.data_transformer",
    "caffe.fillers",
    "caffe.sources",
    "caffe.windows",
}
MESSAGES = {  # of several types, and one type that reads them
    "BlobShape": "Reshape",
    "FillerParameter": "InnerProduct",
    "LossParameter": "SoftmaxWithLoss",
    "TransformationParameter": "Data",
}
SHARED = ("transform_param", "loss_param")  # of several types: their tables stand at the end
INTRODUCTION = """# The layer types

Written by `docs/make_layers.py` from the code; change the docstrings there, not this page.

Every layer also takes `name`, `type`, `bottom`, `top`, `loss_weight`, `param`, `include`, `exclude`
and `propagate_down`, as in Caffe. The column "here" says what a field does in this runtime: it is
`read`, it is `accepted` and changes nothing, or it is `refused` with an error.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, contents()]
    parts += [section(kind, REGISTRY[kind]) for kind in sorted(REGISTRY)]
    parts += ["## Messages that several types share\n"]
    parts += [f"### {name}\n\n{table(name, REGISTRY[kind])}\n" for name, kind in MESSAGES.items()]
    return "\n".join(parts)


def contents() -> str:
    """Links to all types."""
    return ", ".join(f"[{kind}](#{kind.lower()})" for kind in sorted(REGISTRY)) + "\n"


def section(kind: str, cls: type) -> str:
    """What there is to know of one layer type."""
    lines = [f"## {kind}", "", description(cls), ""]
    if cls.differs:
        lines += [f"Differs from Caffe: {cls.differs}.", ""]
    lines += [f"Bottoms: {count(cls, 'bottom_count')}. Tops: {count(cls, 'top_count')}.", ""]
    for field in parameter_fields(cls):
        message = field.message_type.name
        if field.name in SHARED:
            lines += [f"It reads [`{field.name}`](#{message.lower()}) too.", ""]
        else:
            lines += [f"`{field.name}`:", "", table(message, cls), ""]
    return "\n".join(lines)


def description(cls: type) -> str:
    """The docstring, and those of bases that say more than a line."""
    families = [base for base in cls.__mro__[1:] if base.__name__.startswith("_")]
    texts = [cls.__doc__ or "", *(base.__doc__ or "" for base in families)]
    return "\n\n".join(inspect.cleandoc(t) for i, t in enumerate(texts) if not i or "\n\n" in t)


def count(cls: type, name: str) -> str:
    """How many bottoms or tops a layer takes, its parameters being the defaults."""
    value = getattr(cls, name)
    if isinstance(value, property):
        layer = cls.__new__(cls)
        layer.param = caffe_pb2.LayerParameter(type=cls.type)
        value = getattr(layer, name)
    least, most = value
    if most is None:
        return f"{least} or more" if least else "any number"
    return f"{least}" if least == most else f"{least} to {most}"


def parameter_fields(cls: type) -> list:
    """The fields of LayerParameter that a layer's code names."""
    named = set(re.findall(r"\b\w+_param\b", source(cls)))
    fields = caffe_pb2.LayerParameter.DESCRIPTOR.fields
    return sorted((f for f in fields if f.name in named), key=lambda f: (f.name in SHARED, f.name))


def source(cls: type) -> str:
    """The code of a layer's methods, and of those that they override and still call."""
    texts = []
    for name in dir(cls):
        for base in cls.__mro__:
            method = vars(base).get(name)
            method = method.fget if isinstance(method, property) else method
            if inspect.isfunction(method):
                texts.append(inspect.getsource(method))
                if "super()" not in texts[-1]:
                    break
    return "\n".join(texts)


@lru_cache(None)
def code(cls: type) -> str:
    """The code of a layer, of its bases, and of what its family shares."""
    modules = {base.__module__ for base in cls.__mro__} - {"builtins", "caffe.layer"} | HELPERS
    whole = "\n".join(inspect.getsource(sys.modules[name]) for name in sorted(modules))
    for name in modules:
        for other in vars(sys.modules[name]).values():
            if inspect.isclass(other) and issubclass(other, Layer) and other not in cls.__mro__:
                whole = whole.replace(inspect.getsource(other), "")
    return whole


def table(message: str, cls: type) -> str:
    """The fields of a message: type, default, and what becomes of them here."""
    rows = ["| field | type | default | here |", "|---|---|---|---|"]
    for field in getattr(caffe_pb2, message).DESCRIPTOR.fields:
        status = fate(message, field.name, cls)
        rows.append(f"| `{field.name}` | {type_name(field)} | {default(field)} | {status} |")
    return "\n".join(rows)


def type_name(field) -> str:
    """A field's type; an enum's values, or a link to a message."""
    names = {getattr(field, n): n[5:].lower() for n in dir(field) if n.startswith("TYPE_")}
    name = names[field.type]
    if field.message_type is not None:
        name = f"[{field.message_type.name}](#{field.message_type.name.lower()})"
    elif field.enum_type is not None:
        name = " ".join(value.name for value in field.enum_type.values)
    return f"{name}, repeated" if is_repeated(field) else name


def default(field) -> str:
    """A field's default as prototxt writes it."""
    if is_repeated(field) or field.message_type is not None:
        return ""
    value = field.default_value
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value).replace("'", '"') if value != "" else ""


def fate(message: str, field: str, cls: type) -> str:
    """Whether the runtime reads a field, accepts or refuses it."""
    readers = ("DataParameter", "ImageDataParameter", "WindowDataParameter")
    obsolete = message in readers and field in data.OBSOLETE
    if obsolete:
        return "refused"
    stem = re.sub(r"_[hw]$", "", field)
    pattern = rf'\.{field}\b|"{field}"|"{stem}"' if stem != field else rf'\.{field}\b|"{field}"'
    return "read" if re.search(pattern, code(cls)) else "accepted"


def main(arguments: "list[str] | None" = None) -> int:
    """Write the page, or check it; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments not in ([], ["--check"]):
        print("usage: python docs/make_layers.py [--check]")
        return 1
    written = page()
    if not arguments:
        PAGE.write_text(written, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == written:
        return 0
    print(f"{PAGE.name} is not what the code says: run python docs/make_layers.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
