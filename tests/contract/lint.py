"""Holds the contract against the usual style guide, without its tools: lint.py PROTOC CONTRACT

What is checked: every message, field, enum, enum value, service and method has a comment; names are in the case of their
kind; an enum begins with PREFIX_UNSPECIFIED = 0; a method has its own METHODRequest and METHODResponse; the package ends
in a version and matches the folder.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    from google.protobuf import descriptor_pb2
except ImportError:
    print("skipped: this Python has no protobuf (Debian: python3-protobuf)")
    sys.exit(77)

PASCAL = re.compile(r"[A-Z][a-zA-Z0-9]*$")
LOWER_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*$")
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")

# Field numbers within descriptor.proto: source locations are paths of (field number, index).
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 4, 5, 6
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM, MESSAGE_ONEOF = 2, 3, 4, 8
ENUM_VALUE, SERVICE_METHOD = 2, 2


def describe(protoc, contract):
    root = contract.parents[2]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        subprocess.run([protoc, f"--proto_path={root}", "--include_source_info", f"--descriptor_set_out={out}", contract],
                       check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]


class Lint:
    def __init__(self, file):
        self.file = file
        self.problems = []
        self.checked = 0
        self.comments = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
        self.lines = {tuple(place.path): place.span[0] + 1 for place in file.source_code_info.location}

    def require(self, holds, path, what):
        self.checked += 1
        if not holds:
            self.problems.append(f"{self.file.name}:{self.lines.get(path, 1)}: {what}")

    def element(self, path, kind, name, case, comment=True):
        self.require(case.match(name), path, f"{kind} {name} is not in the case of its kind")
        self.require(not comment or self.comments.get(path), path, f"{kind} {name} has no comment")

    def message(self, path, message):
        self.element(path, "message", message.name, PASCAL)
        for index, field in enumerate(message.field):
            # The comment of a oneof speaks for its choices.
            self.element(path + (MESSAGE_FIELD, index), f"{message.name}'s field", field.name, LOWER_SNAKE,
                         comment=not field.HasField("oneof_index"))
        for index, oneof in enumerate(message.oneof_decl):
            self.element(path + (MESSAGE_ONEOF, index), f"{message.name}'s oneof", oneof.name, LOWER_SNAKE)
        for index, nested in enumerate(message.nested_type):
            self.message(path + (MESSAGE_NESTED, index), nested)
        for index, enum in enumerate(message.enum_type):
            self.enum(path + (MESSAGE_ENUM, index), enum)

    def enum(self, path, enum):
        self.element(path, "enum", enum.name, PASCAL)
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
        zero = enum.value[0]
        self.require(zero.number == 0 and zero.name == f"{prefix}_UNSPECIFIED", path,
                     f"enum {enum.name} does not begin with {prefix}_UNSPECIFIED = 0")
        for index, value in enumerate(enum.value):
            here = path + (ENUM_VALUE, index)
            self.element(here, "enum value", value.name, UPPER_SNAKE)
            self.require(value.name.startswith(prefix + "_"), here, f"{value.name} does not begin with {prefix}_")

    def service(self, path, service):
        self.element(path, "service", service.name, PASCAL)
        for index, method in enumerate(service.method):
            here = path + (SERVICE_METHOD, index)
            self.element(here, "method", method.name, PASCAL)
            for found, suffix in ((method.input_type, "Request"), (method.output_type, "Response")):
                wanted = f".{self.file.package}.{method.name}{suffix}"
                self.require(found == wanted, here, f"method {method.name} uses {found}, not {wanted}")

    def run(self, contract):
        self.require(re.search(r"\.v[1-9][0-9]*$", self.file.package), (), "the package does not end in a version")
        folder = self.file.package.replace(".", "/")
        self.require(contract.parent.as_posix().endswith("/" + folder), (), f"the file is not in {folder}")
        self.require(self.file.syntax == "proto3", (), "the syntax is not proto3")
        for index, message in enumerate(self.file.message_type):
            self.message((FILE_MESSAGE, index), message)
        for index, enum in enumerate(self.file.enum_type):
            self.enum((FILE_ENUM, index), enum)
        for index, service in enumerate(self.file.service):
            self.service((FILE_SERVICE, index), service)


def main():
    contract = Path(sys.argv[2])
    lint = Lint(describe(sys.argv[1], contract))
    lint.run(contract)
    for problem in lint.problems:
        print(problem)
    print(f"{lint.checked} checks, {len(lint.problems)} problems")
    sys.exit(1 if lint.problems or lint.checked < 100 else 0)


main()
