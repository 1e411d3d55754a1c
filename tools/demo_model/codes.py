"""Values that machines go by: addresses, files, codes, numbers of records."""

import string
from random import Random

from tools.demo_model.phrases import load
from tools.demo_model.words import pseudo, random_text, words


def host(rng: Random) -> str:
    sub = f"{rng.choice((pseudo(rng), 'docs', 'news', 'api'))}." if rng.random() < 0.3 else ""
    name = rng.choice((pseudo(rng), "example", "mail", "site"))
    return f"{sub}{name}.{rng.choice(load('values')['hosts'])}"


def address(rng: Random) -> str:
    """Return a host's name, or its number."""
    if rng.random() < 0.4:
        return host(rng)
    return ".".join(str(rng.randint(0, 255)) for _ in range(4))


def email(rng: Random) -> str:
    name = rng.choice((pseudo(rng), rng.choice(words("en", "name")).lower()))
    if rng.random() < 0.3:
        name += rng.choice("._-") + pseudo(rng, 1)
    if rng.random() < 0.2:
        name += str(rng.randint(1, 99))
    return f"{name}@{host(rng)}"


def url(rng: Random) -> str:
    """Return a web address, sometimes of a file."""
    path = "".join(f"/{pseudo(rng)}" for _ in range(rng.choice((0, 0, 1, 2))))
    if path and rng.random() < 0.3:
        path += rng.choice((f"/{rng.randint(1, 99999)}", ".html", ".zip", ".pdf"))
    return f"{rng.choice(('https://', 'http://', 'https://www.'))}{host(rng)}{path}"


def path(rng: Random, noun: str) -> str:
    """Return a file's name, sometimes with folders, sometimes after a noun."""
    name = rng.choice((pseudo(rng), noun))
    folders = "".join(
        f"{rng.choice((pseudo(rng), noun, 'data', rng.choice('abcdxyz')))}/"
        for _ in range(rng.choice((0, 0, 1, 2)))
    )
    return f"{rng.choice(('', '', '/', './'))}{folders}{name}.{rng.choice(load('values')['files'])}"


def identifier(rng: Random) -> str | int:
    """Return a record's number, or letters and digits."""
    if rng.random() < 0.4:
        return rng.randint(1, 10 ** rng.randint(2, 8))
    signs = string.ascii_uppercase + string.digits
    if rng.random() < 0.3:
        signs = string.ascii_lowercase + string.digits
    text = random_text(rng, signs, rng.randint(3, 8))
    return text if rng.random() < 0.6 else f"{text[:2]}-{rng.randint(1, 99999)}"


def code(rng: Random) -> str:
    """Return a word that somebody made up for a thing: `cam-105`, `test_user8`, `HAPPY50`."""
    name = rng.choice((pseudo(rng), rng.choice(words("en", "noun"))))
    number = str(rng.randint(1, 10 ** rng.randint(1, 4)))
    style = rng.random()
    if style < 0.35:
        return f"{name}{rng.choice('-_')}{rng.choice((number, pseudo(rng)))}"
    if style < 0.6:
        return f"{name.upper()}{rng.choice(('', '-', ''))}{number}"
    return f"{name}{rng.choice('-_')}{pseudo(rng)}{rng.choice(('', '', number))}"


def ticker(rng: Random) -> str:
    return random_text(rng, string.ascii_uppercase, rng.randint(2, 5))


def flight(rng: Random) -> str:
    return random_text(rng, string.ascii_uppercase, 2) + str(rng.randint(1, 9999))


def phone(rng: Random) -> str:
    groups = [str(rng.randint(10, 9999)) for _ in range(rng.choice((1, 2, 2, 3)))]
    return rng.choice(("", "", "+", "0")) + rng.choice("- ").join(groups)
