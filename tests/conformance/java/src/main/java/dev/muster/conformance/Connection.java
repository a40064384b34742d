package dev.muster.conformance;

import dev.muster.v1.PresenceGrpc;
import dev.muster.v1.PresenceGrpc.PresenceBlockingStub;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** A channel to a node. */
record Connection(ManagedChannel channel) implements AutoCloseable {
    static final int DEADLINE_S = 20;

    /** In the clear, to the address that an environment variable has. */
    static Connection to(String variable) {
        return to(variable, InsecureChannelCredentials.create());
    }

    static Connection to(String variable, ChannelCredentials credentials) {
        return new Connection(Grpc.newChannelBuilder(System.getenv(variable), credentials).build());
    }

    /** A stub for one call: its deadline runs from now on. */
    PresenceBlockingStub presence() {
        return PresenceGrpc.newBlockingStub(channel).withDeadlineAfter(DEADLINE_S, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
