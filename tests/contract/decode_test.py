"""Makes a language's classes by the command that docs/protocol.md prints, and decodes a reply of each call with them:
decode_test.py PROTOC SOURCE FOLDER MUSTERD LANGUAGE

What is decoded is printed as JSON and compared with what Python makes of the same bytes. 77 where the language is not there."""
import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import client_test
import spoken

SKIPPED = 77
DEADLINE_S = 400
JAVA = ":".join(f"/usr/share/java/{name}.jar" for name in ("protobuf", "protobuf-util", "gson", "guava"))
TSC = "node_modules/.bin/tsc --strict --target es2022 --module nodenext --moduleResolution nodenext --types node"
NPM = "npm install --no-audit --no-fund --save-dev typescript@5 @types/node@20"


class Language:
    """program: what must be there. option: by which the document's command is found. decoder: the file in decoders/.
    install, build, decode: what else is run, in the folder of the generated classes."""

    def __init__(self, program, option, decoder, build, decode, install=None):
        self.program, self.option, self.decoder = program, option, decoder
        self.install, self.build, self.decode = install, build, decode


LANGUAGES = {
    "c": Language("protoc-c", "--c_out", "decode.c",
                  "cc decode.c muster/v1/presence.pb-c.c -I. $(pkg-config --cflags --libs libprotobuf-c) -o decode", "./decode"),
    "java": Language("javac", "--java_out", "Decode.java",
                     f"mkdir -p classes && javac -nowarn -d classes -cp {JAVA} Decode.java dev/muster/v1/*.java",
                     f"java -cp classes:{JAVA} Decode"),
    "ruby": Language("ruby", "--ruby_out", "decode.rb", "true", "ruby -I. decode.rb"),
    "php": Language("php", "--php_out", "decode.php", "true", "php decode.php ."),
    "go": Language("go", "--go_out", "decode.go",
                   "[ -f go.mod ] || go mod init decode; go mod tidy && go build -o decode .", "./decode"),
    "es": Language("npm", "--es_out", "decode_es.ts", f"{TSC} decode_es.ts", "node decode_es.js", NPM),
    "ts_proto": Language("npm", "--ts_proto_out", "decode_ts_proto.ts", f"{TSC} decode_ts_proto.ts", "node decode_ts_proto.js", NPM),
}


class Recorder(client_test.Client):
    """Keeps the bytes of every reply."""

    def __init__(self, port, messages):
        super().__init__(port, messages)
        self.replies = []

    def end(self, request_id):
        reply = super().end(request_id)
        self.replies.append(reply.SerializeToString())
        return reply


def replies_of_a_node(musterd, messages):
    replies = []

    def talk(node):
        client = Recorder(node.port, messages)
        spoken.speak(client, messages)
        spoken.watch(client, messages)
        client.close()
        replies.extend(client.replies)

    spoken.with_node(musterd, talk)
    told = {messages.Reply.FromString(reply).WhichOneof("response") for reply in replies}
    untold = {field.name for field in messages.Reply.DESCRIPTOR.oneofs_by_name["response"].fields} - told
    spoken.expect("calls without a reply", untold, set())
    return replies


def commands_of_document(source, option):
    """The command with that option, and before it what is installed for it."""
    text = (source / "docs/protocol.md").read_text().replace("\\\n", " ")
    blocks = [block.strip().split("\n") for block in text.split("\n\n") if block.startswith("    ")]
    (block,) = [block for block in blocks if any(option + "=" in line for line in block)]
    before = [line.strip() for line in block if line.strip().startswith(("go install", "npm install"))]
    (command,) = [line.split("  #")[0].strip() for line in block if option + "=" in line]
    return before, command


def run(command, folder, environment, lines=None):
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, input=lines, text=True, timeout=DEADLINE_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"$ {command}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(commands, folder, environment):
    """Once a folder. Without a network there is nothing to decode with."""
    done = folder / "installed"
    said = "\n".join(commands)
    if done.exists() and done.read_text() == said:
        return
    for command in commands:
        result = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
        if result.returncode != 0:
            print(f"skipped: $ {command}\n{result.stderr[-2000:]}")
            sys.exit(SKIPPED)
    done.write_text(said)


def prepare(source, folder, language, environment):
    """Runs the document's commands in a folder that has the contract, which is OUT too, and builds the decoder."""
    if shutil.which(language.program, path=environment["PATH"]) is None:
        print(f"skipped: there is no {language.program}")
        sys.exit(SKIPPED)
    installs, command = commands_of_document(source, language.option)
    install(installs + ([language.install] if language.install else []), folder, environment)
    run(command.replace("OUT", "."), folder, environment)
    shutil.copy(source / "tests/contract/decoders" / language.decoder, folder)
    run(language.build, folder, environment)


def decoded(language, folder, environment, replies, to_json):
    """What the language makes of the replies, as JSON. protobuf-c has none: it packs them again."""
    if language is LANGUAGES["c"]:
        printed = run(language.decode, folder, environment, "".join(reply.hex() + "\n" for reply in replies))
        return [to_json(bytes.fromhex(line)) for line in printed.split()]
    lines = "".join(base64.b64encode(reply).decode() + "\n" for reply in replies)
    return [json.loads(line) for line in run(language.decode, folder, environment, lines).strip().split("\n")]


def main():
    protoc, source, folder, musterd, name = sys.argv[1:]
    source, folder, language = Path(source), Path(folder), LANGUAGES[name]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "proto").exists():
        (folder / "proto").symlink_to(source / "proto")
    (folder / "package.json").exists() or (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    path = f"{folder / 'bin'}:{os.environ['PATH']}:/usr/local/go/bin"
    environment = dict(os.environ, GOBIN=str(folder / "bin"), GOFLAGS="-mod=mod", PATH=path)
    prepare(source, folder, language, environment)
    messages = spoken.generate(protoc, source / "proto/muster/v1/presence.proto", folder / "python")
    replies = replies_of_a_node(musterd, messages)

    from google.protobuf import json_format

    def to_json(reply):
        return json_format.MessageToDict(messages.Reply.FromString(reply))

    found = decoded(language, folder, environment, replies, to_json)
    spoken.expect("replies", len(found), len(replies))
    for number, reply in enumerate(replies):
        spoken.expect(f"{name}: reply {number}", found[number], to_json(reply))
    print(f"{name}: {len(replies)} replies decoded as in Python")


main()
