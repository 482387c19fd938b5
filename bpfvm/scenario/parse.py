# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""YAML to a Scenario. Whatever is wrong is said with file, line and the words that would have been right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bpfvm.errors import BadInput, UsageError
from bpfvm.scenario.model import Scenario, Step
from bpfvm.scenario.vocabulary import CHECKERS, PROFILES, STEPS, TOP_LEVEL, StepWord

MAX_BYTES = 1 << 20
MAX_DEPTH = 16


class Place(dict[str, Any]):
    """A mapping that remembers the line it began on."""

    line: int = 0


def read_scenario(path: str | Path) -> Scenario:
    """Read one story file. Raises BadInput (exit 3) naming file, line and allowed words."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read: {error.strerror}", path=str(path)) from error
    return parse_scenario(data, str(path))


def parse_scenario(data: bytes, path: str = "<scenario>") -> Scenario:
    """Parse the bytes of a story file; ``path`` is for messages and for finding objects beside it."""
    if len(data) > MAX_BYTES:
        raise BadInput(f"a story of {len(data)} bytes is larger than the limit of {MAX_BYTES}", path=path)
    top = _load_yaml(data, path)
    if not isinstance(top, Place):
        raise BadInput("a story is a mapping with the words " + ", ".join(TOP_LEVEL), path=path)
    _known(top, TOP_LEVEL, path, top.line, "story")
    steps = top.get("steps")
    if not isinstance(steps, list) or not steps:
        raise BadInput("a story needs a list of `steps`", path=path)
    return Scenario(
        name=_text(top, "name", Path(path).stem, path),
        path=path,
        about=_text(top, "about", "", path),
        profile=_choice(top, "profile", "v11", PROFILES, path),
        checker=_choice(top, "checker", "off", CHECKERS, path),
        kernel=_text(top, "kernel", "6.18", path),
        sysfs=_texts(top, "sysfs", path),
        objects=_texts(top, "objects", path),
        steps=tuple(_step(item, path) for item in steps),
    )


def _step(item: Any, path: str) -> Step:
    if not isinstance(item, Place):
        raise BadInput(f"a step is a mapping like `- spawn: a`, not {item!r}", path=path)
    words = [word for word in item if word != "expect"]
    if len(words) != 1:
        raise BadInput(
            f"line {item.line}: a step has one word, found {', '.join(map(str, words)) or 'none'}", path=path
        )
    word = words[0]
    row = STEPS.get(word)
    if row is None:
        raise BadInput(f"line {item.line}: unknown step `{word}`; allowed are {', '.join(STEPS)}", path=path)
    args, expect = _arguments(row, item[word], path, item.line)
    outer = item.get("expect")
    if outer is not None:
        if expect is not None:
            raise BadInput(f"line {item.line}: `expect` stands twice in one step", path=path)
        expect = outer
    if word == "check":
        args, expect = {}, {**args, **(expect or {})}
    if expect is not None:
        if not isinstance(expect, dict):
            raise BadInput(f"line {item.line}: `expect` is a mapping", path=path)
        _known(expect, row.expectations, path, item.line, f"expectation of `{word}`")
    return Step(word, args, expect, item.line)


def _arguments(row: StepWord, value: Any, path: str, line: int) -> tuple[dict[str, Any], Any]:
    if not isinstance(value, dict):
        if not row.short:
            raise BadInput(f"line {line}: `{row.name}` takes a mapping", path=path)
        value = {} if value is None else {row.short: value}
    args = dict(value)
    expect = args.pop("expect", None)
    if row.name in ("spawn", "kthread") and "name" in args:
        args["as"] = args.pop("name")
    if "*" not in row.arguments:
        _known(args, row.arguments, path, line, f"argument of `{row.name}`", plus=("expect",))
    missing = [name for name in row.required if name not in args]
    if missing:
        raise BadInput(f"line {line}: `{row.name}` needs {', '.join(missing)}", path=path)
    return args, expect


def _known(
    given: Mapping[str, Any], allowed: Iterable[str], path: str, line: int, what: str, plus: tuple[str, ...] = ()
) -> None:
    allowed = tuple(allowed) + plus
    for word in given:
        if word not in allowed:
            raise BadInput(
                f"line {line}: unknown {what}: `{word}`; allowed are {', '.join(allowed) or 'none'}", path=path
            )


def _text(top: Place, key: str, default: str, path: str) -> str:
    value = top.get(key, default)
    if isinstance(value, dict | list):
        raise BadInput(f"line {top.line}: `{key}` is a text", path=path)
    return str(value)


def _choice(top: Place, key: str, default: str, allowed: tuple[str, ...], path: str) -> str:
    value = _text(top, key, default, path)
    if value not in allowed:
        raise BadInput(f"line {top.line}: {key} `{value}`; allowed are {', '.join(allowed)}", path=path)
    return value


def _texts(top: Place, key: str, path: str) -> dict[str, str]:
    value = top.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"line {top.line}: `{key}` is a mapping", path=path)
    return {str(name): str(item) for name, item in value.items()}


def _load_yaml(data: bytes, path: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise UsageError("story files need PyYAML: pip install 'bpfvm[scenario]'") from error
    try:
        node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", path=path, offset=error.start) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise BadInput(f"{where}{getattr(error, 'problem', None) or 'not YAML'}", path=path) from error
    except RecursionError as error:
        raise BadInput("nested too deeply", path=path) from error
    return _value(node, path, yaml, set(), 0)


def _value(node: Any, path: str, yaml: Any, seen: set[int], depth: int) -> Any:
    """A composed YAML node as Python values. Aliases are refused: they make small files large."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    if depth > MAX_DEPTH:
        raise BadInput(f"line {line}: nested more than {MAX_DEPTH} deep", path=path)
    if id(node) in seen:
        raise BadInput(f"line {line}: YAML aliases are not used in stories", path=path)
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, path, yaml, seen, depth + 1) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        result = Place()
        result.line = line
        for key_node, value_node in node.value:
            key = str(_value(key_node, path, yaml, seen, depth + 1))
            if key in result:
                raise BadInput(f"line {line}: `{key}` stands twice", path=path)
            result[key] = _value(value_node, path, yaml, seen, depth + 1)
        return result
    return _scalar(node, path, yaml, line)


def _scalar(node: Any, path: str, yaml: Any, line: int) -> Any:
    if node.tag not in _PLAIN_TAGS:
        raise BadInput(f"line {line}: YAML tag {node.tag} is not used in stories", path=path)
    if node.tag.endswith(":int") or node.tag.endswith(":null") or node.tag.endswith(":float"):
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            raise BadInput(f"line {line}: {node.value!r} is not a number", path=path) from error
    if node.tag.endswith(":bool"):
        return node.value if node.value.lower() not in ("true", "false") else node.value.lower() == "true"
    return node.value


_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "bool", "null", "float", "timestamp")}
