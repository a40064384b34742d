package dev.muster.conformance;

import static dev.muster.conformance.Expectations.expect;
import static dev.muster.conformance.Expectations.fail;

import com.google.common.collect.Lists;
import dev.muster.v1.User;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** The case `drain`: workers touch while the node is restarted; nothing that was answered is lost. */
final class Drain {
    private static final int WORKERS = 8;
    private static final int ENOUGH = 100;
    private static final int LIVE_USERS_MAX = 10_000;

    private final Connection node;
    private final List<String> answered = new ArrayList<>();
    private boolean isOver;

    private Drain(Connection node) {
        this.node = node;
    }

    static void run() throws Exception {
        try (Connection node = Connection.to("MUSTER_DRAINED")) {
            new Drain(node).touchThroughRestart();
        }
    }

    private void touchThroughRestart() throws Exception {
        ExecutorService workers = Executors.newFixedThreadPool(WORKERS);
        try {
            List<Future<?>> ends = new ArrayList<>();
            for (int i = 0; i < WORKERS; i++) {
                String prefix = "worker-" + i + "-";
                ends.add(workers.submit(() -> touchUntilOver(prefix)));
            }
            awaitAnswers(ENOUGH);
            System.out.println("drain");
            expect("the harness's line", new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
            awaitAnswers(count() + ENOUGH);
            end();
            for (Future<?> end : ends) {
                end.get(Connection.DEADLINE_S, TimeUnit.SECONDS);
            }
        } finally {
            end();
            workers.shutdownNow();
        }
        for (List<String> users : Lists.partition(answered, LIVE_USERS_MAX)) {
            var live = Conformance.live(node.presence(), "drain", users).getUsersList();
            expect("live of those answered", live.stream().filter(User::getLive).count(), (long) users.size());
        }
    }

    private Void touchUntilOver(String prefix) throws InterruptedException {
        for (int i = 0; !isOver(); i++) {
            String user = prefix + i;
            try {
                Conformance.touch(node.presence(), "drain", Conformance.online(user));
                add(user);
            } catch (StatusRuntimeException refusal) {
                if (refusal.getStatus().getCode() != Code.UNAVAILABLE) {
                    throw refusal;
                }
                Thread.sleep(10);
            }
        }
        return null;
    }

    private synchronized void add(String user) {
        answered.add(user);
        notifyAll();
    }

    private synchronized int count() {
        return answered.size();
    }

    private synchronized boolean isOver() {
        return isOver;
    }

    private synchronized void end() {
        isOver = true;
    }

    private synchronized void awaitAnswers(int wanted) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Connection.DEADLINE_S);
        while (answered.size() < wanted) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                fail(answered.size() + " answers, not " + wanted + ", after " + Connection.DEADLINE_S + " s");
            }
            wait(left);
        }
    }
}
