#!/usr/bin/env python3
"""Which folder may include which: arrows.py [ROOT]

Reads the #include lines of common/, include/, server/ and client/ and fails on an arrow that runs up, or in a circle:

- between rooms: a room is a folder of server/ (server/net/sp is the room net/sp), common, include, or client/<language>.
  MAY_USE says what each may include; what it may include, it may include through others, too. The generated
  protobuf-c headers are the room proto.
- between the files of one room of the server or of common: a .c and its .h are one file, and so is its <name>_internal.h.

It also fails where a file of server/ or client/ includes libnng, which only tests use.
"""
import os
import re
import sys

# A room, and the rooms right below it: all that those may use, it may use too.
BELOW = {
    "include": [],
    "proto": [],
    "common": ["include"],
    "sys": ["common"],
    "core": ["common"],
    "seal": ["common"],
    "cluster": ["core", "seal"],
    "node": ["cluster"],
    "reply": ["node"],
    "watch": ["reply", "proto"],
    "rpc": ["watch"],
    "net": ["rpc", "sys"],
    "net/sp": ["net"],
    "net/grpc": ["net"],
    "net/grpc/services": ["net/grpc"],
    "peers": ["net/sp", "sys"],
    "snapshot": ["rpc", "sys"],
    "main": ["peers", "snapshot", "net/sp", "net/grpc/services"],
    "client/c": ["common", "proto"],
    "client/load": ["common"],
    "client/cli": ["client/load", "core", "seal", "proto"],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)


def source_files(root):
    for top in ("common", "include", "server", "client"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def room_of(path):
    folders = path.split("/")[:-1]
    if folders[0] == "server":
        return "/".join(folders[1:]) or "main"
    if folders[0] == "client":
        return "/".join(folders[:2])
    return folders[0]


def file_of(path):
    """The name that a .c, its .h and its _internal.h share."""
    return re.sub(r"(_internal)?\.[ch]$", "", path)


def read_includes(root):
    """[(path, line, included path)], where a generated header is proto/<name>."""
    paths = set(source_files(root))
    arrows = []
    for path in sorted(paths):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        for match in INCLUDE.finditer(text):
            name = match.group(1)
            line = text.count("\n", 0, match.start()) + 1
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            found = [p for p in (beside, name, "server/" + name, "client/" + name, "include/" + name) if p in paths]
            if found:
                arrows.append((path, line, found[0]))
            elif name.endswith(".pb-c.h"):
                arrows.append((path, line, "proto/" + name))
            elif not match.group(0).rstrip().endswith(">"):
                sys.exit(f"{path}:{line}: \"{name}\" is no file of the tree")
    return arrows


def rooms_below(room):
    """All rooms that a room may use."""
    found = set()
    todo = [room]
    while todo:
        for below in BELOW[todo.pop()]:
            if below not in found:
                found.add(below)
                todo.append(below)
    if room in found:
        sys.exit(f"BELOW has a circle at {room}")
    return found


def shortest_path(edges, start, end):
    """[(from, to, where)] of the fewest arrows, None if there is no way. edges: {from: {to: where}}"""
    came_from = {start: None}
    todo = [start]
    for node in todo:
        for target in sorted(edges.get(node, ())):
            if target == end:
                path = [(node, target, edges[node][target])]
                while came_from[node] is not None:
                    node, target = came_from[node], node
                    path.append((node, target, edges[node][target]))
                return path[::-1]
            if target not in came_from:
                came_from[target] = node
                todo.append(target)
    return None


def told(path):
    return "\n".join(f"    {source} -> {target}: {where}" for source, target, where in path)


def wrong_arrows(arrows):
    """{"room -> room": text}"""
    edges = {}
    for path, line, target in arrows:
        source_room, target_room = room_of(path), room_of(target)
        if source_room != target_room:
            edges.setdefault(source_room, {}).setdefault(target_room, f"{path}:{line} includes {target}")
    found = {}
    for source in sorted(edges):
        if source not in BELOW:
            sys.exit(f"{source} is a room that BELOW in {os.path.basename(__file__)} does not know")
        for target in sorted(edges[source]):
            if target in rooms_below(source):
                continue
            back = shortest_path(edges, target, source)
            text = f"{source} may not use {target}\n" + told([(source, target, edges[source][target])])
            found[f"{source} -> {target}"] = text + ("\n  and a way leads back:\n" + told(back) if back else "")
    return found


def circles(arrows):
    """{"circle file file …": text}: one for each group of files of a room that reach each other."""
    edges = {}
    for path, line, target in arrows:
        source_file, target_file = file_of(path), file_of(target)
        if room_of(path) == room_of(target) and not path.startswith("client/") and source_file != target_file:
            edges.setdefault(source_file, {}).setdefault(target_file, f"{path}:{line} includes {target}")
    found = {}
    seen = set()
    for start in sorted(edges):
        path = None if start in seen else shortest_path(edges, start, start)
        if path:
            group = [file for file in sorted(edges) if file == start or
                     shortest_path(edges, start, file) and shortest_path(edges, file, start)]
            seen.update(group)
            found["circle " + " ".join(group)] = f"files in a circle: {' '.join(group)}\n" + told(path)
    return found


def includes_of_nng(root):
    found = {}
    for path in source_files(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            if any(name.startswith("nng/") for name in INCLUDE.findall(file.read())):
                found["nng " + path] = f"{path} includes nng, which only tests use"
    return found


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../.."))
    arrows = read_includes(root)
    if len(arrows) < 300:
        sys.exit(f"only {len(arrows)} includes found under {root}: is this the tree?")
    found = wrong_arrows(arrows) | circles(arrows) | includes_of_nng(root)
    for name in sorted(found):
        print(found[name])
    if found:
        sys.exit(1)
    print(f"{len(arrows)} includes, none of which runs up or in a circle")


if __name__ == "__main__":
    main()
