package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
)

// withTLS trusts the authority of the tests alone, and shows these certificates to a node that asks for one.
func withTLS(shown ...tls.Certificate) (grpc.DialOption, error) {
	pem, err := os.ReadFile(os.Getenv("MUSTER_CA"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in MUSTER_CA")
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trusted, Certificates: shown})), nil
}

// nodesByTLS asks a node over a channel of its own.
func nodesByTLS(ctx context.Context, variable string, shown ...tls.Certificate) error {
	option, err := withTLS(shown...)
	if err != nil {
		return err
	}
	conn := connect(variable, option)
	defer conn.Close()
	return answersNodes(ctx, conn)
}

func serverTLS(ctx context.Context) error {
	return nodesByTLS(ctx, "MUSTER_TLS")
}

func mutualTLS(ctx context.Context) error {
	certificate, err := tls.LoadX509KeyPair(os.Getenv("MUSTER_CLIENT_CERT"), os.Getenv("MUSTER_CLIENT_KEY"))
	if err != nil {
		return err
	}
	if err := nodesByTLS(ctx, "MUSTER_MUTUAL_TLS", certificate); err != nil {
		return err
	}
	return expectCode("without a certificate", nodesByTLS(ctx, "MUSTER_MUTUAL_TLS"), codes.Unavailable)
}
