"""The tree that a filter is read into. Every node knows where it stands in the text: offsets [start, end)."""

from dataclasses import dataclass

from bus.agreements.shape import Kind


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. A DATE holds days since 1970, a TIMESTAMP microseconds; `text` is how it was written."""

    kind: Kind
    value: str | int | float | bool
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """Constants in brackets, the right side of `in`."""

    items: tuple[Literal, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field, or a field within a record: `temporary_residence.province`."""

    path: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Has:
    """`has(field)`: the field is there and not null."""

    field: Field
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: "Node"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class And:
    """`a && b && …`; read from the left, ending at the first that is false."""

    operands: tuple["Node", ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Or:
    """`a || b || …`; read from the left, ending at the first that is true."""

    operands: tuple["Node", ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, op one of == != < <= > >= in."""

    op: str
    left: "Node"
    right: "Node"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    """`target.method(argument)`, method one of startsWith, endsWith, contains."""

    method: str
    target: "Node"
    argument: "Node"
    start: int
    end: int


Node = Literal | ListLiteral | Field | Has | Not | And | Or | Compare | Call


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a filter, at [start, end) of its text. `details` fill the sentence of `code`."""

    code: str
    start: int
    end: int
    details: tuple[tuple[str, str], ...] = ()
    suggestion: str | None = None
    allowed: tuple[str, ...] = ()


class FilterUnreadable(Exception):
    """A filter's text does not follow the grammar; reading ends at the first such place."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.code)


def unparse(node: Node) -> str:  # noqa: PLR0911 - one return a kind of node
    """The canonical text of a filter: one spacing, double quotes, only the parentheses that are needed."""
    match node:
        case Literal():
            return node.text
        case ListLiteral():
            return f"[{', '.join(item.text for item in node.items)}]"
        case Field():
            return ".".join(node.path)
        case Has():
            return f"has({unparse(node.field)})"
        case Not():
            return f"!{_tight(node.operand)}"
        case And():
            return " && ".join(_wrapped(part, And | Or) for part in node.operands)
        case Or():
            return " || ".join(_wrapped(part, Or) for part in node.operands)
        case Compare():
            return f"{_tight(node.left)} {node.op} {_tight(node.right)}"
        case Call():
            return f"{_tight(node.target)}.{node.method}({unparse(node.argument)})"


def _tight(node: Node) -> str:
    return _wrapped(node, And | Or | Compare)


def _wrapped(node: Node, kinds: object) -> str:
    return f"({unparse(node)})" if isinstance(node, kinds) else unparse(node)  # type: ignore[arg-type]  # a union
