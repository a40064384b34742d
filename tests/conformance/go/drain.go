package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	musterv1 "github.com/muster-presence/muster/gen/go/muster/v1"
	"google.golang.org/grpc/codes"
)

// What workers touch without end, while the node restarts.
type load struct {
	client musterv1.PresenceClient

	mu         sync.Mutex
	answered   []string // users whose Touch was answered
	unexpected error    // an error that is not UNAVAILABLE
}

// drain: no call that was answered is lost, and all others are UNAVAILABLE.
func drain(ctx context.Context) error {
	conn := connect("MUSTER_DRAINED")
	defer conn.Close()
	l := &load{client: musterv1.NewPresenceClient(conn)}

	working, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() { l.work(working, fmt.Sprintf("worker-%d", worker)) })
	}
	err := l.waitForAnswers(ctx, 100)
	fmt.Println("drain")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for the restart: %w", err)
	}
	err = errors.Join(err, l.waitForAnswers(ctx, len(l.users())+100))
	stop()
	workers.Wait()
	return errors.Join(err, l.unexpected, l.expectAllLive(ctx))
}

// work touches a new user again and again, until the context ends.
func (l *load) work(ctx context.Context, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		user := fmt.Sprintf("%s-%d", name, i)
		// A call that has begun is not cancelled with the work.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
		err := touch(call, l.client, "drain", &musterv1.Beat{User: user})
		cancel()
		l.record(user, err)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (l *load) record(user string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.answered = append(l.answered, user)
	} else if l.unexpected == nil {
		l.unexpected = expectCode("a refused Touch", err, codes.Unavailable)
	}
}

func (l *load) users() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered[:len(l.answered):len(l.answered)]
}

func (l *load) waitForAnswers(ctx context.Context, wanted int) error {
	for len(l.users()) < wanted {
		select {
		case <-ctx.Done():
			return fmt.Errorf("answers: found %d, expected %d", len(l.users()), wanted)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (l *load) expectAllLive(ctx context.Context) error {
	const most = 10000
	for users := l.users(); len(users) > 0; users = users[min(most, len(users)):] {
		asked := users[:min(most, len(users))]
		answer, err := l.client.Live(ctx, &musterv1.LiveRequest{Scope: "drain", Users: asked})
		if err != nil {
			return fmt.Errorf("Live: %w", err)
		}
		for i, user := range answer.Users {
			if !user.Live {
				return fmt.Errorf("the touch of %s was answered, and it is not live", asked[i])
			}
		}
	}
	return nil
}
