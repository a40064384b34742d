package dev.muster.conformance;

import dev.muster.v1.Change;
import dev.muster.v1.PresenceGrpc.PresenceBlockingStub;
import dev.muster.v1.User;
import dev.muster.v1.WatchRequest;
import dev.muster.v1.WatchResponse;
import io.grpc.Context;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;

/** A watch of a scope: a snapshot, then changes. Both throw the StatusRuntimeException with which the watch ends. */
final class Watch implements AutoCloseable {
    private final Context.CancellableContext context = Context.current().withCancellation();
    private final Iterator<WatchResponse> answers;
    private final Queue<Change> changes = new ArrayDeque<>();

    Watch(PresenceBlockingStub presence, String scope) {
        Iterator<WatchResponse>[] begun = new Iterator[1];
        context.run(() -> begun[0] = presence.watch(WatchRequest.newBuilder().setScope(scope).build()));
        answers = begun[0];
    }

    /** The names of the users who are present. To be read first. */
    List<String> snapshot() {
        List<String> present = new ArrayList<>();
        WatchResponse answer;
        do {
            answer = answers.next();
            answer.getPresentList().stream().map(User::getUser).forEach(present::add);
            changes.addAll(answer.getChangesList());
        } while (answer.getMore());
        return present;
    }

    Change change() {
        while (changes.isEmpty()) {
            changes.addAll(answers.next().getChangesList());
        }
        return changes.remove();
    }

    /** Cancels the call. */
    @Override
    public void close() {
        context.cancel(null);
    }
}
