"""What protobuf's compiler would generate: every message class, enum and top-level enum value."""

from typing import TYPE_CHECKING, Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from ..schema import DESCRIPTOR, MESSAGES

if TYPE_CHECKING:  # the names below exist only at run time

    def __getattr__(name: str) -> Any: ...


globals().update(MESSAGES)
for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = EnumTypeWrapper(_enum)
    globals().update({value.name: value.number for value in _enum.values})
