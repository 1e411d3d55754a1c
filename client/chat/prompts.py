"""Prompt templates: YAML files of messages, variables, sampling and thinking, and nothing else.

Those in `prompts/` are found by their bare name. In a message `${name}` stands for the variable and
`$${name}` for itself; all other text stays as it is.
"""

import difflib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import msgspec

from client.openai.errors import ClientError
from client.openai.types import Message, Request

_LARGEST = sys.float_info.max  # YAML has .inf, JSON has none
_VARIABLE = re.compile(r"(\$?)\$\{([^\W\d]\w*)\}")


class TemplateError(ClientError):
    """A template can't be read or filled in; the text lists all that is wrong with it."""

    kind = "template"


class Turn(TypedDict):
    """One of `messages`."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(TypedDict, total=False):
    """`sampling`: fields of the request's body, under OpenAI's and vLLM's names."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=_LARGEST)]
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)]
    top_k: Annotated[int, msgspec.Meta(ge=-1)]
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)]
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)]
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)]
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=_LARGEST)]
    seed: int
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stop: str | list[str]


class _Needed(TypedDict):
    messages: Annotated[list[Any], msgspec.Meta(min_length=1)]


class Template(_Needed, total=False):
    """A whole file; a variable that is null has no default."""

    variables: dict[str, Any]
    sampling: dict[str, Any]
    thinking: bool | Literal["on", "off"]


def shipped() -> list[str]:
    """Return the bare names of the templates that come with the package."""
    names = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load(name: str, given: Mapping[str, str]) -> Request:
    """Return the request that a template makes with these variables.

    Args:
        name: a file's path, or the bare name of a shipped template.
        given: variables by name; those that are not here need a default in the file.

    Raises:
        TemplateError: there is no such template, it has mistakes, or variables are missing.
    """
    problems: list[str] = []
    template = _read(Template, _document(name), "", problems)
    turns = [
        _read(Turn, turn, f"messages[{number}]", problems)
        for number, turn in enumerate(template.get("messages", ()))
    ]
    if turns and turns[-1].get("role", "user") != "user":
        problems.append("the last message is not the user's")
    sampling = _read(Sampling, template.get("sampling", {}), "sampling", problems)
    contents = [turn.get("content", "") for turn in turns]
    values = _values(template.get("variables", {}), contents, given, problems)
    if problems:
        raise TemplateError(f"template {name}: {'; '.join(problems)}")
    thinking = template.get("thinking")
    return Request(
        messages=tuple(Message(turn["role"], _fill(turn["content"], values)) for turn in turns),
        max_tokens=sampling.pop("max_tokens", None),
        thinking=thinking == "on" if isinstance(thinking, str) else thinking,
        fields=sampling,
    )


def _folder() -> Traversable:
    return files("client.chat") / "prompts"


def _document(name: str) -> object:
    known = shipped()
    place = _folder() / f"{name}.yaml" if name in known else Path(name)
    try:
        return msgspec.yaml.decode(place.read_bytes())
    except OSError as error:
        text = f"template {name}: {error.strerror}; shipped are {', '.join(known)}"
        raise TemplateError(text) from error
    except (msgspec.DecodeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise TemplateError(f"template {name} is not YAML: {text}") from error


def _read(schema: Any, given: object, place: str, problems: list[str]) -> dict[str, Any]:
    """Return what is right under the schema's keys; add all that is wrong to `problems`."""
    if not isinstance(given, dict):
        problems.append(f"{place or 'the file'} is not a mapping")
        return {}
    prefix = f"{place}." if place else ""
    types = get_type_hints(schema, include_extras=True)
    unknown = [key for key in given if key not in types]
    problems += [f"unknown key {prefix}{key}{_guess(key, types)}" for key in unknown]
    right = {}
    for key, type_ in types.items():
        if given.get(key) is None:
            if key in schema.__required_keys__:
                problems.append(f"{prefix}{key} is missing")
        elif (value := _convert(given[key], type_, prefix + key, problems)) is not None:
            right[key] = value
    return right


def _values(
    declared: Mapping[str, object],
    contents: Sequence[str],
    given: Mapping[str, str],
    problems: list[str],
) -> dict[str, str]:
    """Return every variable's value; add all that is missing or undeclared to `problems`."""
    values = {}
    for name, default in declared.items():
        if not name.isidentifier():
            problems.append(f"variables.{name} is no name: letters, digits and _ make one")
        if default is not None:
            values[name] = str(_convert(default, str | int | float, f"variables.{name}", problems))
        elif name not in given:
            problems.append(f"variable {name} is missing (--var {name}=VALUE)")
    for name in given:
        if name not in declared:
            problems.append(f"variable {name} is not declared{_guess(name, declared)}")
    used = {match[2] for text in contents for match in _VARIABLE.finditer(text) if not match[1]}
    for name in sorted(used - set(declared)):
        problems.append(f"${{{name}}} is used but not declared{_guess(name, declared)}")
    return values | dict(given)


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: match[0][1:] if match[1] else values[match[2]], text)


def _convert(value: object, type_: Any, place: str, problems: list[str]) -> Any:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        problems.append(f"{place}: {error}")
        return None


def _guess(name: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
