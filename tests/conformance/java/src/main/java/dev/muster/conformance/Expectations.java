package dev.muster.conformance;

import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.util.List;

/** What a case says of what it found. */
final class Expectations {
    private Expectations() {
    }

    static void fail(String reason) {
        throw new AssertionError(reason);
    }

    static void expect(String what, Object found, Object expected) {
        if (!found.equals(expected)) {
            fail(what + ": " + found + ", not " + expected);
        }
    }

    /** The status with which a call fails: one of the codes that are expected. */
    static Status expectRefusal(Runnable call, Code... expected) {
        try {
            call.run();
        } catch (StatusRuntimeException refusal) {
            if (!List.of(expected).contains(refusal.getStatus().getCode())) {
                fail(refusal.getStatus() + ", not " + List.of(expected));
            }
            return refusal.getStatus();
        }
        throw new AssertionError("answered, not " + List.of(expected));
    }
}
