"""`help()` says of every option what it means, in which unit it is given, and what applies without it.

An option is a parameter with a default of a public function, class or method, and a field of a model. It stands under
``Args:`` in the docstring. A docstring may instead refer to another one, such as "The arguments are those of `list`";
the reference is followed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import omniq
from omniq import app, codecs, errors, logging, models, settings, testing, worker
from omniq.backend import base as backends
from omniq.backend import postgres as postgres_backends
from omniq.models.base import Model
from omniq.storage import base, memory, postgres
from omniq.storage.options import SharedOptions

MODULES = (omniq, app, backends, postgres_backends, base, memory, postgres)
OTHERS = (models, settings, errors, codecs, logging, testing, worker)
PUBLIC: dict[str, Any] = {
    name: getattr(module, name) for module in (*OTHERS, *MODULES) for name in getattr(module, "__all__", ())
}
REFERENCE = re.compile(r"(?:[Ss]ee|[Aa]s|[Aa]s for|those of)\s+`([\w.]+)`")
#: Numbers that count bytes.
SIZES = {"max_payload"}


def entries(taker: Any) -> dict[str, str]:
    """What stands under ``Args:``."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)*)", inspect.getdoc(taker) or "", re.M)
    found = re.findall(r"^    ([\w, ]+?)(?: \([^:]*\))?:\s+(.*(?:\n {8}.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for names, text in found for name in names.split(", ")}


def named(owner: Any, reference: str) -> Any:
    """What a docstring refers to: a method beside it, or a public name."""
    first, *rest = reference.split(".")
    found = getattr(owner, first, None) or PUBLIC.get(first)
    for name in rest:
        found = getattr(found, name, None)
    return found


def said(owner: Any, taker: Any, option: str, depth: int = 0) -> str:
    """What `help()` says of the option, there or where the docstring refers to; nothing: it does not say it."""
    own = entries(taker)
    text = own.get(option, "")
    shared = [one for one in own.values() if re.search(rf"Default: .*, as for .*(`{option}`|other)", one)]
    if text and ("Default: " in text or shared):
        return " ".join([text, *shared])
    for reference in REFERENCE.findall(text or inspect.getdoc(taker) or ""):
        target = named(owner, reference)
        beside = PUBLIC.get(reference.split(".")[0], owner) if "." in reference else owner
        if depth < 3 and target is not None and (there := said(beside, target, option, depth + 1)):
            return f"{text} {there}"
    return text


def takers() -> Iterator[tuple[str, Any, Any, Callable[..., Any]]]:
    """Each name, with the class that holds it, what has the docstring, and what has the parameters."""
    for name, public in PUBLIC.items():
        if inspect.isfunction(public):
            yield name, None, public, public
        if not inspect.isclass(public):
            continue
        maker = next((one for one in public.__mro__ if "__init__" in vars(one)), object)
        if issubclass(public, Model):
            yield name, public, public, public
        elif maker.__module__.startswith("omniq"):
            # Where a class is made is written at the class, or at its method.
            made = vars(maker)["__init__"]
            yield name, public, maker if entries(maker) else made, made
        for verb, method in inspect.getmembers(public, callable):
            if not verb.startswith("_") and str(getattr(method, "__module__", None)).startswith("omniq"):
                yield f"{name}.{verb}", public, method, method


def options_of(made: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(made).parameters.values()
    except (ValueError, TypeError):
        return []
    return [one for one in parameters if one.default is not one.empty and one.kind is not one.POSITIONAL_ONLY]


def test_help_says_what_each_option_means_its_unit_and_its_default() -> None:
    missing = []
    count = 0
    for where, owner, documented, made in takers():
        for option in options_of(made):
            count += 1
            text = said(owner, documented, option.name)
            is_span = "timedelta" in str(option.annotation) and "float" in str(option.annotation)
            for what, is_there in (
                ("meaning", len(text) > len("Default: ``None``.")),
                ("default", "Default: " in text),
                ("unit", not is_span or "seconds" in text),
                ("unit", option.name not in SIZES or "bytes" in text),
            ):
                if not is_there:
                    missing.append(f"{where}({option.name}): no {what}")
    assert not missing, "\n".join(missing)
    assert count > 1000


@pytest.mark.parametrize("model", [one for one in vars(models).values() if inspect.isclass(one)])
def test_help_shows_the_fields_of_a_model(model: Any) -> None:
    if issubclass(model, Model):
        assert list(entries(model)) == list(model.__struct_fields__)


@pytest.mark.parametrize(
    ("taker", "options"),
    [
        (backends.AsyncBackend.enqueue_many, SharedOptions),
        (omniq.Backend.enqueue_many, SharedOptions),
        (omniq.TaskGroup, app.TaskDefaults),
    ],
    ids=["AsyncBackend.enqueue_many", "Backend.enqueue_many", "TaskGroup"],
)
def test_help_shows_the_options_that_are_shared(taker: Any, options: Any) -> None:
    shown = entries(taker if inspect.isfunction(taker) else inspect.unwrap(taker.__init__))
    for name, kind in options.__annotations__.items():
        assert "Default: " in shown[name], name
        assert "timedelta" not in str(kind) or "in seconds or as `timedelta`" in shown[name], name
