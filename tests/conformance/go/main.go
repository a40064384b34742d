// Command conformance makes the calls that tests/conformance/README.md names, by grpc-go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	musterv1 "github.com/muster-presence/muster/gen/go/muster/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const deadline = 20 * time.Second

var cases = []struct {
	name string
	run  func(context.Context) error
}{
	{"unary", unary},
	{"stream", stream},
	{"deadline", deadlines},
	{"cancel", cancellation},
	{"metadata", bigMetadata},
	{"message-limit", messageLimit},
	{"invalid-argument", invalidArgument},
	{"compression", compression},
	{"reuse", reuse},
	{"drain", drain},
	{"health", healthCheck},
	{"tls", serverTLS},
	{"mutual-tls", mutualTLS},
}

func main() {
	status := 0
	for _, c := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		err := c.run(ctx)
		cancel()
		if err == nil {
			fmt.Println("ok", c.name)
		} else {
			fmt.Println("FAILED", c.name, strings.ReplaceAll(err.Error(), "\n", " "))
			status = 1
		}
	}
	os.Exit(status)
}

// connect returns a channel to the address that an environment variable holds; in the clear, unless the options say otherwise.
func connect(variable string, options ...grpc.DialOption) *grpc.ClientConn {
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(os.Getenv(variable), options...)
	if err != nil {
		log.Fatalf("%s: %v", variable, err)
	}
	return conn
}

// answersNodes tells whether a node answers over the channel.
func answersNodes(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error {
	answer, err := musterv1.NewPresenceClient(conn).Nodes(ctx, &musterv1.NodesRequest{}, options...)
	if err != nil {
		return fmt.Errorf("Nodes: %w", err)
	}
	return expect("nodes", len(answer.Nodes), 1)
}

func touch(ctx context.Context, client musterv1.PresenceClient, scope string, beats ...*musterv1.Beat) error {
	_, err := client.Touch(ctx, &musterv1.TouchRequest{Scope: scope, Beats: beats})
	if err != nil {
		return fmt.Errorf("Touch: %w", err)
	}
	return nil
}

func expect[T comparable](what string, found, wanted T) error {
	if found != wanted {
		return fmt.Errorf("%s: found %v, expected %v", what, found, wanted)
	}
	return nil
}

// expectCode: a call ended with one of the codes.
func expectCode(what string, err error, wanted ...codes.Code) error {
	for _, code := range wanted {
		if status.Code(err) == code {
			return nil
		}
	}
	return fmt.Errorf("%s: ended with %v (%v), expected %v", what, status.Code(err), err, wanted)
}
