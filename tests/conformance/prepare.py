#!/usr/bin/python3
"""Fetches the libraries and builds the program of each language where that is not done yet: prepare.py [LANGUAGE...]

README.md says what a language's own script, LANGUAGE/prepare, does. 0, if all that can be prepared is; what is missing is said
on standard error. Where MUSTER_CI=1, a program that could not be made although nothing is missing is an error, and so is it that
Go is missing."""
import fcntl
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # nothing is written into the source tree

import programs

DEADLINE_S = 900
NEVER_MISSING_IN_CI = ("go",)


def prepare(language):
    """None, or why the program is not there, and whether that is an error."""
    cache, built = programs.cache_folder(language), programs.built_folder(language)
    cache.mkdir(parents=True, exist_ok=True)
    built.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if programs.is_up_to_date(language):
            return None
        print(f"== preparing the {language} program of tests/conformance", file=sys.stderr)
        programs.digest_file(language).unlink(missing_ok=True)
        programs.missing_file(language).unlink(missing_ok=True)
        began = time.monotonic()
        script = subprocess.run([programs.CONFORMANCE / language / "prepare", cache, built],
                                cwd=programs.CONFORMANCE / language, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S,
                                env={**os.environ, "MUSTER_PROTO": str(programs.PROTO)}, errors="replace")
        if script.returncode == programs.SKIPPED:
            sys.stderr.write(script.stdout)
            reason = script.stdout.strip().rpartition("\n")[2]
            programs.missing_file(language).write_text(reason)
            return reason, programs.is_ci() and language in NEVER_MISSING_IN_CI
        if script.returncode != 0:
            sys.stderr.write(script.stdout)
            return f"{language}/prepare ended with {script.returncode}", programs.is_ci()
        programs.digest_file(language).write_text(programs.digest(language))
        print(f"== prepared {language} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return None


def main():
    failed = False
    for language in sys.argv[1:] or programs.LANGUAGES:
        unprepared = prepare(language)
        if unprepared is None:
            continue
        reason, is_error = unprepared
        print(f"== {reason}: " + ("an error" if is_error else f"test grpc.conformance.{language} will be skipped"), file=sys.stderr)
        failed = failed or is_error
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
