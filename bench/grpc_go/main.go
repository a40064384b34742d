// The yardstick of `scripts/bench grpc`: muster.v1.Presence on grpc-go, from a map behind a mutex, as a product would
// write it first. Touch and Live alone; it expires nobody and replicates nothing.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/muster-presence/muster/gen/go/muster/v1"
)

type session struct {
	seen   time.Time
	ttl    time.Duration
	status pb.Status
}

type presence struct {
	pb.UnimplementedPresenceServer
	mu     sync.Mutex
	scopes map[string]map[string]map[string]session
}

func nameOf(scope string) string {
	if scope == "" {
		return "default"
	}
	return scope
}

func (p *presence) Touch(_ context.Context, request *pb.TouchRequest) (*pb.TouchResponse, error) {
	now, ttl := time.Now(), time.Duration(request.TtlMs)*time.Millisecond
	response := &pb.TouchResponse{TtlMs: request.TtlMs, Stamp: uint64(now.UnixMilli()) << 16}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, beat := range request.Beats {
		scope := nameOf(beat.Scope)
		if beat.Scope == "" {
			scope = nameOf(request.Scope)
		}
		users := p.scopes[scope]
		if users == nil {
			users = map[string]map[string]session{}
			p.scopes[scope] = users
		}
		sessions := users[beat.User]
		if sessions == nil {
			sessions = map[string]session{}
			users[beat.User] = sessions
			response.Joined++
		}
		sessions[beat.Session] = session{now, ttl, beat.Status}
	}
	return response, nil
}

func (p *presence) Live(_ context.Context, request *pb.LiveRequest) (*pb.LiveResponse, error) {
	now := time.Now()
	response := &pb.LiveResponse{}
	p.mu.Lock()
	defer p.mu.Unlock()
	users := p.scopes[nameOf(request.Scope)]
	for _, name := range request.Users {
		user := &pb.User{}
		for _, session := range users[name] {
			if seen := session.seen.UnixMilli(); seen > user.LastSeenMs {
				user.LastSeenMs = seen
			}
			if now.Sub(session.seen) <= session.ttl {
				user.Live = true
				user.SessionCount++
				user.Status = max(user.Status, session.status)
			}
		}
		response.Users = append(response.Users, user)
	}
	return response, nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: grpc_go HOST:PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterPresenceServer(server, &presence{scopes: map[string]map[string]map[string]session{}})
	log.Fatal(server.Serve(listener))
}
