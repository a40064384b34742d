"""Where the programs of the languages are, and whether they are up to date."""
import hashlib
import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CONFORMANCE = SOURCE / "tests/conformance"
PROTO = SOURCE / "proto"
LANGUAGES = sorted(script.parent.name for script in CONFORMANCE.glob("*/prepare"))
SKIPPED = 77


def is_ci():
    """Whether what is missing is an error."""
    return os.environ.get("MUSTER_CI") == "1"


def cache_folder(language):
    """Shared by checkouts."""
    cache = os.environ.get("MUSTER_CACHE") or Path.home() / ".cache/muster"
    return Path(cache).resolve() / "conformance" / language


def built_folder(language):
    return SOURCE / "build/conformance" / language


def digest(language):
    """Of all that a program is made of."""
    sources = [path for path in (CONFORMANCE / language).rglob("*") if path.is_file()]
    sources.append(PROTO / "muster/v1/presence.proto")
    hashed = hashlib.sha256()
    for path in sorted(sources):
        content = path.read_bytes()
        hashed.update(f"{path.relative_to(SOURCE)} {len(content)}\n".encode() + content)
    return hashed.hexdigest()


def digest_file(language):
    """Says of what the built program was made."""
    return built_folder(language) / "digest"


def missing_file(language):
    """Says what is missing without which the program cannot be made, where something is."""
    return built_folder(language) / "missing"


def is_up_to_date(language):
    file = digest_file(language)
    return file.is_file() and file.read_text() == digest(language)
