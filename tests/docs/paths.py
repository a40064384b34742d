#!/usr/bin/env python3
"""Every path that README.md, CONTRIBUTING.md and docs/ name exists, and README names every folder of the sources.

paths.py ROOT"""
import os
import re
import sys

TOPS = ("bench", "client", "cmake", "common", "docs", "examples", "include", "proto", "scripts", "server", "tests", ".ci")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
ANCHOR_LINK = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")


def documents(root):
    yield from ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    for folder, _, names in os.walk(os.path.join(root, "docs")):
        for name in sorted(names):
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(folder, name), root)


def source_names(root):
    """The names of all sources, for documents that say touch.c without its folder."""
    names = set()
    for top in TOPS:
        for _, _, files in os.walk(os.path.join(root, top)):
            names.update(files)
    return names


def exists(root, path):
    """Whether a path exists; a * stands for any part of a name, and {a,b} for a choice of them."""
    braces = re.search(r"\{([^}]*)\}", path)
    if braces:
        return all(exists(root, path[: braces.start()] + part + path[braces.end() :]) for part in braces.group(1).split(","))
    if "*" in path:
        folder, name = os.path.split(path)
        pattern = re.compile(re.escape(name).replace(r"\*", ".*") + "$")
        here = os.path.join(root, folder)
        return os.path.isdir(here) and any(pattern.match(found) for found in os.listdir(here))
    return os.path.exists(os.path.join(root, path))


def anchors(root, path):
    """The anchors of a document's headings, as GitHub makes them."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        headings = re.findall(r"^#+ (.*)$", file.read(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(root, path, text, wrong):
    for target, anchor in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
            wrong.append(f"{path}: a link to {target}, which does not exist")
    for target, anchor in ANCHOR_LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        other = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if other.endswith(".md") and os.path.exists(os.path.join(root, other)) and anchor not in anchors(root, other):
            wrong.append(f"{path}: a link to {target}#{anchor}, and {other} has no such heading")


def check_code(root, path, text, names, wrong):
    for code in CODE.findall(text):
        for word in code.split():
            word = word.rstrip(".,;:")
            top = word.split("/")[0]
            if top in TOPS and "/" in word:
                if not re.search(r"[A-Z]{3}|…|<", word) and not exists(root, word) and not exists(root, word + ".c"):
                    wrong.append(f"{path}: {word} does not exist")
            elif re.fullmatch(r"[\w-]+\.[ch]", word) and word not in names and word != "hello.c":
                wrong.append(f"{path}: there is no {word}")


def check_folders(root, wrong):
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    folders = [f"server/{name}/" for name in sorted(os.listdir(os.path.join(root, "server")))]
    folders += [f"client/{name}/" for name in sorted(os.listdir(os.path.join(root, "client")))]
    folders += [f"{top}/" for top in TOPS if top not in ("cmake", ".ci", "client", "server")]
    for folder in folders:
        if os.path.isdir(os.path.join(root, folder)) and f"`{folder}" not in readme:
            wrong.append(f"README.md: {folder} is not in the table of folders")


def main():
    root = sys.argv[1]
    wrong, names = [], source_names(root)
    for path in documents(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        check_links(root, path, text, wrong)
        if path != "CHANGELOG.md":  # which tells of what has been
            check_code(root, path, text, names, wrong)
    check_folders(root, wrong)
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
