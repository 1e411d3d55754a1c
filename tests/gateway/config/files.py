"""Helpers of the configuration's tests."""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigError
from gateway.config.sources import Options

ROOT = Path(__file__).parents[3]


def write(path, text=""):
    """Write a file with its folders, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(cwd, environ=None, **options):
    """Load a configuration that must fail, and return its problems, one line each."""
    with pytest.raises(ConfigError) as caught:
        load(Options(**options), environ or {}, cwd)
    return str(caught.value).splitlines()
