// Reads replies, one a line in base64, and prints each as JSON.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	musterv1 "decode/muster/v1"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		bytes, err := base64.StdEncoding.DecodeString(lines.Text())
		must(err)
		var reply musterv1.Reply
		must(proto.Unmarshal(bytes, &reply))
		json, err := protojson.Marshal(&reply)
		must(err)
		fmt.Println(string(json))
	}
	must(lines.Err())
}
