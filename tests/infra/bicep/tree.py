"""The tree of a Bicep file: expressions, types and declarations as frozen values."""

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Literal:
    value: int | bool | None


@dataclass(frozen=True)
class Text:
    """A string; more than one part where it holds ${...}."""

    parts: tuple[Union[str, "Expression"], ...]


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Array:
    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Object:
    items: tuple[tuple["Expression", "Expression"], ...]
    nested: tuple["Resource", ...] = ()


@dataclass(frozen=True)
class Ternary:
    test: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True)
class Binary:
    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True)
class Unary:
    sign: str
    operand: "Expression"


@dataclass(frozen=True)
class Member:
    base: "Expression"
    key: "Expression"


@dataclass(frozen=True)
class Nested:
    """base::name, a resource declared inside another."""

    base: "Expression"
    name: str


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Lambda:
    names: tuple[str, ...]
    body: "Expression"


@dataclass(frozen=True)
class For:
    names: tuple[str, ...]
    sequence: "Expression"
    body: "Expression"


@dataclass(frozen=True)
class If:
    test: "Expression"
    body: "Expression"


Expression = (
    Literal | Text | Name | Array | Object | Ternary | Binary | Unary | Member | Nested | Call | Lambda | For | If
)


@dataclass(frozen=True)
class Decorator:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Type:
    names: tuple[str, ...] = ()
    """Types it mentions."""
    literals: tuple[str | int, ...] = ()
    """Values of a closed set."""
    members: tuple[tuple[str, tuple[Decorator, ...]], ...] = ()
    is_nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Declaration:
    name: str
    line: int
    decorators: tuple[Decorator, ...] = ()

    def description(self) -> str:
        """The text of @description, or nothing."""
        for decorator in self.decorators:
            if decorator.name == "description" and isinstance(decorator.arguments[0], Text):
                return str(decorator.arguments[0].parts[0])
        return ""


@dataclass(frozen=True, kw_only=True)
class Metadata(Declaration):
    value: Expression


@dataclass(frozen=True, kw_only=True)
class Param(Declaration):
    type: Type | None
    default: Expression | None


@dataclass(frozen=True, kw_only=True)
class Variable(Declaration):
    value: Expression


@dataclass(frozen=True, kw_only=True)
class Output(Declaration):
    type: Type
    value: Expression


@dataclass(frozen=True, kw_only=True)
class TypeDefinition(Declaration):
    type: Type


@dataclass(frozen=True, kw_only=True)
class Function(Declaration):
    names: tuple[str, ...]
    body: Expression


@dataclass(frozen=True, kw_only=True)
class Resource(Declaration):
    type: str
    is_existing: bool
    body: Expression


@dataclass(frozen=True, kw_only=True)
class Module(Declaration):
    path: str
    body: Expression


@dataclass(frozen=True, kw_only=True)
class Import(Declaration):
    """`name` is the path; `symbols` what is taken from it."""

    symbols: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Using(Declaration):
    """`name` is the path of the template."""


def body_of(node: Expression) -> Object:
    """The object behind `if (...)` and `[for ...]`."""
    while isinstance(node, For | If):
        node = node.body
    assert isinstance(node, Object)
    return node
