"""A case: what the control plane says, and what each client is to make of it."""

import dataclasses
from collections.abc import Callable
from typing import Any

CLIENTS = ("volery", "grpcio", "envoy")


@dataclasses.dataclass
class Outcome:
    """What a client did, for people; and whether that is what the case wants."""

    text: str
    is_right: bool


@dataclasses.dataclass
class Case:
    name: str
    title: str
    source: str
    wanted: str
    clients: tuple[str, ...]
    is_quick: bool
    run: Callable[[Any], dict[str, Outcome]]


CASES: dict[str, Case] = {}


def case(title: str, source: str, wanted: str, clients: tuple[str, ...] = CLIENTS, quick: bool = False) -> Callable:
    """Registers a scenario by the name of its function. `source` is the gRFC, or the page, that says what is `wanted`.
    `quick`: worth the time of an ordinary test run."""

    def register(run: Callable[[Any], dict[str, Outcome]]) -> Callable:
        name = run.__name__
        CASES[name] = Case(name, title, source, wanted, clients, quick, run)
        return run

    return register
