"""What holds for every test."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# A machine that is busy is no defect: property tests have no time limit of their own (pytest-timeout has).
settings.register_profile("der", deadline=None)
settings.load_profile("der")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a test has configured, calling a program's ``main`` for instance, ends with it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
