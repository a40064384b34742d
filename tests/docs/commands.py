"""Runs what README.md and docs/ print as commands, as they are printed, and compares what they print: commands.py SOURCE

Everything runs in namespaces of its own: the default ports are free there, the machines of the example exist, /usr/local and
/etc are copies, and no process outlives the test. A command that is printed and not run, here or by a test that is named
here, is a failure."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE_S = 120
SKIPPED = 77
MACHINES = (1, 2, 3)  # of docs/cluster.md's example
# The first word of a command, after variables. Other indented lines are output, logs or bytes.
COMMAND = re.compile(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(scripts/\w+|\.ci/run|cmake|ctest|protoc|protoc-c|npm|go|cc|grpcurl|muster|musterd(?! ready)|pip|curl|apt-get|openssl)\b")
# Printed in docs/protocol.md, and run by another test of ctest, which reads them from there.
BY_LANGUAGE_TESTS = {"docs/protocol.md"}


class Block:
    """Indented lines of a document; long ones are joined where they end in a backslash."""

    def __init__(self, document, line, lines):
        self.document, self.line = document, line
        self.text = re.sub(r" *\\\n +", " ", "\n".join(lines))
        self.lines = self.text.split("\n")

    def is_transcript(self):
        return self.lines[0].startswith("$ ")

    def commands(self):
        found = [line for line in self.lines if COMMAND.match(line)]
        if self.is_transcript():
            found = [line[2:] for line in found if line.startswith("$ ")]
        return [without_comment(line) for line in found]

    def transcript(self):
        """(command, output) in order."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [tuple(part.split("\n", 1)) if "\n" in part else (part, "") for part in parts]


def without_comment(line):
    return re.sub(r"\s{2,}#.*| +# .*", "", line).strip()


def blocks_of(source, document):
    blocks, lines, begun, is_fenced = [], [], 0, False
    for number, line in enumerate((source / document).read_text().split("\n") + [""], 1):
        if line.startswith("```"):
            is_fenced = not is_fenced
        if line.startswith("    ") and not is_fenced:
            begun = begun if lines else number
            lines.append(line[4:])
        elif lines:
            blocks.append(Block(document, begun, lines))
            lines = []
    return blocks


def fences_of(source, document):
    return re.findall(r"^```c\n(.*?)^```", (source / document).read_text(), flags=re.MULTILINE | re.DOTALL)


# ---- running ---------------------------------------------------------------------------------------------------------

def fail(message):
    sys.exit(f"FAILED {message}")


class Shell:
    """What a reader has: a folder, PATH, and programs in the background."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = dict(os.environ, LC_ALL="C.UTF-8", TERM="dumb")
        self.background = []

    def run(self, command, folder=None, statuses=(0,)):
        done = subprocess.run(["bash", "-ec", command], cwd=folder or self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S)
        if done.returncode not in statuses:
            fail(f"$ {command}\nstatus {done.returncode}\n{done.stdout}")
        return done.stdout

    def start(self, command, until):
        """Runs it in the background, and waits until it has printed `until`."""
        log = tempfile.NamedTemporaryFile(prefix="output.", delete=False)
        process = subprocess.Popen(["bash", "-ec", f"exec {command}"], cwd=self.folder, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.background.append((command, process))
        path = Path(log.name)
        self.wait(lambda: re.search(until, path.read_text()) or process.poll() is not None, f"$ {command}: /{until}/", path)
        if not re.search(until, path.read_text()):
            fail(f"$ {command}\nended with {process.returncode}\n{path.read_text()}")
        return path

    def wait(self, condition, what, path=None):
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                fail(f"{what}: not in {DEADLINE_S} s\n{path.read_text() if path else ''}")
            time.sleep(0.02)

    def end(self):
        """Ends the programs in the background, as Ctrl-C does."""
        for command, process in reversed(self.background):
            process.send_signal(signal.SIGINT if command.startswith("scripts/") else signal.SIGTERM)
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                fail(f"$ {command}: did not end")
        self.background = []


def masked(output):
    """Without what differs from run to run: instants, stamps, and the room that their columns take."""
    output = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", output)
    output = re.sub(r'("(?:stamp|lastSeenMs)": )"\d+"', r'\1"TIME"', output)
    return [re.sub(r" +", " ", line).strip() for line in output.strip().split("\n")]


def expect_output(command, output, printed):
    if masked(output) != masked(printed):
        fail(f"$ {command}\nprinted\n{output}\nthe document says\n{printed}")


# ---- the documents ---------------------------------------------------------------------------------------------------

class Reader:
    """Follows the documents; `done` has the commands that were run, by document."""

    def __init__(self, source):
        self.source, self.shell = source, Shell(source)
        self.done = {}

    def did(self, document, *commands):
        self.done.setdefault(document, set()).update(commands)

    def transcripts(self, document):
        return [block for block in blocks_of(self.source, document) if block.is_transcript()]

    def readme_scripts(self):
        self.shell.run("scripts/test -N")
        self.did("README.md", "scripts/test")
        log = self.shell.start("scripts/cluster 3", r"touch ada")
        example = re.search(r"for example: (.*)", log.read_text()).group(1)
        self.shell.run(example)
        self.did("README.md", "scripts/cluster 3")
        self.shell.end()

    def readme_first_minute(self):
        self.shell.start("scripts/run", r"ready")
        self.did("README.md", "scripts/run")
        self.shell.environment["PATH"] = f"{self.source}/build/release/bin:{os.environ['PATH']}"
        first, watch, grpcurl = self.transcripts("README.md")
        for command, printed in first.transcript():
            is_asked = command.startswith("muster live")  # its status is the answer
            expect_output(command, self.shell.run(command, statuses=(0, 1) if is_asked else (0,)), printed)
            self.did("README.md", command)
        self.watch(*watch.transcript()[0])
        self.grpcurl("README.md", grpcurl)
        for block in self.transcripts("docs/grpc.md"):
            self.grpcurl("docs/grpc.md", block)

    def grpcurl(self, document, block):
        """By the tool that scripts/test builds. Without Go there is none: then the commands stay unproven, and it is said."""
        tools = self.source / "build" / "go-tools"
        has_tool = (tools / "grpcurl").exists()
        if not has_tool and os.environ.get("MUSTER_CI") == "1":
            fail("build/go-tools has no grpcurl")
        for command, printed in block.transcript():
            if has_tool:
                expect_output(command, self.shell.run(f"PATH={tools}:$PATH; {command}"), printed)
            else:
                print(f"skipped, there is no grpcurl: {command}")
            self.did(document, command)

    def watch(self, command, printed):
        log = self.shell.start(command, r"present")
        events = ["muster touch zoe --ttl 1s", "muster touch ada --status busy"]
        for count, event in enumerate(events, 3):
            self.shell.run(event)
            self.shell.wait(lambda: log.read_text().count("\n") >= count, f"after {event}", log)
        self.shell.wait(lambda: "expired" in log.read_text(), "zoe expires", log)
        expect_output(command, log.read_text(), printed)
        self.did("README.md", command)

    def install(self, folder):
        """The README's C path, with a prefix and without: the programs run, and programs are built and run."""
        text = (self.source / "README.md").read_text()
        without, pkg_config = "cmake --install build/release", "$(pkg-config --cflags --libs muster)"
        for printed in (without, pkg_config, "--prefix DIR", "PKG_CONFIG_PATH=DIR/lib/pkgconfig"):
            if printed not in text:
                fail(f"README.md no longer says {printed}")
        self.shell.run(without)
        self.shell.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        self.programs(folder, "/usr/local")
        self.shell.run(f"{without} --prefix {folder}/prefix")
        self.shell.run("rm -rf /usr/local/* && ldconfig")
        self.shell.environment["PATH"] = f"{folder}/prefix/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        self.shell.environment["PKG_CONFIG_PATH"] = f"{folder}/prefix/lib/pkgconfig"
        self.programs(folder, f"{folder}/prefix")

    def programs(self, folder, prefix):
        where = self.shell.run("command -v muster musterd").split()
        if where != [f"{prefix}/bin/muster", f"{prefix}/bin/musterd"]:
            fail(f"installed in {prefix}, the programs are {where}")
        self.shell.run("muster --version && musterd --version && muster scopes")
        compile_line = blocks_of(self.source, "docs/client-c.md")[0].commands()[0]
        guide = fences_of(self.source, "docs/client-c.md")
        (folder / "hello.c").write_text(guide[0])
        self.shell.run(compile_line + " && ./hello", folder)
        self.shell.run("muster -s room:7 live ada bob")
        self.did("docs/client-c.md", compile_line)
        for example in sorted((self.source / "examples/c").glob("*.c")):
            self.shell.run(f"cc {example} $(pkg-config --cflags --libs muster) -o example && ./example --help || [ $? -eq 2 ]", folder)
        for document in ("README.md", "docs/client-c.md", "docs/watch.md"):
            for number, fence in enumerate(fences_of(self.source, document)):
                (folder / "fence.c").write_text(program_of(fence))
                self.shell.run("cc -Wall -Werror -Wno-unused -c fence.c $(pkg-config --cflags muster)", folder)

    def contract(self, folder):
        """The README's protoc line, in a folder that has the contract."""
        (line,) = [command for block in blocks_of(self.source, "README.md") for command in block.commands() if "protoc" in command]
        (folder / "proto").symlink_to(self.source / "proto")
        self.shell.run(f"{line} && ls muster/v1/presence_pb2.py", folder)
        self.did("README.md", line)

    def cluster(self, folder):
        """docs/cluster.md's first commands, at three nodes, each at its address."""
        block = blocks_of(self.source, "docs/cluster.md")[0]
        keygen, musterd, nodes = block.commands()
        self.shell.run(keygen, folder)
        for number in MACHINES:
            own = musterd.replace("/var/lib/muster", f"{folder}/data-{number}")
            self.shell.start(f"{at(number)} bash -c 'cd {folder} && exec {own}'", "event=joined")
        self.shell.run(f"{at(2)} muster touch ada")
        asked = f"{at(3)} muster live ada".split()
        self.shell.wait(lambda: subprocess.run(asked, env=self.shell.environment, stdout=subprocess.DEVNULL).returncode == 0,
                        "ada at the third node")
        self.shell.wait(lambda: len(re.findall(r" alive\b", self.shell.run(f"{at(1)} {nodes}"))) == len(MACHINES),
                        "three nodes alive in muster nodes")
        self.did("docs/cluster.md", keygen, musterd, nodes)
        self.shell.end()


    def tls(self, folder):
        """docs/operations.md's node with TLS, and a call to it."""
        (block,) = [block for block in blocks_of(self.source, "docs/operations.md") if any("--tls-cert" in c for c in block.commands())]
        openssl, musterd, touch = block.commands()
        self.shell.run(openssl, folder)
        self.shell.start(f"bash -c 'cd {folder} && exec {musterd}'", "ready")
        self.shell.run(touch, folder)
        self.did("docs/operations.md", openssl, musterd, touch)
        self.shell.end()


def at(machine):
    return f"ip netns exec machine{machine}"


PRELUDE = """#include <muster/muster.h>
#include <stdio.h>
#include <stdlib.h>
static inline void die(const char *message) { fprintf(stderr, "%%s\\n", message); exit(1); }
%sextern void *room;
void on_joined(void *arg, const struct muster_user *user);
void on_updated(void *arg, const struct muster_user *user);
void on_left(void *arg, const struct muster_user *user, enum muster_left_reason reason);
void log_it(void *arg, const struct muster_error *error);
void log_trouble(void *arg, const struct muster_keepalive_trouble *trouble);
void refresh_badge(const char *user);
"""


def program_of(fence):
    """A fragment as a program: what it takes from around it is declared, unless it declares it."""
    if "int main" in fence:
        return fence
    body = re.sub(r"#include .*\n", "", fence)
    around = ["struct muster_client *client;", "struct muster_error error;"]
    declared = "".join(f"extern {line}\n" for line in around if line not in body)
    return f"{PRELUDE % declared}void fragment(void);\nvoid fragment(void) {{\n{body}\n}}\n"


def check_all_is_run(source, reader):
    missing = []
    for document in ["README.md"] + sorted(str(path.relative_to(source)) for path in (source / "docs").glob("*.md")):
        if document in BY_LANGUAGE_TESTS:
            continue
        for block in blocks_of(source, document):
            missing += [f"{document}:{block.line}: no test runs: {command}" for command in block.commands()
                        if command not in reader.done.get(document, ())]
    if missing:
        fail("\n".join(missing))


# ---- the namespaces --------------------------------------------------------------------------------------------------

def enter(arguments):
    """Starts anew in namespaces of its own."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    if subprocess.run(unshare + ["ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0:
        print("skipped: no namespaces can be made here")
        sys.exit(SKIPPED)
    os.execvp("unshare", unshare + [sys.executable, *arguments, "--inside"])


def furnish(folder):
    """Copies of what is written to, and three machines, 10.0.0.1 to 3, each with a loopback of its own."""
    commands = [
        "mount --make-rprivate /",
        f"mkdir {folder}/etc {folder}/local && cp -a /etc/. {folder}/etc",
        f"mount --bind {folder}/etc /etc && mount --bind {folder}/local /usr/local",
        "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns",
        "ldconfig && ip link set lo up && ip link add name switch type bridge && ip link set switch up"]
    for number in MACHINES:
        commands += [f"ip netns add machine{number} && ip link add to{number} type veth peer name eth0 netns machine{number}",
                     f"ip link set to{number} master switch up && {at(number)} ip link set lo up",
                     f"{at(number)} ip address add 10.0.0.{number}/24 dev eth0 && {at(number)} ip link set eth0 up"]
    for command in commands:
        subprocess.run(command, shell=True, check=True)


def main():
    source = Path(sys.argv[1]).resolve()
    if "--inside" not in sys.argv:
        enter(sys.argv)
    with tempfile.TemporaryDirectory(prefix="muster-docs.") as name:
        folder = Path(name)
        tempfile.tempdir = name
        furnish(folder)
        reader = Reader(source)
        reader.readme_scripts()
        reader.readme_first_minute()
        (folder / "work").mkdir()
        reader.contract(folder / "work")
        reader.install(folder / "work")
        reader.shell.end()
        reader.cluster(folder / "work")
        reader.tls(folder / "work")
        check_all_is_run(source, reader)
    count = sum(len(commands) for commands in reader.done.values())
    print(f"{count} commands of {len(reader.done)} documents run as they are printed")


main()
