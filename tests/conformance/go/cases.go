package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	musterv1 "github.com/muster-presence/muster/gen/go/muster/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func unary(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()
	client := musterv1.NewPresenceClient(conn)

	touched, err := client.Touch(ctx, &musterv1.TouchRequest{Scope: "unary", Beats: []*musterv1.Beat{
		{User: "ada"},
		{User: "bob", Status: musterv1.Status_STATUS_BUSY},
	}})
	if err != nil {
		return err
	}
	live, err := client.Live(ctx, &musterv1.LiveRequest{Scope: "unary", Users: []string{"ada", "bob", "nobody"}})
	if err != nil {
		return err
	}
	if len(live.Users) != 3 {
		return expect("users", len(live.Users), 3)
	}
	counts, err := client.Counts(ctx, &musterv1.CountsRequest{Scopes: []string{"unary"}})
	if err != nil {
		return err
	}
	if len(counts.Scopes) != 1 {
		return expect("scopes", len(counts.Scopes), 1)
	}
	count := counts.Scopes[0]
	return errors.Join(
		expect("joined", touched.Joined, 2),
		expect("ada is live", live.Users[0].Live, true),
		expect("bob is live", live.Users[1].Live, true),
		expect("bob's status", live.Users[1].Status, musterv1.Status_STATUS_BUSY),
		expect("nobody is live", live.Users[2].Live, false),
		expect("live", count.Live, 2),
		expect("online", count.Online, 1),
		expect("busy", count.Busy, 1),
	)
}

// A watch of a scope, change by change.
type watch struct {
	answers grpc.ServerStreamingClient[musterv1.WatchResponse]
	present []string           // the snapshot
	changes []*musterv1.Change // that were not taken yet
}

// openWatch returns when the snapshot is whole.
func openWatch(ctx context.Context, client musterv1.PresenceClient, scope string) (*watch, error) {
	answers, err := client.Watch(ctx, &musterv1.WatchRequest{Scope: scope})
	if err != nil {
		return nil, err
	}
	w := &watch{answers: answers}
	for more := true; more; {
		answer, err := answers.Recv()
		if err != nil {
			return nil, err
		}
		for _, user := range answer.Present {
			w.present = append(w.present, user.User)
		}
		w.changes = append(w.changes, answer.Changes...)
		more = answer.More
	}
	return w, nil
}

// next waits for a change.
func (w *watch) next() (*musterv1.Change, error) {
	for len(w.changes) == 0 {
		answer, err := w.answers.Recv()
		if err != nil {
			return nil, err
		}
		w.changes = answer.Changes
	}
	change := w.changes[0]
	w.changes = w.changes[1:]
	return change, nil
}

func (w *watch) expectNext(kind musterv1.ChangeKind, user string) (*musterv1.Change, error) {
	change, err := w.next()
	if err != nil {
		return nil, fmt.Errorf("waiting for %v of %s: %w", kind, user, err)
	}
	return change, errors.Join(expect("kind", change.Kind, kind), expect("user", change.User.GetUser(), user))
}

func stream(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()
	client := musterv1.NewPresenceClient(conn)

	if err := touch(ctx, client, "stream", &musterv1.Beat{User: "ada"}); err != nil {
		return err
	}
	w, err := openWatch(ctx, client, "stream")
	if err != nil {
		return err
	}
	if err := expect("present", fmt.Sprint(w.present), "[ada]"); err != nil {
		return err
	}

	if err := touch(ctx, client, "stream", &musterv1.Beat{User: "bob"}); err != nil {
		return err
	}
	if _, err := w.expectNext(musterv1.ChangeKind_CHANGE_KIND_JOINED, "bob"); err != nil {
		return err
	}

	busy := musterv1.Status_STATUS_BUSY
	if err := touch(ctx, client, "stream", &musterv1.Beat{User: "bob", Status: busy}); err != nil {
		return err
	}
	updated, err := w.expectNext(musterv1.ChangeKind_CHANGE_KIND_UPDATED, "bob")
	if err != nil {
		return err
	}
	if err := expect("status", updated.User.Status, busy); err != nil {
		return err
	}

	departures := []*musterv1.Departure{{User: "bob"}}
	if _, err := client.Leave(ctx, &musterv1.LeaveRequest{Scope: "stream", Departures: departures}); err != nil {
		return err
	}
	left, err := w.expectNext(musterv1.ChangeKind_CHANGE_KIND_LEFT, "bob")
	if err != nil {
		return err
	}
	return expect("reason", left.Reason, musterv1.LeaveReason_LEAVE_REASON_LEFT)
}

func deadlines(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()

	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	w, err := openWatch(short, musterv1.NewPresenceClient(conn), "deadline")
	if err == nil {
		_, err = w.next()
	}
	if err := expectCode("Watch", err, codes.DeadlineExceeded); err != nil {
		return err
	}

	long, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return answersNodes(long, conn)
}

func cancellation(ctx context.Context) error {
	conn := connect("MUSTER_ONE_WATCH")
	defer conn.Close()
	client := musterv1.NewPresenceClient(conn)

	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	first, err := openWatch(watching, client, "cancel")
	if err != nil {
		return err
	}
	if err := expectCode("a second Watch", watchOneJoin(ctx, client), codes.ResourceExhausted); err != nil {
		return err
	}
	cancel()
	_, err = first.next()
	if err := expectCode("the cancelled Watch", err, codes.Canceled); err != nil {
		return err
	}

	// The node hears of it a moment later.
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := watchOneJoin(ctx, client)
		if status.Code(err) != codes.ResourceExhausted || time.Now().After(until) {
			return err
		}
	}
}

// watchOneJoin watches until a user joins, who is touched after the snapshot.
func watchOneJoin(ctx context.Context, client musterv1.PresenceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := openWatch(ctx, client, "cancel")
	if err != nil {
		return err
	}
	user := fmt.Sprintf("user-%d", time.Now().UnixNano())
	if err := touch(ctx, client, "cancel", &musterv1.Beat{User: user}); err != nil {
		return err
	}
	_, err = w.expectNext(musterv1.ChangeKind_CHANGE_KIND_JOINED, user)
	return err
}

func bigMetadata(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()
	padded := func(bytes int) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "muster-padding", strings.Repeat("x", bytes))
	}

	if err := answersNodes(padded(8<<10), conn); err != nil {
		return fmt.Errorf("with 8 KiB of metadata: %w", err)
	}
	err := answersNodes(padded(20<<10), conn)
	if err := expectCode("with 20 KiB of metadata", err, codes.ResourceExhausted, codes.Internal); err != nil {
		return err
	}
	return answersNodes(ctx, conn)
}

func messageLimit(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()

	large := &musterv1.Beat{User: "ada", State: make([]byte, 2<<20)}
	err := touch(ctx, musterv1.NewPresenceClient(conn), "message-limit", large)
	if err := expectCode("Touch of 2 MiB", err, codes.ResourceExhausted); err != nil {
		return err
	}
	return answersNodes(ctx, conn)
}

func invalidArgument(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()

	err := touch(ctx, musterv1.NewPresenceClient(conn), "invalid-argument", &musterv1.Beat{})
	if err := expectCode("Touch of nobody", err, codes.InvalidArgument); err != nil {
		return err
	}
	if !strings.Contains(status.Convert(err).Message(), "user") {
		return fmt.Errorf("the message does not name the field: %w", err)
	}
	return nil
}

func compression(ctx context.Context) error {
	conn := connect("MUSTER_MEASURED", grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	defer conn.Close()
	client := musterv1.NewPresenceClient(conn)

	const users = 5000
	request := &musterv1.TouchRequest{Scope: "compression"}
	for i := range users {
		request.Beats = append(request.Beats, &musterv1.Beat{User: fmt.Sprintf("compressed-%04d", i)})
	}
	touched, err := client.Touch(ctx, request)
	if err != nil {
		return fmt.Errorf("Touch: %w", err)
	}
	listed, err := client.List(ctx, &musterv1.ListRequest{Scope: "compression", PageSize: users})
	if err != nil {
		return fmt.Errorf("List: %w", err)
	}
	return errors.Join(expect("joined", touched.Joined, users), expect("listed", len(listed.Users), users))
}

func reuse(ctx context.Context) error {
	conn := connect("MUSTER_COUNTED")
	defer conn.Close()
	client := musterv1.NewPresenceClient(conn)

	var all sync.WaitGroup
	errs := make([]error, 1000)
	for i := range errs {
		all.Go(func() {
			_, errs[i] = client.Live(ctx, &musterv1.LiveRequest{Scope: "reuse", Users: []string{"ada"}})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func healthCheck(ctx context.Context) error {
	conn := connect("MUSTER_PLAIN")
	defer conn.Close()
	client := healthv1.NewHealthClient(conn)

	for _, service := range []string{"", "muster.v1.Presence"} {
		answer, err := client.Check(ctx, &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			return fmt.Errorf("Check of %q: %w", service, err)
		}
		if err := expect("status", answer.Status, healthv1.HealthCheckResponse_SERVING); err != nil {
			return err
		}
	}
	_, err := client.Check(ctx, &healthv1.HealthCheckRequest{Service: "muster.v1.Nothing"})
	return expectCode("Check of a service that is not there", err, codes.NotFound)
}
