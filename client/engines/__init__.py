"""Engines side by side, each in a process of its own: `thinkgate bench --engine vllm,transformers`.

They answer the same prompts, greedily, one after another, without a server in between.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from client.bench.folder import Folder
from client.engines.environment import removed, stripped
from client.engines.process import Measured, Stopped, measure
from client.engines.questions import Question, questions
from client.engines.report import figures, show
from client.engines.settings import BadSettings, Combination, Settings, resolve
from client.text import one_line

_LOG_LINES = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the comparison; they share the benchmark's others."""
    group = parser.add_argument_group(
        "engines side by side", "in processes of their own, without a server, on the same prompts"
    )
    group.add_argument(
        "--engine",
        default=os.environ.get("INFERENCE_ENGINE", ""),
        metavar="NAME[,NAME]",
        help="vllm, transformers; default: $INFERENCE_ENGINE, else a server is measured",
    )
    group.add_argument(
        "--method",
        metavar="NAME[,NAME]",
        help="ar, speculative; default: $INFERENCE_METHOD, else ar",
    )
    group.add_argument("--model-path", default="", help="a folder or hub id; default: demo model")
    group.add_argument("--draft", default="", help="the draft model; default: the demo model's")
    group.add_argument(
        "--speculative-method",
        metavar="NAME[,NAME]",
        help="draft_model, ngram; default: draft_model",
    )
    group.add_argument(
        "--num-speculative-tokens",
        metavar="N",
        help="of a draft; default: $VLLM_NUM_SPECULATIVE_TOKENS, else $GAMMA_VALUE, else 3",
    )


def wanted(arguments: argparse.Namespace) -> bool:
    """Whether engines are to be compared, instead of a server to be measured."""
    return bool(arguments.engine or arguments.method)


def run(arguments: argparse.Namespace) -> int:
    """Run every engine with every method; print a table, and one JSON line last.

    The line is an object under the names of `vllm bench serve`; where several were asked for,
    `{"runs": [...], "failed": [...]}`, the latter by name.

    Returns:
        0; 1 if one of them failed; 2 if the settings are bad.

    Raises:
        ClientError: the data can't be used, or nothing ran.
    """
    try:
        settings = resolve(arguments, os.environ)
    except BadSettings as error:
        for problem in error.problems:
            _say(one_line(problem))
        return 2
    asked = questions(arguments.data, arguments.requests, arguments.output_tokens, arguments.seed)
    for note in removed(os.environ):
        _say(note)
    if settings.arguments.get("disable_log_stats"):
        _say("VLLM_DISABLE_LOG_STATS: vLLM counts no drafts, so its acceptance is not known")
    with _folder(arguments.out) as folder:
        tried = [_try(each, settings, asked, folder) for each in settings.combinations]
        runs = [each for each in tried if each]
        if not runs:
            raise Stopped("no engine ran")
        found = figures(runs)
        show(found)
        failed = [
            each.slug
            for each, measured in zip(settings.combinations, tried, strict=True)
            if not measured
        ]
        several = {"runs": found, "failed": failed}
        body = msgspec.json.encode(found[0] if len(tried) == 1 else several)
        if arguments.out:
            _keep(folder, body, runs)
    print(body.decode())
    return int(bool(failed))


def _try(
    combination: Combination, settings: Settings, asked: Sequence[Question], folder: Path
) -> Measured | None:
    name = f"{combination.engine} {combination.method}"
    log = folder / f"{combination.slug}.log"
    _say(f"{name}: starting")
    try:
        measured = measure(combination, settings, asked, stripped(os.environ), log)
    except Stopped as error:
        for text in log.read_text(errors="replace").splitlines()[-_LOG_LINES:]:
            print(f"  {one_line(text)}", file=sys.stderr)
        _say(f"{name}: {one_line(str(error))}")
        return None
    _say(
        f"{name}: started in {measured.started.seconds:.1f} s, "
        f"answered {len(asked)} requests in {measured.done.seconds:.1f} s"
    )
    return measured


@contextlib.contextmanager
def _folder(out: str | None) -> Iterator[Path]:
    if not out:
        with tempfile.TemporaryDirectory(prefix="thinkgate-") as name:
            yield Path(name)
    else:
        Folder(Path(out))  # a new one
        yield Path(out)


def _keep(folder: Path, body: bytes, runs: Sequence[Measured]) -> None:
    (folder / "engines.json").write_bytes(msgspec.json.format(body) + b"\n")
    with (folder / "engines-replies.jsonl").open("wb") as lines:
        for each in runs:
            for answer in each.answers:
                line = {"run": each.combination.slug, **msgspec.to_builtins(answer)}
                lines.write(msgspec.json.encode(line) + b"\n")


def _say(text: str) -> None:
    print(f"thinkgate bench: {text}", file=sys.stderr)
