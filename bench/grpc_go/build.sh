#!/usr/bin/env bash
# Builds the yardstick of scripts/bench grpc into build/bench/grpc_go: bench/grpc_go/build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly to=build/bench/grpc_go
command -v go >/dev/null || { echo "scripts/bench grpc compares with grpc-go, and there is no go" >&2; exit 1; }
mkdir -p $to/tools
GOBIN=$PWD/$to/tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$PWD/$to/tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0
cp bench/grpc_go/main.go bench/grpc_go/go.mod bench/grpc_go/go.sum $to/
readonly module=github.com/muster-presence/muster
PATH=$PWD/$to/tools:$PATH protoc --proto_path=proto --go_out=$to --go_opt=module=$module --go-grpc_out=$to \
    --go-grpc_opt=module=$module muster/v1/presence.proto
cd $to
go build -o grpc_go .
