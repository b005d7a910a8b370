"""Turns a checked filter into a Python function that reads only the fields it names.

The function is stricter than CEL: a field that is missing, null or of another type than the schema's is an error
wherever evaluation meets it, and an error is never swallowed by `||` or `&&`.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from bus.agreements.filters.syntax import And, Call, Compare, Field, Has, ListLiteral, Literal, Node, Not, Or
from bus.agreements.shape import PYTHON_TYPES, Kind, Shape

Record = Mapping[str, Any]
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "in": ast.In,
}


def compile_filter(node: Node, record: Shape) -> Callable[[Record], bool]:
    """The filter as a function of a record with raw Avro values. It raises TypeError or KeyError where it must not say.

    `node` has been through `check_filter` without a finding. `unread_field` tells what an error is about.
    """
    compiler = _Compiler(record)
    body = compiler.expression(node)
    parameters = ast.arguments(posonlyargs=[], args=[ast.arg("record")], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(parameters, body)))
    # The tree is made of the nodes below and of constants; no text of an agreement is ever read as Python.
    made: Callable[[Record], bool] = eval(  # noqa: S307 - see above
        compile(tree, "<filter>", "eval"), {"__builtins__": {}, **compiler.names}
    )
    return made


def unread_field(error: KeyError | TypeError) -> str:
    """The field that a filter could not read when it raised this."""
    return ".".join(error.args)


class _Compiler:
    """Translates nodes; `names` are the readers that the made function calls."""

    def __init__(self, record: Shape) -> None:
        self._record = record
        self.names: dict[str, Callable[[Record], Any]] = {}

    def expression(self, node: Node) -> ast.expr:  # noqa: PLR0911 - one return a kind of node
        match node:
            case Literal():
                return ast.Constant(node.value)
            case ListLiteral():
                return ast.Tuple([ast.Constant(item.value) for item in node.items], ast.Load())
            case Field():
                return self._read(reader(node.path, self._record))
            case Has():
                return self._read(_has(node.field.path))
            case Not():
                return ast.UnaryOp(ast.Not(), self.expression(node.operand))
            case And():
                return ast.BoolOp(ast.And(), [self.expression(operand) for operand in node.operands])
            case Or():
                return ast.BoolOp(ast.Or(), [self.expression(operand) for operand in node.operands])
            case Compare():
                op = _COMPARISONS[node.op]()
                return ast.Compare(self.expression(node.left), [op], [self.expression(node.right)])
            case Call():
                return self._call(node)

    def _read(self, function: Callable[[Record], Any]) -> ast.expr:
        name = f"read{len(self.names)}"
        self.names[name] = function
        return ast.Call(ast.Name(name, ast.Load()), [ast.Name("record", ast.Load())], [])

    def _call(self, node: Call) -> ast.expr:
        target, argument = self.expression(node.target), self.expression(node.argument)
        if node.method == "contains":
            return ast.Compare(argument, [ast.In()], [target])
        method = {"startsWith": "startswith", "endsWith": "endswith"}[node.method]
        return ast.Call(ast.Attribute(target, method, ast.Load()), [argument], [])


def reader(path: tuple[str, ...], record: Shape) -> Callable[[Record], Any]:
    """Reads a field that must be there, not null, and of its schema's type; a timestamp as microseconds.

    A symbol that the schema does not have, for a newer one wrote it, is of another type: nobody agreed on it.
    """
    shape = record
    for name in path:
        shape = shape.fields[name]
    types, symbols = PYTHON_TYPES[shape.kind], frozenset(shape.symbols)
    listed = frozenset() if shape.item is None else frozenset(shape.item.symbols)
    scale = 1000 // shape.per_ms if shape.kind is Kind.TIMESTAMP else 1

    def read(values: Record) -> Any:
        value: Any = values
        try:
            for name in path:
                value = value[name]
        except (KeyError, TypeError):
            raise TypeError(*path) from None
        if type(value) not in types or (symbols and value not in symbols) or value != value:  # noqa: PLR0124 - as below
            raise TypeError(*path)
        if listed and not listed.issuperset(value):
            raise TypeError(*path)
        return value if scale == 1 else value * scale

    return read if len(path) > 1 or symbols or listed else _top(path[0], types, scale)


def _top(name: str, types: tuple[type, ...], scale: int) -> Callable[[Record], Any]:
    """The common case, a field of the record itself, without the loop."""
    get = operator.itemgetter(name)

    def read(values: Record) -> Any:
        value = get(values)
        if type(value) not in types or value != value:  # noqa: PLR0124 - what is no number is not equal to itself
            raise TypeError(name)
        return value if scale == 1 else value * scale

    return read


def _has(path: tuple[str, ...]) -> Callable[[Record], bool]:
    def present(values: Record) -> bool:
        value: Any = values
        for name in path:
            value = value.get(name)
            if value is None:
                return False
        return True

    return present
