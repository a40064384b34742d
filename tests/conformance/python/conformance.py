"""Makes the calls that tests/conformance/README.md names, by grpcio."""
import contextlib
import itertools
import os
import sys
import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from muster.v1 import presence_pb2 as muster
from muster.v1 import presence_pb2_grpc

DEADLINE_S = 20


class Failed(Exception):
    pass


def expect(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: found {found!r}, expected {expected!r}")


@contextlib.contextmanager
def expect_code(what, *codes):
    """What is called inside fails with one of the codes; gives a list, in which the error is afterwards."""
    errors = []
    try:
        yield errors
    except grpc.RpcError as error:
        if error.code() not in codes:
            raise Failed(f"{what}: ended with {error.code()} ({error.details()}), expected {codes}") from None
        errors.append(error)
    else:
        raise Failed(f"{what}: ended with OK, expected {codes}")


def channel_to(variable, **options):
    return grpc.insecure_channel(os.environ[variable], **options)


def expect_answer(channel, timeout=DEADLINE_S, metadata=None):
    """A node answers over the channel."""
    client = presence_pb2_grpc.PresenceStub(channel)
    expect("nodes", len(client.Nodes(muster.NodesRequest(), timeout=timeout, metadata=metadata).nodes), 1)


def touch(client, scope, *beats):
    return client.Touch(muster.TouchRequest(scope=scope, beats=beats), timeout=DEADLINE_S)


def unary():
    with channel_to("MUSTER_PLAIN") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        touched = touch(client, "unary", muster.Beat(user="ada"), muster.Beat(user="bob", status=muster.STATUS_BUSY))
        expect("joined", touched.joined, 2)
        live = client.Live(muster.LiveRequest(scope="unary", users=["ada", "bob", "nobody"]), timeout=DEADLINE_S).users
        expect("live", [user.live for user in live], [True, True, False])
        expect("bob's status", live[1].status, muster.STATUS_BUSY)
        counts = client.Counts(muster.CountsRequest(scopes=["unary"]), timeout=DEADLINE_S).scopes
        expect("counts", [(count.live, count.online, count.busy) for count in counts], [(2, 1, 1)])


class Watch:
    """A watch of a scope, change by change; a context, which cancels it."""

    def __init__(self, client, scope, timeout=DEADLINE_S):
        self.answers = client.Watch(muster.WatchRequest(scope=scope), timeout=timeout)
        self.present = []  # the snapshot
        self.changes = []  # that were not taken yet
        for answer in self.answers:
            self.present += [user.user for user in answer.present]
            self.changes += answer.changes
            if not answer.more:
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.cancel()

    def next(self):
        while not self.changes:
            self.changes += next(self.answers).changes
        return self.changes.pop(0)

    def expect_next(self, kind, user):
        change = self.next()
        expect("change", (change.kind, change.user.user), (kind, user))
        return change


def stream():
    with channel_to("MUSTER_PLAIN") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        touch(client, "stream", muster.Beat(user="ada"))
        with Watch(client, "stream") as watch:
            expect("present", watch.present, ["ada"])
            touch(client, "stream", muster.Beat(user="bob"))
            watch.expect_next(muster.CHANGE_KIND_JOINED, "bob")
            touch(client, "stream", muster.Beat(user="bob", status=muster.STATUS_BUSY))
            updated = watch.expect_next(muster.CHANGE_KIND_UPDATED, "bob")
            expect("status", updated.user.status, muster.STATUS_BUSY)
            client.Leave(muster.LeaveRequest(scope="stream", departures=[muster.Departure(user="bob")]), timeout=DEADLINE_S)
            left = watch.expect_next(muster.CHANGE_KIND_LEFT, "bob")
            expect("reason", left.reason, muster.LEAVE_REASON_LEFT)


def deadline():
    with channel_to("MUSTER_PLAIN") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        with expect_code("Watch", grpc.StatusCode.DEADLINE_EXCEEDED):
            Watch(client, "deadline", timeout=0.3).next()
        expect_answer(channel, timeout=10)


def cancel():
    with channel_to("MUSTER_ONE_WATCH") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        with Watch(client, "cancel") as first:
            with expect_code("a second Watch", grpc.StatusCode.RESOURCE_EXHAUSTED):
                watch_one_join(client)
            first.answers.cancel()
            with expect_code("the cancelled Watch", grpc.StatusCode.CANCELLED):
                first.next()
        # The node hears of it a moment later.
        until = time.monotonic() + 10
        while True:
            try:
                return watch_one_join(client)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > until:
                    raise
            time.sleep(0.01)


def watch_one_join(client):
    """Watches until a user joins, who is touched after the snapshot."""
    with Watch(client, "cancel") as watch:
        user = f"user-{time.monotonic_ns()}"
        touch(client, "cancel", muster.Beat(user=user))
        watch.expect_next(muster.CHANGE_KIND_JOINED, user)


def metadata():
    with channel_to("MUSTER_PLAIN") as channel:
        expect_answer(channel, metadata=[("muster-padding", "x" * (8 << 10))])
        with expect_code("20 KiB of metadata", grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL):
            expect_answer(channel, metadata=[("muster-padding", "x" * (20 << 10))])
        expect_answer(channel)


def message_limit():
    with channel_to("MUSTER_PLAIN") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        with expect_code("Touch of 2 MiB", grpc.StatusCode.RESOURCE_EXHAUSTED):
            touch(client, "message-limit", muster.Beat(user="ada", state=bytes(2 << 20)))
        expect_answer(channel)


def invalid_argument():
    with channel_to("MUSTER_PLAIN") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        with expect_code("Touch of nobody", grpc.StatusCode.INVALID_ARGUMENT) as errors:
            touch(client, "invalid-argument", muster.Beat())
        if "user" not in errors[0].details():
            raise Failed(f"the message does not name the field: {errors[0].details()}")


def compression():
    with channel_to("MUSTER_MEASURED", compression=grpc.Compression.Gzip) as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        beats = [muster.Beat(user=f"compressed-{i:04}") for i in range(5000)]
        expect("joined", touch(client, "compression", *beats).joined, len(beats))
        listed = client.List(muster.ListRequest(scope="compression", page_size=len(beats)), timeout=DEADLINE_S)
        expect("listed", len(listed.users), len(beats))


def reuse():
    with channel_to("MUSTER_COUNTED") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        request = muster.LiveRequest(scope="reuse", users=["ada"])
        for call in [client.Live.future(request, timeout=DEADLINE_S) for _ in range(1000)]:
            call.result()


class Load:
    """Workers that touch without end, while the node restarts."""

    def __init__(self, client):
        self.client = client
        self.is_stopping = threading.Event()
        self.answered = []  # users whose Touch was answered
        self.refusals = []  # codes of all others
        self.workers = [threading.Thread(target=self.work, args=(f"worker-{i}",)) for i in range(8)]
        for worker in self.workers:
            worker.start()

    def work(self, name):
        for i in itertools.count():
            if self.is_stopping.is_set():
                return
            user = f"{name}-{i}"
            try:
                touch(self.client, "drain", muster.Beat(user=user))
                self.answered.append(user)
            except grpc.RpcError as error:
                self.refusals.append((error.code(), error.details()))
                time.sleep(0.01)

    def wait_for_answers(self, wanted):
        until = time.monotonic() + DEADLINE_S
        while len(self.answered) < wanted:
            if time.monotonic() > until:
                raise Failed(f"answers: found {len(self.answered)}, expected {wanted}; refusals: {self.refusals[-3:]}")
            time.sleep(0.01)

    def stop(self):
        self.is_stopping.set()
        for worker in self.workers:
            worker.join()


def drain():
    with channel_to("MUSTER_DRAINED") as channel:
        client = presence_pb2_grpc.PresenceStub(channel)
        load = Load(client)
        try:
            load.wait_for_answers(100)
            print("drain", flush=True)
            expect("the harness said", sys.stdin.readline(), "restarted\n")
            load.wait_for_answers(len(load.answered) + 100)
        finally:
            load.stop()
        expect("refusals", [said for said in load.refusals if said[0] != grpc.StatusCode.UNAVAILABLE], [])
        for i in range(0, len(load.answered), 10000):
            asked = load.answered[i:i + 10000]
            live = client.Live(muster.LiveRequest(scope="drain", users=asked), timeout=DEADLINE_S).users
            expect("answered, but not live", [name for name, user in zip(asked, live, strict=True) if not user.live], [])


def health():
    with channel_to("MUSTER_PLAIN") as channel:
        client = health_pb2_grpc.HealthStub(channel)

        def check(service):
            return client.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_S).status

        for service in ("", "muster.v1.Presence"):
            expect(f"health of {service!r}", check(service), health_pb2.HealthCheckResponse.SERVING)
        with expect_code("Check of a service that is not there", grpc.StatusCode.NOT_FOUND):
            check("muster.v1.Nothing")


def content(variable):
    with open(os.environ[variable], "rb") as file:
        return file.read()


def expect_answer_by_tls(variable, **shown):
    """Trusts the authority of the tests alone, and shows a certificate, if one is given."""
    credentials = grpc.ssl_channel_credentials(root_certificates=content("MUSTER_CA"), **shown)
    with grpc.secure_channel(os.environ[variable], credentials) as channel:
        expect_answer(channel)


def tls():
    expect_answer_by_tls("MUSTER_TLS")


def mutual_tls():
    expect_answer_by_tls("MUSTER_MUTUAL_TLS", private_key=content("MUSTER_CLIENT_KEY"),
                         certificate_chain=content("MUSTER_CLIENT_CERT"))
    with expect_code("without a certificate", grpc.StatusCode.UNAVAILABLE):
        expect_answer_by_tls("MUSTER_MUTUAL_TLS")


CASES = (unary, stream, deadline, cancel, metadata, message_limit, invalid_argument, compression, reuse, drain, health, tls,
         mutual_tls)


def main():
    status = 0
    for case in CASES:
        name = case.__name__.replace("_", "-")
        try:
            case()
            print("ok", name, flush=True)
        except Exception as error:
            print("FAILED", name, " ".join(repr(error).split()), flush=True)
            status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
