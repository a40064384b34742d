package dev.muster.conformance;

import static dev.muster.conformance.Expectations.expect;
import static dev.muster.conformance.Expectations.expectRefusal;
import static dev.muster.conformance.Expectations.fail;

import com.google.protobuf.ByteString;
import dev.muster.v1.Beat;
import dev.muster.v1.Change;
import dev.muster.v1.ChangeKind;
import dev.muster.v1.CountsRequest;
import dev.muster.v1.Departure;
import dev.muster.v1.LeaveReason;
import dev.muster.v1.LeaveRequest;
import dev.muster.v1.ListRequest;
import dev.muster.v1.LiveRequest;
import dev.muster.v1.LiveResponse;
import dev.muster.v1.NodesRequest;
import dev.muster.v1.PresenceGrpc;
import dev.muster.v1.PresenceGrpc.PresenceBlockingStub;
import dev.muster.v1.Status;
import dev.muster.v1.TouchRequest;
import dev.muster.v1.User;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** The cases of ../README.md, by grpc-java. */
public final class Conformance {
    private interface Case {
        void run() throws Exception;
    }

    public static void main(String[] arguments) {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("unary", Conformance::unary);
        cases.put("stream", Conformance::stream);
        cases.put("deadline", Conformance::deadline);
        cases.put("cancel", Conformance::cancel);
        cases.put("metadata", Conformance::metadata);
        cases.put("message-limit", Conformance::messageLimit);
        cases.put("invalid-argument", Conformance::invalidArgument);
        cases.put("compression", Conformance::compression);
        cases.put("reuse", Conformance::reuse);
        cases.put("drain", Drain::run);
        cases.put("health", Conformance::health);
        cases.put("tls", Conformance::tls);
        cases.put("mutual-tls", Conformance::mutualTls);
        boolean passed = true;
        for (Map.Entry<String, Case> each : cases.entrySet()) {
            try {
                each.getValue().run();
                System.out.println("ok " + each.getKey());
            } catch (Exception | AssertionError failure) {
                passed = false;
                System.out.println("FAILED " + each.getKey() + " " + failure.toString().replaceAll("\\s+", " "));
            }
        }
        System.exit(passed ? 0 : 1);
    }

    private static void unary() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            expect("joined", touch(node.presence(), "unary", online("ada"), busy("bob")), 2);
            var users = live(node.presence(), "unary", List.of("ada", "bob", "nobody")).getUsersList();
            expect("live", users.stream().map(User::getLive).toList(), List.of(true, true, false));
            expect("the status of bob", users.get(1).getStatus(), Status.STATUS_BUSY);
            var counts = node.presence().counts(CountsRequest.newBuilder().addScopes("unary").build()).getScopes(0);
            expect("live, online, busy", List.of(counts.getLive(), counts.getOnline(), counts.getBusy()), List.of(2L, 1L, 1L));
        }
    }

    private static void stream() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            touch(node.presence(), "stream", online("ada"));
            try (Watch watch = new Watch(node.presence(), "stream")) {
                expect("the snapshot", watch.snapshot(), List.of("ada"));
                touch(node.presence(), "stream", online("bob"));
                expectChange(watch.change(), ChangeKind.CHANGE_KIND_JOINED, "bob");
                touch(node.presence(), "stream", busy("bob"));
                Change updated = watch.change();
                expectChange(updated, ChangeKind.CHANGE_KIND_UPDATED, "bob");
                expect("the status of bob", updated.getUser().getStatus(), Status.STATUS_BUSY);
                node.presence().leave(LeaveRequest.newBuilder()
                        .setScope("stream").addDepartures(Departure.newBuilder().setUser("bob")).build());
                Change left = watch.change();
                expectChange(left, ChangeKind.CHANGE_KIND_LEFT, "bob");
                expect("the reason", left.getReason(), LeaveReason.LEAVE_REASON_LEFT);
            }
        }
    }

    private static void deadline() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            PresenceBlockingStub hurried = node.presence().withDeadlineAfter(300, TimeUnit.MILLISECONDS);
            try (Watch watch = new Watch(hurried, "deadline")) {
                expectRefusal(() -> {
                    watch.snapshot();
                    watch.change();
                }, Code.DEADLINE_EXCEEDED);
            }
            askNodes(node.presence().withDeadlineAfter(10, TimeUnit.SECONDS));
        }
    }

    private static void cancel() throws InterruptedException {
        try (Connection node = Connection.to("MUSTER_ONE_WATCH")) {
            try (Watch first = new Watch(node.presence(), "cancel")) {
                first.snapshot();
                expectRefusal(() -> new Watch(node.presence(), "cancel").snapshot(), Code.RESOURCE_EXHAUSTED);
                first.close();
                expectRefusal(first::change, Code.CANCELLED);
            }
            watchWhenThereIsRoom(node);
        }
    }

    private static void watchWhenThereIsRoom(Connection node) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (true) {
            try (Watch watch = new Watch(node.presence(), "cancel")) {
                watch.snapshot();
                touch(node.presence(), "cancel", online("ada"));
                expectChange(watch.change(), ChangeKind.CHANGE_KIND_JOINED, "ada");
                return;
            } catch (StatusRuntimeException refusal) {
                if (refusal.getStatus().getCode() != Code.RESOURCE_EXHAUSTED || System.nanoTime() > end) {
                    throw refusal;
                }
            }
            Thread.sleep(10);
        }
    }

    private static void metadata() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            askNodes(padded(node, 8 * 1024));
            expectRefusal(() -> askNodes(padded(node, 20 * 1024)), Code.RESOURCE_EXHAUSTED, Code.INTERNAL);
            askNodes(node.presence());
        }
    }

    private static PresenceBlockingStub padded(Connection node, int bytes) {
        Metadata metadata = new Metadata();
        metadata.put(Metadata.Key.of("muster-padding", Metadata.ASCII_STRING_MARSHALLER), "x".repeat(bytes));
        return node.presence().withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    private static void messageLimit() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            Beat.Builder large = online("ada").setState(ByteString.copyFrom(new byte[2 * 1024 * 1024]));
            expectRefusal(() -> touch(node.presence(), "message-limit", large), Code.RESOURCE_EXHAUSTED);
            askNodes(node.presence());
        }
    }

    private static void invalidArgument() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            var status = expectRefusal(() -> touch(node.presence(), "invalid-argument", online("")), Code.INVALID_ARGUMENT);
            if (!String.valueOf(status.getDescription()).contains("user")) {
                fail("the message does not name the user: " + status.getDescription());
            }
        }
    }

    private static void compression() {
        try (Connection node = Connection.to("MUSTER_MEASURED")) {
            List<String> names = IntStream.range(0, 5000).mapToObj(i -> String.format("compressed-%04d", i)).toList();
            Beat.Builder[] beats = names.stream().map(Conformance::online).toArray(Beat.Builder[]::new);
            var presence = node.presence().withCompression("gzip");
            expect("joined", touch(presence, "compression", beats), names.size());
            var request = ListRequest.newBuilder().setScope("compression").setPageSize(names.size()).build();
            var listed = presence.list(request).getUsersList();
            expect("listed", listed.stream().map(User::getUser).sorted().toList(), names);
        }
    }

    private static void reuse() throws Exception {
        try (Connection node = Connection.to("MUSTER_COUNTED")) {
            var presence = PresenceGrpc.newFutureStub(node.channel()).withDeadlineAfter(Connection.DEADLINE_S, TimeUnit.SECONDS);
            LiveRequest request = LiveRequest.newBuilder().setScope("reuse").addUsers("ada").build();
            List<Future<LiveResponse>> calls = new ArrayList<>();
            for (int i = 0; i < 1000; i++) {
                calls.add(presence.live(request));
            }
            for (Future<LiveResponse> call : calls) {
                expect("users", call.get().getUsersCount(), 1);
            }
        }
    }

    private static void health() {
        try (Connection node = Connection.to("MUSTER_PLAIN")) {
            expect("the node", check(node, ""), ServingStatus.SERVING);
            expect("the service", check(node, "muster.v1.Presence"), ServingStatus.SERVING);
            expectRefusal(() -> check(node, "muster.v1.Nothing"), Code.NOT_FOUND);
        }
    }

    private static ServingStatus check(Connection node, String service) {
        return HealthGrpc.newBlockingStub(node.channel()).withDeadlineAfter(Connection.DEADLINE_S, TimeUnit.SECONDS)
                .check(HealthCheckRequest.newBuilder().setService(service).build()).getStatus();
    }

    private static void tls() throws Exception {
        var credentials = TlsChannelCredentials.newBuilder().trustManager(file("MUSTER_CA")).build();
        try (Connection node = Connection.to("MUSTER_TLS", credentials)) {
            askNodes(node.presence());
        }
    }

    private static void mutualTls() throws Exception {
        var known = TlsChannelCredentials.newBuilder().trustManager(file("MUSTER_CA"))
                .keyManager(file("MUSTER_CLIENT_CERT"), file("MUSTER_CLIENT_KEY")).build();
        try (Connection node = Connection.to("MUSTER_MUTUAL_TLS", known)) {
            askNodes(node.presence());
        }
        var unknown = TlsChannelCredentials.newBuilder().trustManager(file("MUSTER_CA")).build();
        try (Connection node = Connection.to("MUSTER_MUTUAL_TLS", unknown)) {
            expectRefusal(() -> askNodes(node.presence()), Code.UNAVAILABLE);
        }
    }

    private static File file(String variable) {
        return new File(System.getenv(variable));
    }

    static Beat.Builder online(String user) {
        return Beat.newBuilder().setUser(user);
    }

    private static Beat.Builder busy(String user) {
        return online(user).setStatus(Status.STATUS_BUSY);
    }

    /** How many joined. */
    static int touch(PresenceBlockingStub presence, String scope, Beat.Builder... beats) {
        TouchRequest.Builder request = TouchRequest.newBuilder().setScope(scope);
        for (Beat.Builder beat : beats) {
            request.addBeats(beat);
        }
        return presence.touch(request.build()).getJoined();
    }

    static LiveResponse live(PresenceBlockingStub presence, String scope, Iterable<String> users) {
        return presence.live(LiveRequest.newBuilder().setScope(scope).addAllUsers(users).build());
    }

    private static void askNodes(PresenceBlockingStub presence) {
        expect("nodes", presence.nodes(NodesRequest.getDefaultInstance()).getNodesCount(), 1);
    }

    private static void expectChange(Change change, ChangeKind kind, String user) {
        expect("the change", List.of(change.getKind(), change.getUser().getUser()), List.of(kind, user));
    }
}
